//! The way of each message from being taken to its end.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use milena_client::producer::{DeliverySink, ProduceError, ProduceErrorKind, RecordMetadata};
use tokio::sync::Notify;
use tokio::time::Instant;

use super::context::{Delivered, DeliveryContext, DeliveryStatus};
use super::counts::Counters;
use super::dead_letter_places::{Places, letter};
use super::observer::Observers;
use super::pacing::Pacing;
use super::schedule::{Action, Schedule, Verdict};
use super::spooler::Spooler;
use super::told::Told;
use crate::failure::ErrorClass;
use crate::publisher::{PublishError, Publisher, trace_id};

/// What the clones of a reliable publisher, its callbacks and its worker share.
pub(super) struct Shared {
    pub(super) publisher: Publisher,
    pub(super) observers: Observers,
    pub(super) counters: Counters,
    pub(super) places: Places,
    /// What keeps messages on disk while the cluster is gone, if that is wanted.
    pub(super) spooler: Option<Arc<Spooler>>,
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
    pub(super) told: Told,
    /// The worker has nothing more to do.
    pub(super) is_stopped: AtomicBool,
    /// No handle is left: what is open is brought to its end, then the worker stops.
    pub(super) is_abandoned: AtomicBool,
}

impl DeliverySink for Shared {
    type Item = DeliveryContext;

    fn on_settled(
        &self,
        settled: impl Iterator<Item = (DeliveryContext, Result<RecordMetadata, ProduceError>)>,
    ) {
        let mut delivered = 0;
        for (mut context, answer) in settled {
            let written = match answer {
                Ok(written) => written,
                Err(error) => {
                    self.on_failure(Box::new(context), error);
                    continue;
                }
            };
            self.pacing.on_success();
            context.status = DeliveryStatus::Success;
            self.observers
                .tell(|observer| observer.on_success(&context, &written));
            delivered += 1;
            if context.waiter.is_some() {
                self.counters.deliver(std::mem::take(&mut delivered));
                context.tell(Ok(Delivered::Written(written)));
            }
        }
        self.counters.deliver(delivered);
    }
}

impl Shared {
    /// Takes a message: sends it, or has it spooled, and follows it from then on. Takes it out
    /// of its place where it stays until then, as moving it costs more than all else here.
    pub(super) async fn accept(
        self: &Arc<Self>,
        place: &mut Option<DeliveryContext>,
    ) -> Result<(), PublishError> {
        loop {
            self.has_room().await?;
            let spooler = self.spooler.as_deref();
            let entered = spooler.map(|spooler| spooler.enter(place.as_mut()));
            if !matches!(entered, Some(None)) {
                let sent = match self.pacing.pass().await {
                    Ok(()) => self.send(place).await,
                    refused => refused,
                };
                drop(entered);
                let Err(error) = sent else {
                    return Ok(());
                };
                match spooler {
                    Some(spooler) if error.class() == ErrorClass::Retriable => {
                        self.divert(spooler);
                    }
                    _ => return Err(error),
                }
            }
            let (Some(spooler), Some(context)) = (spooler, place.take()) else {
                continue;
            };
            *place = Box::pin(self.spool_new(spooler, context)).await?;
            if place.is_none() {
                return Ok(());
            }
        }
    }

    /// Sends a message for the first time; leaves it where it is if it was not taken.
    #[inline]
    async fn send(
        self: &Arc<Self>,
        place: &mut Option<DeliveryContext>,
    ) -> Result<(), PublishError> {
        let Some(context) = place.as_mut() else {
            return Ok(());
        };
        context.attempts = 1;
        let topic = self.publisher.topic_name(&context.message.topic)?;
        let sent = self
            .publisher
            .enqueue_as(&topic, &context.message, &context.id);
        match sent.await {
            Ok(delivery) => {
                drop(topic);
                self.counters.accept();
                if let Some(context) = place.take() {
                    let producer = &self.publisher.producer;
                    producer.report_to(delivery, self, context);
                }
                Ok(())
            }
            Err(error) if is_callers(&error) => Err(error.into()),
            Err(error) => {
                drop(topic);
                self.counters.accept();
                if let Some(context) = place.take() {
                    self.on_failure(Box::new(context), error);
                }
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

    /// Decides what follows a failed attempt.
    #[cold]
    fn on_failure(&self, mut context: Box<DeliveryContext>, error: ProduceError) {
        context.status = DeliveryStatus::Pending;
        context.add_failure(Timestamp::now(), error.clone());
        let class = error.class();
        if class == ErrorClass::Retriable {
            let is_open = self.pacing.on_failure(Instant::now());
            self.divert_after(&error, is_open);
        }
        let context = match self.spool_failed(context, &error) {
            Ok(()) => return,
            Err(context) => context,
        };
        let verdict = self
            .schedule()
            .judge(context.attempts, class, fastrand::f64());
        let has_place = self.places.of(&context.message.topic).is_some();
        if verdict == Verdict::GiveUp && !has_place {
            return self.give_up(context, error, None);
        }
        self.tell_attempt_failed(&context, error);
        match verdict {
            Verdict::Retry(delay) => self.retry_after(context, delay),
            Verdict::GiveUp => self.change(|schedule| schedule.bury(context)),
        }
    }

    pub(super) fn tell_attempt_failed(&self, context: &DeliveryContext, error: ProduceError) {
        let error = PublishError::Produce(error);
        self.observers
            .tell(|observer| observer.on_failure(context, &error));
    }

    pub(super) fn retry_after(&self, mut context: Box<DeliveryContext>, delay: Duration) {
        context.status = DeliveryStatus::RetryScheduled;
        let next = context.attempts.saturating_add(1);
        self.observers
            .tell(|observer| observer.on_retry_scheduled(&context, delay, next));
        let due = Instant::now() + delay;
        self.change(|schedule| schedule.retry_at(due, context));
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
                let producer = &self.publisher.producer;
                producer.report_to(delivery, self, *context);
            }
            Err(error) => self.on_failure(context, error),
        }
    }

    async fn bury(&self, mut context: Box<DeliveryContext>) {
        match self.write_dead_letter(&mut context).await {
            Ok(()) => self.counters.dead_letter(),
            Err(refusal) => {
                let last = last_error(&context);
                self.give_up(context, last, refusal.map(Box::new));
            }
        }
    }

    /// Writes a message's dead letter, and tells of it. Fails with nothing if there is to be
    /// none.
    pub(super) async fn write_dead_letter(
        &self,
        context: &mut DeliveryContext,
    ) -> Result<(), Option<PublishError>> {
        let place = self.places.of(&context.message.topic).ok_or(None)?;
        place.publish(&letter(&place, context)).await?;
        let topic = place.topic();
        context.status = DeliveryStatus::DeadLettered;
        tracing::warn!(
            event = "publish_dead_letter",
            topic = context.topic(),
            dead_letter_topic = topic,
            message_id = %context.id,
            attempts = context.attempts,
            trace_id = trace_id(None, &context.message).map(display),
            error = %last_error(context),
        );
        self.observers
            .tell(|observer| observer.on_dead_letter(context, topic));
        context.tell(Ok(Delivered::DeadLettered(topic.to_owned())));
        Ok(())
    }

    /// Nobody has the message.
    pub(super) fn fail(&self, mut context: Box<DeliveryContext>, error: PublishError) {
        self.tell_failed(&mut context, &error);
        context.tell(Err(error));
        self.counters.fail();
    }

    pub(super) fn tell_failed(&self, context: &mut DeliveryContext, error: &PublishError) {
        context.status = DeliveryStatus::Failed;
        tracing::error!(
            event = "publish_failed",
            message_id = %context.id,
            trace_id = trace_id(None, &context.message).map(display),
            %error,
        );
        self.observers
            .tell(|observer| observer.on_failure(context, error));
    }

    /// Nothing is tried again from here on: what waits for a retry is spooled if it can be, and
    /// becomes a dead letter otherwise.
    pub(super) fn drain(&self) {
        if let Some(spooler) = &self.spooler {
            spooler.stop_replay();
            self.divert(spooler);
        }
        self.change(|schedule| schedule.drain());
        self.work.notify_one();
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

fn last_error(context: &DeliveryContext) -> ProduceError {
    context.failures.last().map_or_else(
        || ProduceErrorKind::Closed.into(),
        |failure| failure.error.clone(),
    )
}

/// Whether the message was not taken, and stays the caller's: there is no room for it, or
/// the publisher is closed.
fn is_callers(error: &ProduceError) -> bool {
    matches!(
        error.kind(),
        ProduceErrorKind::BufferFull { .. } | ProduceErrorKind::Closed
    )
}
