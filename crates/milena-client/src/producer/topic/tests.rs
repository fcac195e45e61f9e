//! Where records without a key move on to.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use super::Topic;
use crate::NodeId;
use crate::backoff::Backoff;
use crate::buffer_pool::BufferPool;
use crate::producer::budget::Budget;
use crate::producer::partition::{Appended, BatchLimits, Buffers, Partition};
use crate::producer::record::Record;
use crate::producer::window::SendWindow;

/// A topic whose partitions have so many full batches waiting, or no leader.
fn topic(backlogs: &[Option<usize>]) -> Topic {
    let buffers = Buffers {
        limits: BatchLimits {
            batch_bytes_max: 1,
            request_bytes_max: 1 << 20,
        },
        budget: Budget::new(1 << 20),
        pool: BufferPool::new(0, 0),
    };
    let partition = |(index, backlog): (i32, &Option<usize>)| {
        let backoff = Backoff::new(Duration::from_millis(1), Duration::from_millis(1));
        let window = SendWindow::new(false, 5, None, backoff);
        let partition = Partition::new("t".into(), index, window);
        partition.set_leader(backlog.map(|_| NodeId(1)));
        // A batch is full with one record; the last one stays open.
        for _ in 0..=backlog.unwrap_or(0) {
            let record = Record::to("t").value(b"value");
            let mut appended = Appended::NOTHING;
            let accepted = partition.append(&record, 0, &buffers, &mut None, false, &mut appended);
            drop(accepted.unwrap());
        }
        Arc::new(partition)
    };
    Topic::new("t".into(), (0..).zip(backlogs).map(partition).collect())
}

const MOVES: usize = 10_000;

/// Where the sticky partition is after each move.
fn moves(topic: &Topic, adaptive: bool) -> Vec<usize> {
    let moved = |_| {
        topic.move_sticky(adaptive, None);
        topic.sticky.load(std::sync::atomic::Ordering::Relaxed)
    };
    (0..MOVES).map(moved).collect()
}

#[test]
fn the_sticky_partition_moves_to_another_one_that_has_a_leader() {
    let topic = topic(&[Some(0), None, Some(0), Some(0)]);
    let moves = moves(&topic, true);
    assert!(moves.windows(2).all(|pair| pair[0] != pair[1]));
    let reached: BTreeSet<_> = moves.into_iter().collect();
    assert_eq!(reached, BTreeSet::from([0, 2, 3]));
}

#[test]
fn of_two_drawn_the_one_with_less_waiting_is_taken_if_that_is_wanted() {
    let topic = topic(&[Some(0), Some(9), Some(0), Some(9)]);
    let busy = |moves: Vec<usize>| moves.into_iter().filter(|index| index % 2 == 1).count();
    // Drawn blindly half of them are busy; a third is, if both draws must be to get there.
    let (adaptive, blind) = (busy(moves(&topic, true)), busy(moves(&topic, false)));
    assert!(
        adaptive < MOVES * 5 / 12 && blind > MOVES * 5 / 12,
        "{adaptive} and {blind}"
    );
}

#[test]
fn partitions_that_are_stuck_are_avoided() {
    let topic = topic(&[Some(0), Some(1), Some(0), Some(1)]);
    let later = std::time::Instant::now() + Duration::from_secs(60);
    for _ in 0..1000 {
        topic.move_sticky(false, Some(later));
        let sticky = topic.sticky.load(std::sync::atomic::Ordering::Relaxed);
        assert!(sticky.is_multiple_of(2), "{sticky}");
    }
    // With all of them stuck, any is as good.
    let topic = self::topic(&[Some(1), Some(1)]);
    topic.move_sticky(true, Some(later));
}
