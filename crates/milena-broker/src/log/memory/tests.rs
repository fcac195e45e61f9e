use super::*;
use crate::log::testing::{ALL, base_offsets, stamped};

fn filled() -> MemoryLog {
    let mut log = MemoryLog::default();
    for (offset, timestamp) in [(0, 10), (2, 30), (4, 20)] {
        log.append(&stamped(offset, timestamp, &["a", "b"]))
            .expect("memory");
    }
    log
}

#[test]
fn reads_start_at_the_batch_that_holds_the_offset() {
    let log = filled();
    for (offset, expected) in [
        (0, vec![0, 2, 4]),
        (1, vec![0, 2, 4]),
        (2, vec![2, 4]),
        (5, vec![4]),
        (6, vec![]),
    ] {
        let pieces = log.read(offset, ALL).expect("a read");
        assert_eq!(base_offsets(&pieces), expected, "{offset}");
    }
}

#[test]
fn limits_count_whole_batches() {
    let log = filled();
    let one = log.batches[0].len();
    for (bytes_max, first_batch_bytes_max, expected) in [
        (0, 0, 0),
        (0, one, 1),
        (one, 0, 1),
        (2 * one, 0, 2),
        (3 * one - 1, 0, 2),
    ] {
        let limit = ReadLimit {
            bytes_max,
            first_batch_bytes_max,
            before: i64::MAX,
        };
        assert_eq!(
            log.read(0, limit).expect("a read").len(),
            expected,
            "{bytes_max}"
        );
    }
}

#[test]
fn timestamps_lead_to_the_first_record_not_older() {
    let log = filled();
    let found = |timestamp| {
        log.find_timestamp(timestamp)
            .expect("readable")
            .map(|found| found.offset)
    };
    assert_eq!(
        [found(0), found(11), found(21), found(31)],
        [Some(0), Some(2), Some(2), None]
    );
    assert_eq!(
        log.newest_timestamp()
            .expect("readable")
            .map(|found| found.offset),
        Some(2)
    );
}

#[test]
fn retention_drops_whole_batches_from_the_front() {
    let mut log = filled();
    let one = log.batches[0].len() as u64;
    assert!(!log.retain(Some(10), None).expect("memory"));
    assert!(log.retain(Some(11), None).expect("memory"));
    assert_eq!((log.start_offset(), log.next_offset()), (2, 6));
    assert!(log.retain(None, Some(one)).expect("memory"));
    assert_eq!(log.start_offset(), 4);
    assert!(log.retain(None, Some(0)).expect("memory"));
    assert_eq!((log.start_offset(), log.next_offset()), (6, 6));
}
