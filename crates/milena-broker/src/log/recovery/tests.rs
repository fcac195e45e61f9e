use std::fs::{self, OpenOptions};
use std::io::Write;

use milena_wire::batch::BatchStamp;

use super::*;
use crate::log::producers::Verdict;
use crate::log::testing::{ALL, base_offsets, sequenced, stamped};
use crate::log::{FlushDepth, ReadLimit, StampedBatch};

const SMALL: SegmentSettings = SegmentSettings {
    segment_bytes: 300,
    segment_ms: i64::MAX,
    index_interval_bytes: 100,
};

fn reopen(directory: &Path) -> (DirectoryLog, Producers) {
    let (log, producers, _) = open(directory, SMALL, 1).expect("the log opens");
    (log, producers)
}

/// A batch of the producer 7.
fn of_producer(offset: i64, sequence: i32) -> StampedBatch {
    let stamp = BatchStamp {
        producer_id: 7,
        producer_epoch: 0,
        base_sequence: sequence,
        ..BatchStamp::default()
    };
    sequenced(offset, 1_000 + offset, &["value"], stamp)
}

fn fill(log: &mut DirectoryLog, offsets: std::ops::Range<i64>) {
    for offset in offsets {
        let sequence = i32::try_from(offset).expect("small");
        log.append(&of_producer(offset, sequence))
            .expect("an append");
    }
}

fn all_offsets(log: &DirectoryLog) -> Vec<i64> {
    let mut offsets: Vec<i64> = Vec::new();
    let mut next = log.start_offset();
    while next < log.next_offset() {
        let read = base_offsets(&log.read(next, ALL).expect("a read"));
        assert!(!read.is_empty(), "nothing at {next}");
        offsets.extend(&read);
        next = offsets.last().map_or(next, |last| last + 1);
    }
    offsets
}

fn checkpoint(log: &mut DirectoryLog, producers: &Producers) {
    let flush = log
        .begin_flush(FlushDepth::Checkpoint, producers, &LeaderEpochs::default())
        .expect("something to flush");
    flush.run().expect("a flush");
    log.end_flush(&flush);
}

fn last_segment(directory: &Path) -> PathBuf {
    list_segments(directory)
        .expect("a listing")
        .pop()
        .expect("a segment")
        .1
}

#[test]
fn a_log_is_the_same_after_it_was_closed_or_killed() {
    for with_checkpoint in [false, true] {
        let directory = tempfile::tempdir().expect("a directory");
        let (mut log, producers) = reopen(directory.path());
        fill(&mut log, 0..20);
        if with_checkpoint {
            checkpoint(&mut log, &producers);
        }
        fill(&mut log, 20..25);
        drop(log);
        let (mut log, producers) = reopen(directory.path());
        assert_eq!(all_offsets(&log), (0..25).collect::<Vec<_>>());
        assert!(list_segments(directory.path()).expect("a listing").len() > 5);
        // The producer goes on, and its last batches are known.
        let next = Sequenced::of(&of_producer(25, 25).header).expect("sequenced");
        assert_eq!(producers.judge(next), Verdict::Append);
        let known = Sequenced::of(&of_producer(24, 24).header).expect("sequenced");
        assert!(matches!(producers.judge(known), Verdict::Duplicate(_)));
        fill(&mut log, 25..30);
        for offset in 0..30 {
            let limit = ReadLimit {
                bytes_max: 1,
                first_batch_bytes_max: 1 << 20,
                before: i64::MAX,
            };
            assert_eq!(
                base_offsets(&log.read(offset, limit).expect("a read")),
                [offset]
            );
            let found = log.find_timestamp(1_000 + offset).expect("a search");
            assert_eq!(found.map(|found| found.offset), Some(offset));
        }
    }
}

#[test]
fn a_torn_end_is_cut_off() {
    let directory = tempfile::tempdir().expect("a directory");
    let (mut log, _) = reopen(directory.path());
    fill(&mut log, 0..4);
    drop(log);
    let whole = of_producer(4, 4);
    for torn in [1, 16, 60, 61, whole.bytes.len() - 1] {
        let path = last_segment(directory.path());
        let mut file = OpenOptions::new().append(true).open(&path).expect("a file");
        let mut bytes = whole.bytes.to_vec();
        bytes[..16].copy_from_slice(&whole.head());
        file.write_all(&bytes[..torn]).expect("a write");
        let (log, _) = reopen(directory.path());
        assert_eq!(
            (log.next_offset(), all_offsets(&log)),
            (4, vec![0, 1, 2, 3]),
            "{torn}"
        );
    }
    let (mut log, _) = reopen(directory.path());
    fill(&mut log, 4..6);
    assert_eq!(all_offsets(&log), [0, 1, 2, 3, 4, 5]);
}

#[test]
fn damage_behind_the_checkpoint_ends_the_log_and_keeps_the_rest_aside() {
    let directory = tempfile::tempdir().expect("a directory");
    let (mut log, producers) = reopen(directory.path());
    fill(&mut log, 0..4);
    checkpoint(&mut log, &producers);
    fill(&mut log, 4..12);
    drop(log);
    let segments = list_segments(directory.path()).expect("a listing");
    let (base_offset, path) = &segments[segments.len() - 2];
    let mut bytes = fs::read(path).expect("a file");
    bytes[70] ^= 1;
    fs::write(path, bytes).expect("a write");
    let (log, _) = reopen(directory.path());
    assert_eq!(log.next_offset(), *base_offset);
    assert_eq!(all_offsets(&log), (0..*base_offset).collect::<Vec<_>>());
    let (_, last) = &segments[segments.len() - 1];
    assert!(last.with_extension("log.orphaned").exists());
}

#[test]
fn a_lost_or_damaged_checkpoint_or_index_costs_only_time() {
    for victim in ["checkpoint", "index"] {
        let directory = tempfile::tempdir().expect("a directory");
        let (mut log, producers) = reopen(directory.path());
        fill(&mut log, 0..10);
        checkpoint(&mut log, &producers);
        drop(log);
        for entry in fs::read_dir(directory.path()).expect("a listing") {
            let path = entry.expect("an entry").path();
            if path.to_string_lossy().ends_with(victim) {
                fs::write(path, b"nonsense that is long enough").expect("a write");
            }
        }
        let (log, _) = reopen(directory.path());
        assert_eq!(all_offsets(&log), (0..10).collect::<Vec<_>>(), "{victim}");
    }
}

#[test]
fn retention_removes_whole_segments_and_survives() {
    let directory = tempfile::tempdir().expect("a directory");
    let (mut log, _) = reopen(directory.path());
    for offset in 0..10 {
        log.append(&stamped(offset, offset, &["value"]))
            .expect("an append");
    }
    assert!(log.retain(Some(5), None).expect("a removal"));
    let start = log.start_offset();
    assert!(start > 0 && start <= 5, "{start}");
    drop(log);
    let (mut log, _) = reopen(directory.path());
    assert_eq!((log.start_offset(), log.next_offset()), (start, 10));
    assert!(log.retain(Some(100), None).expect("a removal"));
    drop(log);
    let (log, _) = reopen(directory.path());
    assert_eq!((log.start_offset(), log.next_offset()), (10, 10));
}
