//! The window against a small model of a broker's idempotence checks, and its rules one by one.

use std::time::{Duration, Instant};

use bytes::Bytes;
use milena_wire::batch::{BatchHeader, RecordData};
use milena_wire::compression::Compression;

use super::{Admission, SendWindow, Verdict};
use crate::NodeId;
use crate::backoff::Backoff;
use crate::buffer_pool::BufferPool;
use crate::producer::batch::OpenBatch;
use crate::producer::budget::Budget;
use crate::producer::delivery::{BatchAcknowledgement, Delivery};
use crate::producer::error::{ProduceError, ProduceErrorKind};
use crate::producer::record::RecordMetadata;
use crate::producer::sequence::ProducerIdentity;

const NODE: NodeId = NodeId(1);
const FIRST: ProducerIdentity = ProducerIdentity { id: 7, epoch: 0 };
const DELIVERY_TIMEOUT: Duration = Duration::from_secs(120);

/// A window, its clock, and a way to fill it.
struct Bench {
    window: SendWindow,
    budget: Budget,
    now: Instant,
}

impl Bench {
    fn new() -> Self {
        let backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(1));
        let mut window = SendWindow::new(true, 5, None, backoff);
        window.adopt(FIRST);
        Bench {
            window,
            budget: Budget::new(1 << 20),
            now: Instant::now(),
        }
    }

    /// A bench whose first batch is through, so that several may be in flight.
    fn established() -> Self {
        let mut bench = Bench::new();
        let (serial, ..) = bench.send(1);
        bench.answer(serial, acknowledged(0));
        bench
    }

    fn admission(&mut self) -> Admission {
        self.window.admission(NODE, self.now)
    }

    /// Sends a new batch of `count` records.
    fn send(&mut self, count: u32) -> (u64, Delivery, Bytes) {
        assert_eq!(self.admission(), Admission::New);
        let mut open = OpenBatch::new(
            0,
            self.budget.try_reserve(4096).unwrap(),
            &BufferPool::new(0, 0),
            self.now,
        );
        for _ in 0..count {
            let record = RecordData {
                timestamp: 1,
                key: None,
                value: Some(b"v"),
                headers: &[],
            };
            open.append(&record).unwrap();
        }
        let delivery = Delivery::new(open.outcome.clone(), 0);
        let stamp = self.window.stamp(count);
        let deadline = self.now + DELIVERY_TIMEOUT;
        let sealed = open.seal(stamp, Compression::None, None, deadline).unwrap();
        let bytes = sealed.bytes.clone();
        (self.window.sent(sealed, NODE), delivery, bytes)
    }

    fn resend(&mut self) -> (u64, Bytes) {
        assert_eq!(self.admission(), Admission::Retry);
        self.window.resend(NODE).unwrap()
    }

    fn answer(&mut self, serial: u64, verdict: Verdict) {
        self.window.answered(serial, verdict, self.now);
    }

    fn pass(&mut self, duration: Duration) {
        self.now += duration;
    }
}

fn rejected() -> Verdict {
    Verdict::Rejected(ProduceError::from(ProduceErrorKind::Closed).into())
}

fn acknowledged(base_offset: i64) -> Verdict {
    Verdict::Acknowledged(BatchAcknowledgement {
        base_offset,
        log_append_time: -1,
    })
}

fn stamp_of(bytes: &Bytes) -> (i16, i32) {
    let header = BatchHeader::parse(bytes).unwrap();
    assert_eq!(header.producer_id, FIRST.id);
    (header.producer_epoch, header.base_sequence)
}

fn offset(delivery: &Delivery) -> Option<i64> {
    delivery
        .try_result()?
        .ok()
        .and_then(|metadata: RecordMetadata| metadata.offset())
}

#[test]
fn sequences_follow_each_other() {
    let mut bench = Bench::established();
    let stamps: Vec<_> = [3, 1, 2].map(|count| stamp_of(&bench.send(count).2)).into();
    assert_eq!(stamps, [(0, 1), (0, 4), (0, 5)]);
}

#[test]
fn the_first_batch_goes_alone() {
    let mut bench = Bench::new();
    let (first, ..) = bench.send(1);
    assert_eq!(bench.admission(), Admission::Wait(None));
    bench.answer(first, acknowledged(0));
    let (_second, _delivery, _) = bench.send(1);
    assert_eq!(bench.admission(), Admission::New);
}

#[test]
fn at_most_five_are_in_flight() {
    let mut bench = Bench::established();
    let serials: Vec<_> = (0..5).map(|_| bench.send(1).0).collect();
    assert_eq!(bench.admission(), Admission::Wait(None));
    bench.answer(serials[0], acknowledged(0));
    assert_eq!(bench.admission(), Admission::New);
}

#[test]
fn nothing_goes_to_a_new_leader_while_the_old_one_may_answer() {
    let mut bench = Bench::new();
    let (serial, ..) = bench.send(1);
    assert_eq!(
        bench.window.admission(NodeId(2), bench.now),
        Admission::Wait(None)
    );
    bench.answer(serial, acknowledged(0));
    assert_eq!(bench.window.admission(NodeId(2), bench.now), Admission::New);
}

#[test]
fn pitfall_01_an_error_after_which_the_batch_may_be_written_keeps_its_sequence() {
    let mut bench = Bench::new();
    let (first, delivery, _) = bench.send(10);
    bench.answer(first, Verdict::Retriable);
    bench.pass(Duration::from_secs(2));
    let (again, bytes) = bench.resend();
    assert_eq!(stamp_of(&bytes), (0, 0));
    bench.answer(again, acknowledged(40));
    assert_eq!(offset(&delivery), Some(40));
    assert_eq!(stamp_of(&bench.send(1).2), (0, 10));
}

#[test]
fn pitfall_02_a_retry_is_identical_byte_for_byte() {
    let mut bench = Bench::new();
    let (first, _delivery, bytes) = bench.send(10);
    let mut serial = first;
    for _ in 0..5 {
        bench.answer(serial, Verdict::Retriable);
        bench.pass(Duration::from_secs(2));
        let (again, same) = bench.resend();
        assert_eq!(bytes, same);
        assert_eq!(bytes.as_ptr(), same.as_ptr(), "not even a copy");
        serial = again;
    }
}

#[test]
fn retries_wait_for_all_answers_then_keep_their_order() {
    let mut bench = Bench::established();
    let sent: Vec<_> = (0..3).map(|_| bench.send(2)).collect();
    bench.answer(sent[0].0, Verdict::Retriable);
    bench.pass(Duration::from_secs(2));
    assert_eq!(
        bench.admission(),
        Admission::Wait(None),
        "two answers are missing"
    );
    bench.answer(sent[2].0, Verdict::OutOfOrder);
    bench.answer(sent[1].0, Verdict::OutOfOrder);
    assert!(
        matches!(bench.admission(), Admission::Wait(Some(_))),
        "backs off"
    );
    bench.pass(Duration::from_secs(2));
    let stamps: Vec<_> = (0..3).map(|_| stamp_of(&bench.resend().1)).collect();
    assert_eq!(stamps, [(0, 1), (0, 3), (0, 5)]);
}

#[test]
fn pitfall_06_a_timed_out_request_is_not_taken_for_unwritten() {
    let mut bench = Bench::new();
    let (first, delivery, _) = bench.send(5);
    // The request timed out, the retry is recognised as a duplicate: acknowledged once.
    bench.answer(first, Verdict::Retriable);
    bench.pass(Duration::from_secs(2));
    let (again, _) = bench.resend();
    bench.answer(again, acknowledged(17));
    assert_eq!(offset(&delivery), Some(17));
    assert_eq!(stamp_of(&bench.send(1).2), (0, 5));
}

#[test]
fn pitfall_07_records_after_a_refused_batch_are_written_under_a_new_epoch() {
    let mut bench = Bench::established();
    let (refused, lost, _) = bench.send(3);
    let (follower, delivery, _) = bench.send(4);
    bench.answer(refused, rejected());
    assert!(lost.try_result().unwrap().is_err());
    // The broker misses the refused batch's sequence, so it cannot have written the follower.
    bench.answer(follower, Verdict::OutOfOrder);
    bench.pass(Duration::from_secs(2));
    let (again, bytes) = bench.resend();
    assert_eq!(stamp_of(&bytes), (1, 0));
    milena_wire::batch::verify_crc(&bytes).unwrap();
    bench.answer(again, acknowledged(9));
    assert_eq!(offset(&delivery), Some(9));
    assert_eq!(stamp_of(&bench.send(1).2), (1, 4));
}

#[test]
fn pitfall_09_bytes_that_a_socket_may_still_read_are_never_changed() {
    let mut bench = Bench::established();
    let (refused, ..) = bench.send(3);
    let (follower, _delivery, on_the_wire) = bench.send(4);
    let before = on_the_wire.to_vec();
    bench.answer(refused, rejected());
    bench.answer(follower, Verdict::OutOfOrder);
    bench.pass(Duration::from_secs(2));
    let (_, stamped_anew) = bench.resend();
    assert_ne!(stamped_anew, on_the_wire);
    assert_eq!(on_the_wire, before);
}

#[test]
fn a_gap_with_nothing_in_flight_starts_a_new_epoch_for_new_batches() {
    let mut bench = Bench::new();
    let (refused, ..) = bench.send(3);
    bench.answer(refused, rejected());
    assert_eq!(stamp_of(&bench.send(2).2), (1, 0));
}

#[test]
fn a_batch_that_may_be_written_is_never_stamped_anew() {
    let mut bench = Bench::established();
    let (first, given_up, _) = bench.send(3);
    let (second, delivery, _) = bench.send(4);
    bench.pass(DELIVERY_TIMEOUT / 2);
    bench.answer(first, Verdict::Retriable);
    bench.answer(second, Verdict::Retriable);
    // Only the first is given up: pretend that the second has longer.
    bench.window.retries[1].deadline += DELIVERY_TIMEOUT;
    bench.pass(DELIVERY_TIMEOUT / 2);
    bench
        .window
        .expire(bench.now, |_| ProduceErrorKind::Closed.into());
    assert!(given_up.try_result().is_some() && delivery.try_result().is_none());
    let (again, bytes) = bench.resend();
    assert_eq!(
        stamp_of(&bytes),
        (0, 4),
        "as before: it may be there already"
    );
    bench.answer(again, acknowledged(3));
    assert_eq!(
        stamp_of(&bench.send(1).2),
        (1, 0),
        "the gap ends with the epoch"
    );
}

#[test]
fn what_is_overdue_in_flight_keeps_its_place_until_answered() {
    let mut bench = Bench::new();
    let (serial, delivery, _) = bench.send(1);
    bench.pass(DELIVERY_TIMEOUT);
    bench.window.expire(bench.now, |maybe_written| {
        assert!(maybe_written);
        ProduceErrorKind::Closed.into()
    });
    let error = delivery.try_result().unwrap().unwrap_err();
    assert!(matches!(error.kind(), ProduceErrorKind::Closed));
    assert!(bench.window.has_in_flight());
    bench.answer(serial, acknowledged(0));
    assert_eq!(stamp_of(&bench.send(1).2), (0, 1), "it was written: no gap");
}

#[test]
fn used_up_epochs_ask_for_a_new_id() {
    let mut bench = Bench::new();
    bench.window.adopt(ProducerIdentity {
        id: 7,
        epoch: i16::MAX,
    });
    let (refused, ..) = bench.send(1);
    bench.answer(refused, rejected());
    assert_eq!(bench.admission(), Admission::NeedsIdentity);
    bench
        .window
        .adopt_if_missing(ProducerIdentity { id: 7, epoch: 0 });
    assert_eq!(stamp_of(&bench.send(1).2), (0, 0));
}

fn too_large() -> Verdict {
    Verdict::TooLarge(ProduceErrorKind::Closed.into())
}

#[test]
fn a_batch_too_large_goes_again_in_halves_before_those_behind_it() {
    let mut bench = Bench::established();
    let (large, delivery, _) = bench.send(3);
    let (follower, behind, on_the_wire) = bench.send(2);
    bench.answer(large, too_large());
    // The broker misses the sequence of the first batch.
    bench.answer(follower, Verdict::OutOfOrder);
    bench.pass(Duration::from_secs(2));
    let halves = [bench.resend(), bench.resend()];
    assert_eq!(
        halves.each_ref().map(|half| stamp_of(&half.1)),
        [(0, 1), (0, 2)]
    );
    let (again, same_bytes) = bench.resend();
    assert_eq!(same_bytes, on_the_wire);
    bench.answer(halves[0].0, acknowledged(10));
    assert!(delivery.try_result().is_none(), "half of its batch is out");
    bench.answer(halves[1].0, acknowledged(11));
    bench.answer(again, acknowledged(13));
    assert_eq!((offset(&delivery), offset(&behind)), (Some(10), Some(13)));
    assert_eq!(stamp_of(&bench.send(1).2), (0, 6));
}

#[test]
fn one_record_that_is_too_large_is_given_up() {
    let mut bench = Bench::established();
    let (large, delivery, _) = bench.send(1);
    bench.answer(large, too_large());
    assert!(delivery.try_result().unwrap().is_err());
    assert_eq!(
        stamp_of(&bench.send(1).2),
        (1, 0),
        "its sequence was not used"
    );
}

#[test]
fn halves_do_not_exceed_what_a_broker_remembers() {
    let mut bench = Bench::established();
    let sent: Vec<_> = (0..5).map(|_| bench.send(2).0).collect();
    for serial in sent {
        bench.answer(serial, too_large());
    }
    bench.pass(Duration::from_secs(2));
    let in_flight: Vec<_> = (0..5).map(|_| bench.resend().0).collect();
    assert_eq!(bench.admission(), Admission::Wait(None));
    bench.answer(in_flight[0], acknowledged(1));
    bench.resend();
}

/// A broker's view of one producer on one partition, as Kafka keeps it.
#[derive(Default)]
struct ModelBroker {
    /// Epoch, sequence and count of each batch, and its base offset.
    log: Vec<((i16, i32, u32), i64)>,
    records_count: i64,
    /// None until the producer's first batch, which may have any sequence.
    epoch: Option<i16>,
    next_sequence: i32,
}

impl ModelBroker {
    fn append(&mut self, bytes: &Bytes) -> Verdict {
        let header = BatchHeader::parse(bytes).unwrap();
        let count = header.records_count as u32;
        let batch = (header.producer_epoch, header.base_sequence, count);
        let mut remembered = self.log.iter().rev().take(5);
        if let Some((_, base_offset)) = remembered.find(|(entry, _)| *entry == batch) {
            return acknowledged(*base_offset);
        }
        let expected = match self.epoch {
            None => header.base_sequence,
            Some(epoch) if header.producer_epoch > epoch => 0,
            Some(epoch) if header.producer_epoch == epoch => self.next_sequence,
            Some(_newer) => return Verdict::OutOfOrder,
        };
        if header.base_sequence != expected {
            return Verdict::OutOfOrder;
        }
        self.epoch = Some(header.producer_epoch);
        self.next_sequence = header.base_sequence + header.records_count;
        let base_offset = self.records_count;
        self.log.push((batch, base_offset));
        self.records_count += i64::from(count);
        acknowledged(base_offset)
    }

    fn has(&self, bytes: &Bytes) -> bool {
        let sequence = stamp_of(bytes).1;
        self.log.iter().any(|((_, first, _), _)| *first == sequence)
    }
}

/// Random losses of requests and answers, refusals, and batches that are too large as a whole:
/// every acknowledged record is in the model's log exactly once, in the order of sending, and every
/// one is settled in the end.
#[test]
fn random_faults_lose_double_and_reorder_nothing() {
    for seed in 0..2_000 {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut bench = Bench::new();
        let mut broker = ModelBroker::default();
        let mut deliveries = Vec::new();
        let mut wire: Vec<(u64, Bytes)> = Vec::new();
        let mut sent = 0;
        while sent < 60 || !wire.is_empty() || bench.window.has_retries() {
            match bench.admission() {
                Admission::New if sent < 60 && random.u8(..) < 180 => {
                    let count = random.u32(1..4);
                    let (serial, _, bytes) = bench.send(count);
                    let outcome = bench.window.in_flight.back().unwrap().batch.outcome();
                    deliveries.extend((0..count).map(|i| Delivery::new(outcome.clone(), i)));
                    sent += 1;
                    wire.push((serial, bytes));
                    continue;
                }
                Admission::Retry => {
                    wire.push(bench.resend());
                    continue;
                }
                Admission::Wait(Some(at)) => bench.now = at,
                _ => {}
            }
            if wire.is_empty() {
                continue;
            }
            let (serial, bytes) = wire.remove(0);
            let verdict = match random.u8(..10) {
                0 => Verdict::Retriable,
                1 => {
                    broker.append(&bytes);
                    Verdict::Retriable
                }
                2 if !broker.has(&bytes) => rejected(),
                3 if !broker.has(&bytes) => Verdict::TooLarge(ProduceErrorKind::Closed.into()),
                _ => broker.append(&bytes),
            };
            bench.answer(serial, verdict);
        }
        let offsets: Vec<_> = deliveries.iter().filter_map(offset).collect();
        assert!(
            deliveries.iter().all(|d| d.try_result().is_some()),
            "seed {seed}"
        );
        assert!(
            offsets.is_sorted_by(|a, b| a < b),
            "seed {seed}: {offsets:?}"
        );
        assert_eq!(
            offsets.len() as i64,
            broker.records_count,
            "seed {seed}: lost or doubled"
        );
    }
}

#[test]
fn pitfall_04_within_a_transaction_no_gap_starts_an_epoch() {
    let second = ProducerIdentity { epoch: 1, ..FIRST };
    let mut bench = Bench::established();
    assert!(bench.window.enter_transaction(1, FIRST));
    let (serial, _lost, bytes) = bench.send(2);
    let header = BatchHeader::parse(&bytes).unwrap();
    assert!(header.attributes.is_transactional());
    bench.answer(serial, Verdict::OutOfOrder);
    assert!(bench.window.has_gap());
    // Neither the failed batch nor a new one leaves, under whatever epoch.
    bench.pass(Duration::from_secs(60));
    assert_eq!(bench.admission(), Admission::Wait(None));
    // The next transaction waits until what was left of this one is given up.
    assert!(!bench.window.enter_transaction(2, second));
    bench.window.fail_retries(&ProduceErrorKind::Closed.into());
    assert!(bench.window.enter_transaction(2, second));
    assert_eq!(stamp_of(&bench.send(1).2), (1, 0));
}

#[test]
fn sequences_go_on_from_one_transaction_to_the_next_under_one_epoch() {
    let mut bench = Bench::established();
    for serial in 1..4 {
        assert!(bench.window.enter_transaction(serial, FIRST));
        let (sent, _delivery, bytes) = bench.send(1);
        assert_eq!(stamp_of(&bytes), (0, i32::try_from(serial).unwrap()));
        bench.answer(sent, acknowledged(1));
    }
}

#[test]
fn a_new_leader_gets_at_once_what_the_former_one_refused() {
    let mut bench = Bench::established();
    let (serial, _delivery, bytes) = bench.send(1);
    bench.answer(serial, Verdict::Retriable);
    assert!(matches!(bench.admission(), Admission::Wait(Some(_))));
    bench.window.end_pause();
    assert_eq!(
        bench.window.admission(NodeId(2), bench.now),
        Admission::Retry
    );
    let (_, again) = bench.window.resend(NodeId(2)).unwrap();
    assert_eq!(again, bytes);
}
