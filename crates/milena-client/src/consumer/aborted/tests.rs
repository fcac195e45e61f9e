//! Tests of the walk over aborted transactions.

use milena_wire::batch::control::ControlRecord;
use milena_wire::batch::{Attributes, BatchHeader};

use super::AbortedTransactions;

const ABORT: ControlRecord = ControlRecord::Abort {
    coordinator_epoch: 0,
};

fn header(producer_id: i64, base_offset: i64, last_offset: i64) -> BatchHeader {
    BatchHeader {
        base_offset,
        batch_length: 49,
        partition_leader_epoch: 0,
        magic: 2,
        crc: 0,
        attributes: Attributes::default().with_transactional(true),
        last_offset_delta: i32::try_from(last_offset - base_offset).expect("small"),
        base_timestamp: 0,
        max_timestamp: 0,
        producer_id,
        producer_epoch: 0,
        base_sequence: 0,
        records_count: 1,
    }
}

#[test]
fn pitfall_24_an_unordered_list_is_walked_in_order() {
    // Producer 1 aborts 0..=4 and 20..=24, producer 2 aborts 10..=14.
    let mut aborted = AbortedTransactions::new([(1, 20), (2, 10), (1, 0)]);
    assert!(aborted.is_aborted(&header(1, 0, 4)));
    assert!(
        !aborted.is_aborted(&header(2, 5, 6)),
        "before its aborted one"
    );
    aborted.on_control(&header(1, 7, 7), Some(&ABORT));
    assert!(
        !aborted.is_aborted(&header(1, 8, 9)),
        "between its aborted ones"
    );
    assert!(aborted.is_aborted(&header(2, 10, 14)));
    assert!(aborted.is_aborted(&header(1, 20, 24)));
}

#[test]
fn records_outside_of_transactions_are_kept() {
    let mut aborted = AbortedTransactions::new([(1, 0)]);
    let mut plain = header(1, 0, 4);
    plain.attributes = Attributes::default();
    assert!(!aborted.is_aborted(&plain));
}

#[test]
fn a_commit_marker_ends_nothing() {
    let mut aborted = AbortedTransactions::new([(1, 0)]);
    let commit = ControlRecord::Commit {
        coordinator_epoch: 0,
    };
    aborted.on_control(&header(1, 3, 3), Some(&commit));
    assert!(aborted.is_aborted(&header(1, 4, 5)));
    aborted.on_control(&header(1, 6, 6), None);
    assert!(aborted.is_aborted(&header(1, 7, 8)), "a marker of nothing");
}
