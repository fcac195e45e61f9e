use super::*;

/// As Kafka's `IntegerSerializer` and its like write them.
#[test]
fn numbers_are_big_endian_and_texts_utf8() {
    let cases: [(&dyn ToBytes, &[u8]); 6] = [
        (&258_i16, &[1, 2]),
        (&-2_i32, &[255, 255, 255, 254]),
        (&(1_i64 << 40), &[0, 0, 1, 0, 0, 0, 0, 0]),
        (&1.0_f64, &[63, 240, 0, 0, 0, 0, 0, 0]),
        (&"é".to_owned(), &[0xc3, 0xa9]),
        (&Bytes::from_static(b"ab"), b"ab"),
    ];
    for (value, bytes) in cases {
        assert_eq!(value.to_bytes()[..], *bytes);
    }
}
