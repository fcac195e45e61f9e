use milena_wire::batch::{Batches, RawBatch, TimestampType};

use super::*;
use crate::log::compact::tests::batch;
use crate::log::partition::Stamp;
use crate::log::testing::ALL;
use crate::log::view::{Isolation, ReadFrom};
use crate::log::{Piece, SegmentSettings, recovery};

const SMALL: SegmentSettings = SegmentSettings {
    segment_bytes: 300,
    segment_ms: i64::MAX,
    index_interval_bytes: 100,
};

fn append(log: &PartitionLog, record: &str) {
    let batch: RawBatch = batch(0, &[record], milena_wire::compression::Compression::None);
    let stamp = Stamp {
        timestamp_type: TimestampType::CreateTime,
        now_ms: 1_000,
    };
    log.append(&batch, stamp).expect("an append");
}

/// `offset:value` of all records, as a consumer reads them.
fn content(log: &PartitionLog) -> Vec<String> {
    let offsets = log.offsets();
    let (mut next, mut content) = (offsets.start, Vec::new());
    while next < offsets.end {
        let read = log
            .read(ReadFrom::offset(next), ALL, Isolation::Uncommitted)
            .expect("a read");
        let mut bytes = Vec::new();
        for piece in &read.pieces {
            match piece {
                Piece::Whole(whole) => bytes.extend_from_slice(whole),
                Piece::Patched { head, body } => {
                    bytes.extend_from_slice(head);
                    bytes.extend_from_slice(body);
                }
            }
        }
        for batch in Batches::new(bytes.into()) {
            let batch = batch.expect("a batch");
            batch.verify_crc().expect("an intact batch");
            for record in batch.open(1 << 20).expect("it opens").records() {
                let record = record.expect("a record");
                let value = String::from_utf8_lossy(record.value.unwrap_or_default());
                content.push(format!("{}:{value}", record.offset));
            }
            next = batch.header.next_offset();
        }
    }
    content
}

#[test]
fn a_compacted_directory_is_read_on_and_opened_again() {
    let directory = tempfile::tempdir().expect("a directory");
    let open = || {
        let (log, producers, epochs) =
            recovery::open(directory.path(), SMALL, 1).expect("it opens");
        PartitionLog::new(Box::new(log), producers, epochs)
    };
    let config = TopicConfig {
        dirty_ratio_min: 0.0,
        ..TopicConfig::default()
    };
    let log = open();
    for number in 0..40 {
        append(&log, &format!("k{}={number}", number % 4));
    }
    let all = content(&log);
    assert_eq!(all.len(), 40);
    assert!(log.compact(&config, 1_000).expect("a pass"));
    let compacted = content(&log);
    assert!(compacted.len() < 12, "{compacted:?}");
    // The last four are the newest of each key, wherever they are.
    assert_eq!(compacted[compacted.len() - 4..], all[36..]);
    assert!(compacted.iter().all(|record| all.contains(record)));
    assert!(!log.compact(&config, 2_000).expect("nothing is new"));
    assert_eq!(log.offsets().start, 0);
    drop(log);

    let log = open();
    assert_eq!(content(&log), compacted);
    assert!(!log.compact(&config, 3_000).expect("it remembers"));
    append(&log, "k0=40");
    assert_eq!(log.offsets().end, 41);
    for number in 41..60 {
        append(&log, &format!("k9={number}"));
    }
    assert!(log.compact(&config, 4_000).expect("a pass"));
    let compacted = content(&log);
    assert!(
        !compacted.contains(&all[36]),
        "k0 has a newer record: {compacted:?}"
    );
    assert!(compacted.contains(&all[37]), "{compacted:?}");
}
