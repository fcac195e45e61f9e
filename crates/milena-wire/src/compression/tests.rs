//! Every codec both ways, and what it refuses.

use super::*;

fn sample(bytes: usize) -> Vec<u8> {
    (0..bytes)
        .map(|index| (index % 251) as u8 ^ (index / 1_000) as u8)
        .collect()
}

#[test]
fn every_codec_gives_back_what_it_was_given() {
    for codec in Compression::ALL {
        for bytes in [0, 1, 100, 32 * 1024, 32 * 1024 + 1, 1_000_000] {
            let input = sample(bytes);
            let mut out = b"before".to_vec();
            compress(codec, None, &input, &mut out).expect("invariant: defaults compress");
            let (before, compressed) = out.split_at(6);
            assert_eq!(before, b"before", "{codec} appends");
            let compressed = Bytes::copy_from_slice(compressed);
            let back = decompress(codec, &compressed, bytes).expect("invariant: round trip");
            assert_eq!(back, input, "{codec} {bytes}");
        }
    }
}

#[test]
fn the_limit_is_exact() {
    for codec in Compression::ALL {
        let mut out = Vec::new();
        compress(codec, None, &vec![7; 100_000], &mut out).expect("invariant: defaults compress");
        let result = decompress(codec, &Bytes::from(out), 99_999);
        assert!(
            matches!(
                result,
                Err(CompressionError::TooLarge { limit: 99_999, .. })
            ),
            "{codec}: {result:?}"
        );
    }
}
