//! Batches both ways, and what is refused.

use super::*;
use crate::compression::Compression;
use crate::limits::DECOMPRESSED_BYTES_MAX;
use bytes::Bytes;

const HEADERS: &[Header<'_>] = &[
    Header {
        key: "trace",
        value: Some(b"1"),
    },
    Header {
        key: "",
        value: None,
    },
    Header {
        key: "trace",
        value: Some(b"2"),
    },
];

fn records() -> Vec<RecordData<'static>> {
    vec![
        RecordData {
            timestamp: 1_000,
            key: Some(b"k"),
            value: Some(b"first"),
            headers: &[],
        },
        RecordData {
            timestamp: 900,
            key: None,
            value: Some(b""),
            headers: HEADERS,
        },
        RecordData {
            timestamp: i64::MAX,
            key: Some(b""),
            value: None,
            headers: &[],
        },
        RecordData {
            timestamp: i64::MIN,
            key: None,
            value: None,
            headers: &[],
        },
    ]
}

fn encode(records: &[RecordData<'_>], compression: Compression) -> Bytes {
    let mut encoder = BatchEncoder::with_capacity(0);
    for (index, record) in (0..).zip(records) {
        let before = encoder.encoded_bytes();
        let bound = encoder.record_bytes(record);
        assert_eq!(
            encoder.append(record).expect("invariant: it is small"),
            index
        );
        assert!(encoder.encoded_bytes() - before <= bound);
    }
    encoder
        .finish(BatchStamp::NONE, compression, None)
        .expect("invariant: there are records")
}

fn open(bytes: Bytes) -> Batch {
    let batch = RawBatch::parse(bytes).expect("invariant: our own batch is valid");
    batch
        .verify_crc()
        .expect("invariant: our own checksum is valid");
    batch
        .open(DECOMPRESSED_BYTES_MAX)
        .expect("invariant: our own batch opens")
}

#[test]
fn records_come_back_in_every_codec() {
    for compression in Compression::ALL {
        let batch = open(encode(&records(), compression));
        assert_eq!(batch.header.max_timestamp, i64::MAX);
        let views: Vec<_> = batch
            .records()
            .collect::<Result<_, _>>()
            .expect("invariant: our records are valid");
        assert_eq!(views.len(), 4);
        for ((offset, view), record) in (0..).zip(&views).zip(records()) {
            assert_eq!((view.offset, view.timestamp), (offset, record.timestamp));
            assert_eq!((view.key, view.value), (record.key, record.value));
            let headers: Vec<_> = view.headers.iter().map(|header| header.value).collect();
            let expected: Vec<_> = record.headers.iter().map(|header| header.value).collect();
            assert_eq!(headers, expected);
        }
    }
}
