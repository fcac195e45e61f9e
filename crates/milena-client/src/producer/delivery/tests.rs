//! Deliveries share a batch's fate and wake exactly when it is settled.

use std::future::Future;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake};

use super::{BatchAcknowledgement, BatchOutcome, Delivery, Part};
use crate::producer::callbacks::Callbacks;
use crate::producer::error::{ProduceError, ProduceErrorKind};
use crate::producer::record::RecordMetadata;
use crate::producer::sink::DeliverySink;

struct Counter(AtomicUsize);

impl Wake for Counter {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

fn acknowledged(base_offset: i64) -> BatchAcknowledgement {
    BatchAcknowledgement {
        base_offset,
        log_append_time: -1,
    }
}

#[test]
fn each_record_has_its_own_offset() {
    let outcome = BatchOutcome::new(3);
    outcome.complete(Ok(acknowledged(100)));
    for index in 0..4 {
        let metadata = Delivery::new(outcome.clone(), index)
            .try_result()
            .unwrap()
            .unwrap();
        assert_eq!(
            (metadata.partition(), metadata.offset()),
            (3, Some(100 + i64::from(index)))
        );
    }
}

#[test]
fn completion_wakes_every_waiter_once_however_often_it_polled() {
    let outcome = BatchOutcome::new(0);
    let counters: Vec<_> = (0..3)
        .map(|_| Arc::new(Counter(AtomicUsize::new(0))))
        .collect();
    let mut deliveries: Vec<_> = (0..3)
        .map(|index| Box::pin(Delivery::new(outcome.clone(), index)))
        .collect();
    for _ in 0..5 {
        for (delivery, counter) in deliveries.iter_mut().zip(&counters) {
            let waker = counter.clone().into();
            assert!(
                delivery
                    .as_mut()
                    .poll(&mut Context::from_waker(&waker))
                    .is_pending()
            );
        }
    }
    outcome.complete(Ok(acknowledged(0)));
    for counter in &counters {
        assert_eq!(counter.0.load(Ordering::SeqCst), 1);
    }
}

#[test]
fn a_delivery_dropped_while_waiting_takes_its_waker_along() {
    let outcome = BatchOutcome::new(0);
    let counter = Arc::new(Counter(AtomicUsize::new(0)));
    let waker = counter.clone().into();
    let mut delivery = Box::pin(Delivery::new(outcome.clone(), 0));
    let polled = delivery.as_mut().poll(&mut Context::from_waker(&waker));
    assert!(polled.is_pending());
    drop(delivery);
    outcome.complete(Ok(acknowledged(0)));
    assert_eq!(counter.0.load(Ordering::SeqCst), 0);
}

#[test]
fn whoever_waits_for_a_batch_as_a_whole_is_woken_beside_its_deliveries() {
    let outcome = BatchOutcome::new(0);
    let counter = Arc::new(Counter(AtomicUsize::new(0)));
    let waker = counter.clone().into();
    let mut context = Context::from_waker(&waker);
    let mut waiting = [Box::pin(outcome.settled()), Box::pin(outcome.settled())];
    for settled in &mut waiting {
        assert!(settled.as_mut().poll(&mut context).is_pending());
    }
    outcome.complete(Ok(acknowledged(0)));
    assert_eq!(counter.0.load(Ordering::SeqCst), 2);
    for settled in &mut waiting {
        assert!(settled.as_mut().poll(&mut context).is_ready());
    }
}

#[test]
fn the_first_outcome_stays() {
    let outcome = BatchOutcome::new(0);
    outcome.complete(Err(ProduceErrorKind::Closed.into()));
    outcome.complete(Ok(acknowledged(5)));
    let delivery = pin!(Delivery::new(outcome, 0));
    let waker = Arc::new(Counter(AtomicUsize::new(0))).into();
    let polled = delivery.poll(&mut Context::from_waker(&waker));
    let Poll::Ready(Err(error)) = polled else {
        panic!("settled with {polled:?}");
    };
    assert!(matches!(error.kind(), ProduceErrorKind::Closed));
}

#[test]
fn the_parts_of_a_batch_have_fates_of_their_own() {
    let outcome = BatchOutcome::new(0);
    outcome.add_piece();
    outcome.complete_piece(2, Err(ProduceErrorKind::Closed.into()));
    outcome.complete_piece(2, Ok(acknowledged(99)));
    assert!(!outcome.is_complete() && outcome.is_piece_complete(2));
    outcome.complete_piece(0, Ok(acknowledged(7)));
    let offsets: Vec<_> = (0..4)
        .map(|index| Delivery::new(outcome.clone(), index).try_result().unwrap())
        .map(|result| result.ok().and_then(|metadata| metadata.offset()))
        .collect();
    assert_eq!(offsets, [Some(7), Some(8), None, None]);
}

/// Keeps what it is told, call by call.
#[derive(Default)]
struct Ledger(Mutex<Vec<Told>>);

/// Items of one call with their records' offsets.
type Told = Vec<(u32, Option<i64>)>;

impl DeliverySink for Ledger {
    type Item = u32;

    fn on_settled(
        &self,
        settled: impl Iterator<Item = (u32, Result<RecordMetadata, ProduceError>)>,
    ) {
        let offset = |answer: Result<RecordMetadata, _>| answer.ok()?.offset();
        let told = settled
            .map(|(item, answer)| (item, offset(answer)))
            .collect();
        self.0.lock().unwrap().push(told);
    }
}

/// One call a batch, with each record's own answer; who comes late, or after another sink, is
/// told as well.
#[tokio::test]
async fn a_sink_is_told_once_a_batch() {
    let callbacks = Callbacks::new(tokio::runtime::Handle::current());
    let (sink, other) = (Arc::new(Ledger::default()), Arc::new(Ledger::default()));
    let outcome = BatchOutcome::new(0);
    let report = |sink: &Arc<Ledger>, index| {
        Delivery::new(outcome.clone(), index).report_to(&callbacks, sink, 10 + index);
    };
    report(&sink, 0);
    report(&other, 1);
    report(&sink, 2);
    report(&sink, 3);
    let error = || ProduceErrorKind::Closed.into();
    outcome.complete_parts(vec![
        Part {
            first_index: 0,
            result: Ok(acknowledged(100)),
        },
        Part {
            first_index: 2,
            result: Err(error()),
        },
        Part {
            first_index: 3,
            result: Ok(acknowledged(200)),
        },
    ]);
    report(&sink, 1);
    callbacks.drained().await;
    let told = vec![
        vec![(10, Some(100)), (12, None), (13, Some(200))],
        vec![(11, Some(101))],
    ];
    assert_eq!(*sink.0.lock().unwrap(), told);
    assert_eq!(*other.0.lock().unwrap(), [vec![(11, Some(101))]]);
}
