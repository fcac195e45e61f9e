//! What a split batch keeps, and who is told what when records are refused.

use std::time::{Duration, Instant};

use milena_wire::batch::{BatchStamp, Header, RawBatch, RecordData};
use milena_wire::compression::Compression;

use super::{OpenBatch, SealedBatch};
use crate::buffer_pool::BufferPool;
use crate::producer::budget::Budget;
use crate::producer::delivery::Delivery;
use crate::producer::error::{ProduceError, ProduceErrorKind};

const STAMP: BatchStamp = BatchStamp {
    producer_id: 7,
    producer_epoch: 3,
    base_sequence: i32::MAX,
    is_transactional: true,
};

/// A batch of five records that differ in everything.
fn sealed(compression: Compression) -> SealedBatch {
    let reserved = Budget::new(4096).try_reserve(4096).unwrap();
    let now = Instant::now();
    let mut open = OpenBatch::new(0, reserved, &BufferPool::new(0, 0), now);
    for number in 0..5_u8 {
        let value = [number; 20];
        let headers = [
            Header {
                key: "same",
                value: Some(&value[..3]),
            },
            Header {
                key: "same",
                value: None,
            },
        ];
        let record = RecordData {
            timestamp: 1000 - i64::from(number),
            key: (number % 2 == 0).then_some(&value[..1]),
            value: (number != 3).then_some(&value),
            headers: &headers[..usize::from(number % 3)],
        };
        open.append(&record).unwrap();
    }
    let deadline = now + Duration::from_secs(1);
    open.seal(STAMP, compression, None, deadline).unwrap()
}

/// What the records of a batch say, one by one.
fn content(batch: &SealedBatch) -> Vec<String> {
    let raw = RawBatch::parse(batch.bytes.clone()).unwrap();
    raw.verify_crc().unwrap();
    let batch = raw.open(1 << 20).unwrap();
    let records = batch.records().map(|record| {
        let record = record.unwrap();
        let headers: Vec<_> = record.headers.into_iter().collect();
        format!(
            "{} {:?} {:?} {headers:?}",
            record.timestamp, record.key, record.value
        )
    });
    records.collect()
}

#[test]
fn halves_have_the_same_records_under_the_same_sequences() {
    for compression in [Compression::None, Compression::Lz4, Compression::Zstd] {
        let batch = sealed(compression);
        let halves = batch.split(None).unwrap();
        let together: Vec<_> = halves.iter().flat_map(content).collect();
        assert_eq!(together, content(&batch), "{compression}");
        let expected = [(2, i32::MAX, 0), (3, 1, 2)];
        for (half, (count, sequence, first_index)) in halves.iter().zip(expected) {
            let header = RawBatch::parse(half.bytes.clone()).unwrap().header;
            assert_eq!((header.producer_id, header.producer_epoch), (7, 3));
            assert_eq!(
                (header.records_count, header.base_sequence),
                (count, sequence)
            );
            assert_eq!(half.first_index, first_index);
            assert!(header.attributes.is_transactional());
            assert_eq!(header.attributes.compression().unwrap(), compression);
        }
    }
}

#[test]
fn records_that_are_to_blame_are_told_so() {
    let error = |text: &str| ProduceError::from(ProduceErrorKind::Encode(text.to_owned()));
    let cases: [(&[u32], [&str; 5]); 4] = [
        (&[], ["all", "all", "all", "all", "all"]),
        (&[0], ["own", "all", "all", "all", "all"]),
        (&[1, 2], ["all", "own", "own", "all", "all"]),
        (&[0, 4], ["own", "all", "all", "all", "own"]),
    ];
    for (to_blame, expected) in cases {
        let batch = sealed(Compression::None);
        let errors: Vec<_> = to_blame
            .iter()
            .map(|index| (*index, error("own")))
            .collect();
        batch.reject(&error("all"), &errors);
        for (index, expected) in (0..).zip(expected) {
            let delivery = Delivery::new(batch.outcome().clone(), index);
            let told = delivery.try_result().unwrap().unwrap_err().to_string();
            assert!(told.ends_with(expected), "{to_blame:?} {index}: {told}");
        }
    }
}
