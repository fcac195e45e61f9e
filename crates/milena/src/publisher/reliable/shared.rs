//! The way of each message from being taken to its end.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use milena_client::producer::{ProduceError, ProduceErrorKind, RecordMetadata};
use tokio::sync::Notify;
use tokio::time::Instant;

use super::context::{Delivered, DeliveryContext, DeliveryStatus};
use super::counts::Counters;
use super::dead_letter_places::{Places, letter};
use super::observer::Observers;
use super::pacing::Pacing;
use super::schedule::{Action, Schedule, Verdict};
use crate::failure::ErrorClass;
use crate::publisher::{PublishError, Publisher};

/// What the clones of a reliable publisher, its callbacks and its worker share.
pub(super) struct Shared {
    pub(super) publisher: Publisher,
    pub(super) observers: Observers,
    pub(super) counters: Counters,
    pub(super) places: Places,
    pub(super) pacing: Pacing,
    /// Locked for moments only, and only where something failed.
    pub(super) schedule: Mutex<Schedule<Box<DeliveryContext>>>,
    /// As many as the schedule keeps, to be read without its lock.
    pub(super) waiting: AtomicUsize,
    pub(super) waiting_max: usize,
    /// Fewer wait than before, or the publisher was closed.
    pub(super) room: Notify,
    /// The worker has something to do.
    pub(super) work: Notify,
    pub(super) is_closed: AtomicBool,
    /// The worker has nothing more to do.
    pub(super) is_stopped: AtomicBool,
    /// No handle is left: what is open is brought to its end, then the worker stops.
    pub(super) is_abandoned: AtomicBool,
}

impl Shared {
    /// Takes a message: sends it, and follows it from then on.
    pub(super) async fn accept(
        self: &Arc<Self>,
        mut context: DeliveryContext,
    ) -> Result<(), PublishError> {
        self.has_room().await?;
        self.pacing.pass().await?;
        context.attempts = 1;
        let topic = self.publisher.topic_name(&context.message.topic)?;
        let sent = self
            .publisher
            .enqueue_as(&topic, &context.message, &context.id);
        match sent.await {
            Ok(delivery) => {
                drop(topic);
                self.counters.accept();
                let shared = self.clone();
                self.publisher
                    .producer
                    .report(delivery, move |answer| shared.on_answer(context, answer));
                Ok(())
            }
            Err(error) if is_callers(&error) => Err(error.into()),
            Err(error) => {
                drop(topic);
                self.counters.accept();
                self.on_failure(Box::new(context), error);
                Ok(())
            }
        }
    }

    /// Waits while too many failed messages wait.
    #[inline]
    async fn has_room(&self) -> Result<(), PublishError> {
        loop {
            if self.is_closed.load(Ordering::Acquire) {
                return Err(ProduceError::from(ProduceErrorKind::Closed).into());
            }
            if self.waiting.load(Ordering::Acquire) < self.waiting_max {
                return Ok(());
            }
            let room = self.room.notified();
            if self.waiting.load(Ordering::Acquire) >= self.waiting_max
                && !self.is_closed.load(Ordering::Acquire)
            {
                room.await;
            }
        }
    }

    fn on_answer(
        self: Arc<Self>,
        mut context: DeliveryContext,
        answer: Result<RecordMetadata, ProduceError>,
    ) {
        match answer {
            Ok(written) => {
                self.pacing.on_success();
                context.status = DeliveryStatus::Success;
                self.observers
                    .tell(|observer| observer.on_success(&context, &written));
                context.tell(Ok(Delivered::Written(written)));
                self.counters.deliver();
            }
            Err(error) => self.on_failure(Box::new(context), error),
        }
    }

    /// Decides what follows a failed attempt.
    #[cold]
    fn on_failure(&self, mut context: Box<DeliveryContext>, error: ProduceError) {
        context.status = DeliveryStatus::Pending;
        context.add_failure(Timestamp::now(), error.clone());
        let class = error.class();
        if class == ErrorClass::Retriable {
            self.pacing.on_failure(Instant::now());
        }
        let verdict = self
            .schedule()
            .judge(context.attempts, class, fastrand::f64());
        let has_place = self.places.of(&context.message.topic).is_some();
        if verdict == Verdict::GiveUp && !has_place {
            return self.fail(context, error, None);
        }
        let error = PublishError::Produce(error);
        self.observers
            .tell(|observer| observer.on_failure(&context, &error));
        match verdict {
            Verdict::Retry(delay) => {
                context.status = DeliveryStatus::RetryScheduled;
                let next = context.attempts.saturating_add(1);
                self.observers
                    .tell(|observer| observer.on_retry_scheduled(&context, delay, next));
                let due = Instant::now() + delay;
                self.change(|schedule| schedule.retry_at(due, context));
            }
            Verdict::GiveUp => self.change(|schedule| schedule.bury(context)),
        }
    }

    /// What the worker does about a message.
    pub(super) async fn perform(self: &Arc<Self>, action: Action<Box<DeliveryContext>>) {
        match action {
            Action::Resend(context) => self.resend(context).await,
            Action::Bury(context) => self.bury(context).await,
        }
    }

    async fn resend(self: &Arc<Self>, mut context: Box<DeliveryContext>) {
        if let Err(until) = self.pacing.ask(Instant::now()) {
            return self.change(|schedule| schedule.retry_at(until, context));
        }
        context.attempts = context.attempts.saturating_add(1);
        context.status = DeliveryStatus::Pending;
        self.counters.retry();
        let sent = match self.publisher.topic_name(&context.message.topic) {
            Ok(topic) => {
                let sent = self
                    .publisher
                    .enqueue_as(&topic, &context.message, &context.id);
                sent.await
            }
            // It was legal before; whatever changed, the message must not get lost.
            Err(_) => Err(ProduceErrorKind::Closed.into()),
        };
        match sent {
            Ok(delivery) => {
                let shared = self.clone();
                self.publisher
                    .producer
                    .report(delivery, move |answer| shared.on_answer(*context, answer));
            }
            Err(error) => self.on_failure(context, error),
        }
    }

    async fn bury(&self, mut context: Box<DeliveryContext>) {
        let last = context.failures.last().map_or_else(
            || ProduceErrorKind::Closed.into(),
            |failure| failure.error.clone(),
        );
        let Some(place) = self.places.of(&context.message.topic) else {
            return self.fail(context, last, None);
        };
        if let Err(refusal) = place.publish(&letter(&place, &context)).await {
            return self.fail(context, last, Some(Box::new(refusal)));
        }
        let topic = place.topic();
        context.status = DeliveryStatus::DeadLettered;
        tracing::warn!(
            event = "publish_dead_letter",
            topic = context.topic(),
            dead_letter_topic = topic,
            message_id = %context.id,
            attempts = context.attempts,
            error = %last,
        );
        self.observers
            .tell(|observer| observer.on_dead_letter(&context, topic));
        context.tell(Ok(Delivered::DeadLettered(topic.to_owned())));
        self.counters.dead_letter();
    }

    fn fail(
        &self,
        mut context: Box<DeliveryContext>,
        last: ProduceError,
        dead_letter: Option<Box<PublishError>>,
    ) {
        context.status = DeliveryStatus::Failed;
        let error = PublishError::Undelivered {
            topic: context.message.topic.clone(),
            attempts: context.attempts,
            last,
            dead_letter,
        };
        tracing::error!(event = "publish_failed", message_id = %context.id, %error);
        self.observers
            .tell(|observer| observer.on_failure(&context, &error));
        context.tell(Err(error));
        self.counters.fail();
    }

    /// Changes the schedule, and wakes whom that concerns.
    pub(super) fn change<R>(
        &self,
        change: impl FnOnce(&mut Schedule<Box<DeliveryContext>>) -> R,
    ) -> R {
        let mut schedule = self.schedule();
        let result = change(&mut schedule);
        let waiting = schedule.len();
        let before = self.waiting.swap(waiting, Ordering::AcqRel);
        drop(schedule);
        if waiting < before {
            self.room.notify_waiters();
        }
        if waiting > before {
            self.work.notify_one();
        }
        result
    }

    pub(super) fn schedule(&self) -> MutexGuard<'_, Schedule<Box<DeliveryContext>>> {
        self.schedule.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether the message was not taken, and stays the caller's: there is no room for it, or
/// the publisher is closed.
fn is_callers(error: &ProduceError) -> bool {
    matches!(
        error.kind(),
        ProduceErrorKind::BufferFull { .. } | ProduceErrorKind::Closed
    )
}
