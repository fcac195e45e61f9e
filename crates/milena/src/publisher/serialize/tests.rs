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

/// What the Java client's other serializers write.
#[test]
fn bytes_texts_truths_and_ids() {
    let id = uuid::Uuid::from_u128(0x0123_4567_89ab_cdef_0123_4567_89ab_cdef);
    assert_eq!(id.to_bytes(), "01234567-89ab-cdef-0123-456789abcdef");
    assert_eq!([1_u8, 2].to_bytes(), vec![1_u8, 2].to_bytes());
    assert_eq!(
        (true.to_bytes(), false.to_bytes()),
        ([1][..].to_bytes(), [0][..].to_bytes())
    );
    assert_eq!((&"é").to_bytes()[..], [0xc3, 0xa9]);
    assert!(().to_bytes().is_empty());
}
