//! Tests of a partition's log: leaders that take over, with all records or without the last.

use std::path::Path;

use milena_wire::batch::{RawBatch, TimestampType};

use super::{PartitionLog, Stamp};
use crate::log::epochs::{EpochEnd, LeaderEpochs};
use crate::log::memory::MemoryLog;
use crate::log::producers::Producers;
use crate::log::testing::{ALL, base_offsets, stamped};
use crate::log::view::{Isolation, ReadFrom};
use crate::log::{FlushDepth, LogError, SegmentSettings, recovery};

/// A segment holds two of the batches below.
const SMALL: SegmentSettings = SegmentSettings {
    segment_bytes: 170,
    segment_ms: i64::MAX,
    index_interval_bytes: 50,
};

fn in_memory() -> PartitionLog {
    let store = Box::new(MemoryLog::new(SMALL));
    PartitionLog::new(store, Producers::default(), LeaderEpochs::default())
}

fn in_directory(directory: &Path) -> PartitionLog {
    let (log, producers, epochs) = recovery::open(directory, SMALL, 1).expect("it opens");
    PartitionLog::new(Box::new(log), producers, epochs)
}

/// Appends `count` batches of two records each.
fn append(log: &PartitionLog, count: usize) {
    let batch = RawBatch::parse(stamped(0, 1_000, &["v", "w"]).bytes).expect("a batch");
    let stamp = Stamp {
        timestamp_type: TimestampType::CreateTime,
        now_ms: 1_000,
    };
    for _ in 0..count {
        log.append(&batch, stamp).expect("an append");
    }
}

fn offsets(log: &PartitionLog) -> Vec<i64> {
    let mut next = log.offsets().start;
    let mut found = Vec::new();
    while next < log.offsets().end {
        let read = log.read(ReadFrom::offset(next), ALL, Isolation::Uncommitted);
        let read = base_offsets(&read.expect("a read").pieces);
        assert!(!read.is_empty(), "nothing at {next}");
        next = read.last().map_or(next, |last| last + 2);
        found.extend(read);
    }
    found
}

fn end_of(log: &PartitionLog, epoch: i32) -> Option<(i32, i64)> {
    let end = log.epoch_end(-1, epoch).expect("nothing believed");
    end.map(|EpochEnd { epoch, offset }| (epoch, offset))
}

fn check_truncation(log: &PartitionLog) {
    append(log, 5);
    assert_eq!(offsets(log), [0, 2, 4, 6, 8]);
    let before = log.bytes();
    // The batch with offset 5 goes as a whole.
    let epoch = log.begin_epoch_without(5, 1).expect("within the log");
    assert_eq!((epoch, offsets(log)), (1, vec![0, 2]));
    assert_eq!(log.bytes(), before / 5 * 2);
    append(log, 2);
    assert_eq!(offsets(log), [0, 2, 4, 6]);
    assert_eq!(end_of(log, 0), Some((0, 4)));
    assert_eq!(end_of(log, 1), Some((1, 8)));
    let outside = log.begin_epoch_without(9, 1);
    assert!(matches!(outside, Err(LogError::OffsetOutOfRange { .. })));
}

#[test]
fn a_leader_that_lacks_records_cuts_the_log() {
    check_truncation(&in_memory());
    let directory = tempfile::tempdir().expect("a directory");
    let log = in_directory(directory.path());
    check_truncation(&log);
    for depth in [FlushDepth::Records, FlushDepth::Checkpoint] {
        // After a crash, and after a clean stop: the same log, and another leader.
        log.flush(depth).expect("a flush");
        let opened = in_directory(directory.path());
        assert_eq!(offsets(&opened), [0, 2, 4, 6], "{depth:?}");
        assert_eq!(end_of(&opened, 0), Some((0, 4)), "{depth:?}");
        assert_eq!(opened.leader_epoch(), 2, "{depth:?}");
        assert_eq!(end_of(&opened, 1), Some((1, 8)), "{depth:?}");
    }
}

#[test]
fn a_reader_learns_where_its_records_part_from_the_log() {
    let log = in_memory();
    append(&log, 4);
    log.begin_epoch_without(4, 1).expect("within the log");
    append(&log, 3);
    let read = |offset, leader_epoch, last_fetched_epoch| {
        let from = ReadFrom {
            offset,
            leader_epoch,
            last_fetched_epoch,
        };
        let fetched = log.read(from, ALL, Isolation::Uncommitted)?;
        Ok::<_, LogError>(fetched.diverging.map(|end| (end.epoch, end.offset)))
    };
    for (offset, leader_epoch, last_fetched_epoch, diverging) in [
        (8, 1, 0, Some((0, 4))),
        (4, 1, 0, None),
        (8, 1, 1, None),
        (8, -1, -1, None),
        // It is beyond the end, which says less than where it went wrong.
        (20, 1, 0, Some((0, 4))),
    ] {
        let found = read(offset, leader_epoch, last_fetched_epoch).expect("readable");
        assert_eq!(found, diverging, "{offset} after {last_fetched_epoch}");
    }
    for leader_epoch in [0, 2] {
        let refused = read(4, leader_epoch, 0);
        assert!(
            matches!(refused, Err(LogError::OtherEpoch { current: 1, .. })),
            "{refused:?}"
        );
    }
    let refused = read(4, 1, 2);
    assert!(matches!(refused, Err(LogError::UnknownEpoch { epoch: 2 })));
}
