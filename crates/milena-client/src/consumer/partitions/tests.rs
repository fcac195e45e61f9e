//! Tests of the queues: order, room, and what must never be handed out.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use milena_wire::batch::{BatchEncoder, BatchStamp, RawBatch, RecordData, patch_base_offset};
use milena_wire::compression::Compression;
use tokio::time::Instant;

use super::{
    Delivered, FetchedPartition, FetchedResult, OpenEnd, Partitions, QueuedBatch, TableConfig,
    TakenBatch,
};
use crate::consumer::position::{OffsetAndEpoch, Question};
use crate::consumer::validation::EpochEnd;
use crate::consumer::{IsolationLevel, OffsetReset};
use crate::error::Error;
use crate::topology::{NodeId, TopicPartition};
use crate::wire::ErrorCode;

const LEADER: NodeId = NodeId(1);
const START: OffsetAndEpoch = OffsetAndEpoch {
    offset: 0,
    leader_epoch: -1,
};

/// A table and the changes it counts.
struct Rig {
    table: Partitions,
    changes: Arc<AtomicU64>,
}

impl Rig {
    /// With these partitions of `t`, each fetching from offset 0 on.
    fn new(partitions: &[i32]) -> Self {
        let config = TableConfig {
            policy: OffsetReset::None,
            isolation_level: IsolationLevel::ReadUncommitted,
            tells_ends: true,
            retry_backoff: Duration::from_millis(100),
            retry_backoff_max: Duration::from_secs(1),
            replica_max_age: Duration::from_secs(300),
        };
        let changes = Arc::new(AtomicU64::new(0));
        let mut rig = Self {
            table: Partitions::new(config, Arc::clone(&changes)),
            changes,
        };
        let names: Vec<TopicPartition> = partitions.iter().map(|index| name(*index)).collect();
        rig.table.add(&names, Question::Committed, false);
        for (partition, _, asked) in rig.table.take_questions(Instant::now()) {
            rig.table.update(&partition, |position| {
                position.on_committed(asked, Some(START), OffsetReset::None);
                position.set_leader(Some(LEADER), 0);
            });
        }
        rig
    }

    /// A fetch of `partition` brings batches of so many records each.
    fn deliver(&mut self, partition: i32, batches: &[i64]) -> Delivered {
        let position = self.table.position(&name(partition)).expect("assigned");
        let (incarnation, from) = (position.incarnation(), position.fetch_offset());
        let mut next_offset = from;
        let mut queued = Vec::new();
        for records in batches {
            queued.push(QueuedBatch {
                raw: batch(next_offset, *records),
                from: next_offset,
            });
            next_offset += records;
        }
        self.table.deliver(
            LEADER,
            vec![FetchedPartition {
                partition: name(partition),
                incarnation,
                fetched_from: from,
                result: FetchedResult::Records {
                    batches: queued,
                    next_offset,
                    last_epoch: 0,
                    high_watermark: next_offset,
                    last_stable_offset: next_offset,
                },
            }],
            Instant::now(),
        )
    }

    /// Partition and base offset of what `take` gives.
    fn take(&mut self, records_max: usize) -> Vec<(i32, i64)> {
        self.table.take(records_max).iter().map(place).collect()
    }

    /// Partition and offset of the ends that are told.
    fn ends(&mut self) -> Vec<(i32, i64)> {
        let ends = self.table.take_ends().into_iter();
        ends.map(|end| (end.partition.partition, end.offset))
            .collect()
    }

    fn position(&self, partition: i32) -> Option<i64> {
        self.table
            .position(&name(partition))
            .expect("assigned")
            .position()
    }
}

fn name(partition: i32) -> TopicPartition {
    TopicPartition::new("t", partition)
}

fn place(taken: &TakenBatch) -> (i32, i64) {
    (
        taken.partition.partition,
        taken.queued.raw.header.base_offset,
    )
}

fn batch(base_offset: i64, records: i64) -> RawBatch {
    let mut encoder = BatchEncoder::with_capacity(256);
    for _ in 0..records {
        let record = RecordData {
            value: Some(b"value"),
            ..RecordData::default()
        };
        encoder.append(&record).expect("fits");
    }
    let bytes = encoder
        .finish(BatchStamp::NONE, Compression::None, None)
        .expect("complete");
    let mut bytes = bytes.to_vec();
    patch_base_offset(&mut bytes, base_offset).expect("a header");
    RawBatch::parse(bytes.into()).expect("one batch")
}

#[test]
fn batches_come_in_order_and_partitions_in_turns() {
    let mut rig = Rig::new(&[0, 1]);
    assert!(rig.deliver(0, &[2, 2, 2]).is_ready);
    rig.deliver(1, &[2]);
    assert_eq!(rig.take(3), [(0, 0), (0, 2)]);
    assert_eq!(rig.position(0), Some(4));
    assert_eq!(rig.take(100), [(1, 0), (0, 4)]);
    assert_eq!(rig.take(100), []);
    assert_eq!(rig.table.queued_bytes(), 0);
}

#[test]
fn a_batch_larger_than_asked_for_comes_whole() {
    let mut rig = Rig::new(&[0]);
    rig.deliver(0, &[50, 50]);
    assert_eq!(rig.take(1), [(0, 0)]);
    assert_eq!(rig.position(0), Some(50));
}

#[test]
fn pitfall_15_what_was_fetched_of_a_removed_partition_is_never_handed_out() {
    let mut rig = Rig::new(&[0, 1]);
    rig.deliver(0, &[2]);
    rig.deliver(1, &[2]);
    rig.table.remove(&[name(0)]);
    assert_eq!(rig.take(100), [(1, 0)]);
    // Back again: its position is found anew, nothing is left of the old one.
    rig.table.add(&[name(0)], Question::Committed, false);
    assert_eq!(rig.position(0), None);
    assert_eq!(rig.take(100), []);
    assert_eq!(rig.table.queued_bytes(), 0);
}

#[test]
fn nothing_is_handed_out_while_a_partition_is_given_up() {
    let mut rig = Rig::new(&[0]);
    rig.deliver(0, &[2]);
    rig.table
        .update(&name(0), |position| position.start_revoking());
    assert_eq!(rig.take(100), []);
    assert_eq!(rig.position(0), Some(0), "still known, for the last commit");
}

#[test]
fn a_held_partition_waits_until_it_is_released() {
    let mut rig = Rig::new(&[0]);
    rig.table
        .update(&name(0), |position| position.set_held(true));
    assert!(!rig.deliver(0, &[2]).is_ready);
    assert_eq!(rig.take(100), []);
    rig.table
        .update(&name(0), |position| position.set_held(false));
    assert_eq!(rig.take(100), [(0, 0)]);
}

#[test]
fn a_paused_partition_keeps_its_queue_while_there_is_room() {
    let mut rig = Rig::new(&[0]);
    rig.deliver(0, &[2, 2]);
    rig.table.update(&name(0), |position| position.pause());
    assert_eq!(rig.take(100), []);
    assert!(rig.table.queued_bytes() > 0);
    rig.table.update(&name(0), |position| position.resume());
    assert_eq!(rig.take(1), [(0, 0)]);
    // No room: drop it, and fetch from the position again.
    rig.table.update(&name(0), |position| position.pause());
    rig.table.drop_paused();
    assert_eq!(rig.table.queued_bytes(), 0);
    rig.table.update(&name(0), |position| position.resume());
    assert_eq!(
        rig.table
            .position(&name(0))
            .expect("assigned")
            .fetch_offset(),
        2
    );
    rig.deliver(0, &[2]);
    assert_eq!(rig.take(100), [(0, 2)]);
}

#[test]
fn a_seek_drops_what_was_fetched_and_what_is_under_way() {
    let mut rig = Rig::new(&[0]);
    rig.deliver(0, &[2]);
    let position = rig.table.position(&name(0)).expect("assigned");
    let (old, from) = (position.incarnation(), position.fetch_offset());
    rig.table.jump(&name(0), |position| position.seek(100));
    let late = FetchedPartition {
        partition: name(0),
        incarnation: old,
        fetched_from: from,
        result: FetchedResult::Code(ErrorCode::OffsetOutOfRange),
    };
    assert_eq!(
        rig.table.deliver(LEADER, vec![late], Instant::now()),
        Delivered::default()
    );
    assert_eq!(rig.take(100), []);
    assert_eq!(rig.position(0), Some(100));
}

#[test]
fn pitfall_23_an_emptied_batch_moves_the_position() {
    let mut rig = Rig::new(&[0]);
    let position = rig.table.position(&name(0)).expect("assigned");
    let emptied = FetchedPartition {
        partition: name(0),
        incarnation: position.incarnation(),
        fetched_from: 0,
        result: FetchedResult::Records {
            batches: Vec::new(),
            next_offset: 7,
            last_epoch: 0,
            high_watermark: 9,
            last_stable_offset: 9,
        },
    };
    let delivered = rig.table.deliver(LEADER, vec![emptied], Instant::now());
    assert!(!delivered.is_ready);
    assert_eq!(rig.position(0), Some(7));
    rig.deliver(0, &[2]);
    assert_eq!(rig.take(100), [(0, 7)]);
}

#[test]
fn one_partitions_error_does_not_stop_the_others() {
    let mut rig = Rig::new(&[0, 1]);
    let position = rig.table.position(&name(0)).expect("assigned");
    let failed = FetchedPartition {
        partition: name(0),
        incarnation: position.incarnation(),
        fetched_from: 0,
        result: FetchedResult::Code(ErrorCode::OffsetOutOfRange),
    };
    let delivered = rig.table.deliver(LEADER, vec![failed], Instant::now());
    assert!(delivered.is_ready);
    rig.deliver(1, &[2]);
    let error = rig.table.pop_error().expect("an error");
    assert!(
        matches!(
            error,
            Error::Broker {
                code: ErrorCode::OffsetOutOfRange,
                ..
            }
        ),
        "{error}"
    );
    assert!(rig.table.pop_error().is_none());
    assert_eq!(rig.take(100), [(1, 0)]);
}

#[test]
fn processed_is_what_was_handed_out_before() {
    let mut rig = Rig::new(&[0]);
    rig.deliver(0, &[2, 2]);
    rig.take(1);
    let processed = |rig: &Rig| {
        let position = rig.table.position(&name(0)).expect("assigned");
        position.processed_to_commit()
    };
    assert_eq!(processed(&rig), None);
    rig.table.mark_touched_processed();
    rig.take(1);
    assert_eq!(processed(&rig), Some(2));
    rig.table.mark_touched_processed();
    assert_eq!(processed(&rig), Some(4));
}

#[test]
fn an_open_batch_that_was_handed_out_whole_is_processed_later() {
    let mut rig = Rig::new(&[0]);
    rig.deliver(0, &[3]);
    let open = rig.table.open_next().expect("a batch");
    let end = OpenEnd::HandedOut { next_offset: 3 };
    rig.table.close_open(&name(0), open.incarnation, end);
    let offsets = |rig: &Rig| {
        let position = rig.table.position(&name(0)).expect("assigned");
        (position.offset_to_commit(), position.processed_to_commit())
    };
    assert_eq!(offsets(&rig), (Some(3), None));
    rig.table.mark_touched_processed();
    assert_eq!(offsets(&rig), (Some(3), Some(3)));
}

#[test]
fn an_open_batch_moves_the_position_record_by_record() {
    let mut rig = Rig::new(&[0]);
    rig.deliver(0, &[3, 3]);
    let open = rig.table.open_next().expect("a batch");
    assert!(
        rig.table.open_next().is_none(),
        "one at a time per partition"
    );
    assert_eq!(rig.position(0), Some(0));
    assert!(rig.table.advance_open(&name(0), open.incarnation, 2, 1, 0));
    let position = rig.table.position(&name(0)).expect("assigned");
    assert_eq!(
        (position.offset_to_commit(), position.processed_to_commit()),
        (Some(2), Some(1))
    );
    rig.table
        .close_open(&name(0), open.incarnation, OpenEnd::Read { next_offset: 3 });
    assert_eq!(rig.position(0), Some(3));
    let open = rig.table.open_next().expect("the next batch");
    assert_eq!(place(&open), (0, 3));
}

#[test]
fn an_open_batch_is_given_back_when_its_partition_is_paused() {
    let mut rig = Rig::new(&[0]);
    rig.deliver(0, &[3]);
    let open = rig.table.open_next().expect("a batch");
    let before = rig.changes.load(Ordering::Acquire);
    rig.table.update(&name(0), |position| position.pause());
    assert_ne!(
        rig.changes.load(Ordering::Acquire),
        before,
        "the reader must look"
    );
    assert!(!rig.table.advance_open(&name(0), open.incarnation, 2, 2, 0));
    rig.table
        .close_open(&name(0), open.incarnation, OpenEnd::GivenBack);
    rig.table.update(&name(0), |position| position.resume());
    assert_eq!(
        rig.table
            .position(&name(0))
            .expect("assigned")
            .fetch_offset(),
        2
    );
}

#[test]
fn a_reader_of_a_partition_that_is_gone_changes_nothing() {
    let mut rig = Rig::new(&[0]);
    rig.deliver(0, &[3]);
    let open = rig.table.open_next().expect("a batch");
    rig.table.jump(&name(0), |position| position.seek(50));
    assert!(!rig.table.advance_open(&name(0), open.incarnation, 2, 2, 0));
    rig.table
        .close_open(&name(0), open.incarnation, OpenEnd::Read { next_offset: 3 });
    assert_eq!(rig.position(0), Some(50));
}

#[test]
fn an_unreadable_batch_is_fetched_again() {
    let mut rig = Rig::new(&[0]);
    rig.deliver(0, &[2, 2]);
    let taken = rig.table.take(1);
    let now = Instant::now();
    rig.table
        .on_unreadable(&name(0), taken[0].incarnation, 0, now);
    assert_eq!(rig.position(0), Some(0));
    assert_eq!(rig.take(100), []);
    assert!(
        rig.table.wanted_from(LEADER, now).is_empty(),
        "after a pause"
    );
    let later = rig.table.wake_at(now).expect("a pause");
    assert_eq!(rig.table.wanted_from(LEADER, later).len(), 1);
}

#[test]
fn an_end_is_told_once_when_all_before_it_is_handed_out() {
    let mut rig = Rig::new(&[0, 1]);
    assert!(
        rig.deliver(0, &[]).is_ready,
        "an empty partition is at its end"
    );
    assert_eq!(rig.ends(), [(0, 0)]);
    assert!(!rig.deliver(0, &[]).is_ready, "which is told once");
    assert_eq!(rig.ends(), []);
    rig.deliver(0, &[2, 2]);
    rig.deliver(1, &[1]);
    assert_eq!(rig.take(2), [(0, 0)]);
    assert_eq!(rig.ends(), [], "more is queued");
    rig.take(100);
    assert_eq!(rig.ends(), [(0, 4), (1, 1)]);
    rig.table.jump(&name(0), |position| position.seek(4));
    rig.deliver(0, &[]);
    assert_eq!(rig.ends(), [(0, 4)], "told again after a seek");
}

#[test]
fn the_end_of_a_batch_read_record_by_record_is_told_when_it_is_read() {
    let mut rig = Rig::new(&[0]);
    rig.deliver(0, &[2]);
    let open = rig.table.open_next().expect("queued");
    assert_eq!(rig.ends(), []);
    let end = OpenEnd::Read { next_offset: 2 };
    rig.table.close_open(&name(0), open.incarnation, end);
    assert_eq!(rig.ends(), [(0, 2)]);
}

/// A part of a response to the fetch that is under way.
fn part(rig: &Rig, result: FetchedResult) -> FetchedPartition {
    let position = rig.table.position(&name(0)).expect("assigned");
    FetchedPartition {
        partition: name(0),
        incarnation: position.incarnation(),
        fetched_from: position.fetch_offset(),
        result,
    }
}

#[test]
fn truncated_records_that_wait_are_never_handed_out() {
    let mut rig = Rig::new(&[0]);
    rig.deliver(0, &[2, 2]);
    assert_eq!(rig.take(1), [(0, 0)]);
    let end = |offset| EpochEnd { epoch: 0, offset };
    let fetched = part(&rig, FetchedResult::Diverging(end(3)));
    let delivered = rig.table.deliver(LEADER, vec![fetched], Instant::now());
    assert!(delivered.has_work && !delivered.is_ready);
    assert_eq!(rig.take(100), [], "they are fetched again");
    assert_eq!(rig.position(0), Some(2));
    let fetched = part(&rig, FetchedResult::Diverging(end(1)));
    let delivered = rig.table.deliver(LEADER, vec![fetched], Instant::now());
    assert!(delivered.is_ready);
    let error = rig.table.pop_error().expect("there is no policy");
    assert!(
        matches!(
            error,
            Error::LogTruncated {
                position: 2,
                diverging_offset: Some(1),
                ..
            }
        ),
        "{error}"
    );
}

#[test]
fn a_follower_is_read_until_it_fails_whatever_its_error() {
    for code in [
        ErrorCode::OffsetOutOfRange,
        ErrorCode::OffsetNotAvailable,
        ErrorCode::NotLeaderOrFollower,
    ] {
        let mut rig = Rig::new(&[0]);
        let (follower, now) = (NodeId(2), Instant::now());
        let elsewhere = part(&rig, FetchedResult::Elsewhere(follower));
        let delivered = rig.table.deliver(LEADER, vec![elsewhere], now);
        assert!(delivered.has_work);
        assert_eq!(rig.table.wanted_from(follower, now).len(), 1);
        assert!(rig.table.wanted_from(LEADER, now).is_empty());
        let failed = part(&rig, FetchedResult::Code(code));
        let delivered = rig.table.deliver(follower, vec![failed], now);
        assert!(delivered.has_work, "{code:?}");
        assert_eq!(
            delivered.stale.len(),
            usize::from(code.refreshes_metadata())
        );
        assert_eq!(rig.table.wanted_from(LEADER, now).len(), 1, "{code:?}");
        assert_eq!(rig.position(0), Some(0), "{code:?}");
        assert!(rig.table.pop_error().is_none(), "{code:?}");
    }
}
