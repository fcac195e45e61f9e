//! Deliveries share a batch's fate and wake exactly when it is settled.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake};

use super::{BatchAcknowledgement, BatchOutcome, Delivery};
use crate::producer::error::ProduceErrorKind;

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
