//! Round trips and refusals of variable-length integers.

use super::*;
use proptest::prelude::*;

#[test]
fn sizes_agree_with_what_is_written_at_every_bit_length() {
    for bits in 0..64 {
        for value in [1_u64 << bits, (1_u64 << bits) - 1, (1_u64 << bits) + 1] {
            let mut out = Vec::new();
            write_u64(&mut out, value);
            assert_eq!(out.len(), size_u64(value), "{value}");
            assert_eq!(read_u64(&mut out.as_slice()), Ok(value));
        }
    }
    assert_eq!(size_u64(u64::MAX), 10);
}

#[test]
fn refuses_what_is_too_short_or_too_long() {
    let check = |bytes: &[u8], expected: VarintError| {
        assert_eq!(read_u32(&mut &*bytes), Err(expected), "{bytes:?}");
    };
    check(&[], VarintError::Truncated);
    check(&[0x80], VarintError::Truncated);
    check(&[0xff; 4], VarintError::Truncated);
    check(&[0xff; 5], VarintError::TooLong);
    check(&[0xff, 0xff, 0xff, 0xff, 0x1f], VarintError::TooLong);
    assert_eq!(read_u64(&mut &[0xff_u8; 10][..]), Err(VarintError::TooLong));
    assert_eq!(
        read_u64(&mut &[0xff_u8; 9][..]),
        Err(VarintError::Truncated)
    );
}

proptest! {
    #[test]
    fn every_i64_comes_back(value: i64) {
        let mut out = Vec::new();
        write_i64(&mut out, value);
        prop_assert_eq!(out.len(), size_i64(value));
        let mut rest = out.as_slice();
        prop_assert_eq!(read_i64(&mut rest), Ok(value));
        prop_assert!(rest.is_empty());
    }

    #[test]
    fn every_i32_comes_back(value: i32) {
        let mut out = Vec::new();
        write_i32(&mut out, value);
        prop_assert_eq!(out.len(), size_i32(value));
        let mut rest = out.as_slice();
        prop_assert_eq!(read_i32(&mut rest), Ok(value));
        prop_assert!(rest.is_empty());
    }
}
