use milena_wire::batch::BatchStamp;

use super::*;
use crate::log::testing::sequenced;

#[test]
fn another_compression_keeps_everything_else() {
    let stamp = BatchStamp {
        producer_id: 7,
        producer_epoch: 1,
        base_sequence: 5,
        is_transactional: false,
    };
    let stamped = sequenced(0, 1_234, &["one", "two", "three"], stamp);
    let original = RawBatch::parse(stamped.bytes).expect("a batch");
    let mut batch = original.clone();
    for codec in Compression::ALL {
        batch = recompress(batch, codec, None).expect("it can be compressed");
        batch.verify_crc().expect("its checksum was computed anew");
        assert_eq!(batch.header.attributes.compression().ok(), Some(codec));
        let opened = batch.open(1 << 20).expect("it opens");
        let values: Vec<_> = opened
            .records()
            .map(|record| record.expect("a record").value.map(<[u8]>::to_vec))
            .collect();
        assert_eq!(values.len(), 3);
        assert_eq!(values[2].as_deref(), Some(b"three".as_slice()));
        assert_eq!(batch.header.base_sequence, 5);
        assert_eq!(batch.header.max_timestamp, 1_234);
    }
    let back = recompress(batch, Compression::None, None).expect("it can be taken back");
    assert_eq!(back.bytes(), original.bytes());
}
