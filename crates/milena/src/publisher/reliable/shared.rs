//! The way of each message from being taken to its end.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use milena_client::producer::{
    DeliverySink, ProduceError, ProduceErrorKind, RecordMetadata, Settled, SettledBatch,
    TopicHandle,
};
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use super::context::{Delivered, DeliveryContext, DeliveryStatus, Place, Rare, Trail};
use super::counts::{Begun, Counters};
use super::dead_letter_places::{Places, letter};
use super::health::Look;
use super::observer::Observers;
use super::pacing::Pacing;
use super::schedule::{Action, Schedule, Verdict};
use super::spooler::Spooler;
use super::told::Told;
use crate::failure::ErrorClass;
use crate::publisher::as_record::{Written, headers_room, record, trace_id, with_record};
use crate::publisher::message_id::MadeId;
use crate::publisher::{Outgoing, PublishError, Publisher};
use crate::telemetry::{self, Started};

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
    pub(super) look: Mutex<Look>,
    /// As many as the schedule keeps, to be read without its lock.
    pub(super) waiting: AtomicUsize,
    pub(super) waiting_max: usize,
    pub(super) waiting_bytes_max: usize,
    /// Too many wait, or too many bytes of them; set under the schedule's lock.
    pub(super) is_full: AtomicBool,
    /// Fewer wait than before, or the publisher was closed.
    pub(super) room: Notify,
    /// The worker has something to do.
    pub(super) work: Notify,
    pub(super) is_closed: AtomicBool,
    pub(super) told: Told,
    /// Turns true once: nothing is sent from then on.
    pub(super) stop: watch::Sender<bool>,
    /// No handle is left: what is open is brought to its end, then the worker stops.
    pub(super) is_abandoned: AtomicBool,
}

/// Where a message went that was to be sent.
enum Sent {
    /// To the producer, or wherever failed ones go.
    Taken,
    /// Nowhere: it is still in its place.
    ToBeSpooled,
}

impl DeliverySink for Shared {
    type Item = Trail;

    #[inline]
    fn likeness(trail: &Trail) -> Option<u64> {
        trail.likeness()
    }

    fn on_settled(&self, batch: SettledBatch<'_, Trail>) {
        let place = Place {
            topic: self.publisher.shared.topic_prefix.shown(batch.topic()),
            partition: batch.partition_index(),
        };
        let mut delivered = 0;
        for mut run in batch {
            if run.is_written() && run.item.is_plain() && self.observers.0.is_empty() {
                self.pacing.on_success();
                delivered += run.count() as u64;
                continue;
            }
            for settled in run.records() {
                let trail = run.item.next();
                match &settled.result {
                    Ok(_) => self.on_written(&place, &settled, trail, &mut delivered),
                    Err(_) => self.on_refused(&place, &settled, trail),
                }
            }
        }
        self.counters.deliver(delivered);
    }
}

impl Shared {
    /// A message was delivered that somebody may want to know of.
    #[cold]
    fn on_written(
        &self,
        place: &Place<'_>,
        settled: &Settled<'_>,
        mut trail: Trail,
        delivered: &mut u64,
    ) {
        let Ok(written) = &settled.result else { return };
        self.pacing.on_success();
        *delivered += 1;
        let is_observed = !self.observers.0.is_empty() || trail.is_started();
        if let Some(Ok(record)) = is_observed.then(|| settled.record()) {
            let mut context = DeliveryContext::of_record(&record, place, trail);
            if let Some(started) = context.trail.take_started() {
                self.tell_sent(started, &context, &settled.result);
            }
            context.status = DeliveryStatus::Success;
            self.observers
                .tell(|observer| observer.on_success(&context, written));
            trail = context.trail;
        }
        if trail.is_awaited() {
            self.counters.deliver(std::mem::take(delivered));
            trail.tell(Ok(Delivered::Written(*written)));
        }
    }

    /// An attempt failed after the producer had taken the message.
    #[cold]
    fn on_refused(&self, place: &Place<'_>, settled: &Settled<'_>, mut trail: Trail) {
        let Err(error) = &settled.result else { return };
        let record = match settled.record() {
            Ok(record) => record,
            // Its batch could not even be encoded, so there is nothing to send again.
            Err(unreadable) => {
                tracing::error!(event = "publish_failed", topic = place.topic, %error, %unreadable);
                trail.tell(Err(error.clone().into()));
                return self.counters.fail();
            }
        };
        let mut context = Box::new(DeliveryContext::of_record(&record, place, trail));
        if let Some(started) = context.trail.take_started() {
            self.tell_sent(started, &context, &settled.result);
        }
        self.on_failure(context, error.clone());
    }

    /// Sends a message if that needs no waiting, as for most: nothing holds it up, there is room for
    /// it, and nothing but its record has to be kept, unless `rare` has something. Otherwise
    /// [`Shared::accept`] is to take it. `made` is its id unless it has one.
    #[inline]
    pub(super) fn accept_now(
        self: &Arc<Self>,
        message: &Outgoing,
        made: Option<MadeId>,
        rare: impl FnOnce() -> Option<Box<Rare>>,
    ) -> bool {
        let is_held_up = self.is_closed.load(Ordering::Acquire)
            || self.is_full.load(Ordering::Acquire)
            || !self.pacing.is_free()
            || message.metadata.is_some()
            || telemetry::is_told();
        if is_held_up {
            return false;
        }
        let (topics, mut room) = (&self.publisher.shared.topics, None);
        let Some(topic) = topics.find(&message.topic, &mut room) else {
            return false;
        };
        let begun = self.counters.begin();
        let Some(number) = self.number_of(&begun) else {
            return false;
        };
        let trail = || Trail::begun(message, made.is_some(), number, rare());
        let taken = with_record(message, made, None, |record| {
            topic.try_enqueue_for(record, self, trail)
        });
        if taken.is_ok() {
            begun.stays();
        }
        taken.is_ok()
    }

    /// The number of a message's trail; `None` if messages are to be spooled. The message is open by
    /// then, so that whoever diverts afterwards sees it.
    #[inline]
    fn number_of(&self, begun: &Begun<'_>) -> Option<u64> {
        let Some(spooler) = &self.spooler else {
            return Some(0);
        };
        let number = spooler.first_number + begun.number;
        (!spooler.is_diverting()).then_some(number)
    }

    /// Takes a message: sends it, or has it spooled, and follows it from then on. What is left in
    /// its place is done with.
    pub(super) async fn accept(
        self: &Arc<Self>,
        place: &mut Option<DeliveryContext>,
    ) -> Result<(), PublishError> {
        loop {
            self.has_room().await?;
            let spooler = self.spooler.as_deref();
            if !spooler.is_some_and(Spooler::is_diverting) {
                let sent = match self.pacing.pass().await {
                    Ok(()) => self.send(place).await,
                    Err(refused) => Err(refused),
                };
                match (sent, spooler) {
                    (Ok(Sent::Taken), _) => return Ok(()),
                    (Err(error), Some(spooler)) if error.class() == ErrorClass::Retriable => {
                        self.begin_spooling(spooler);
                    }
                    (Err(error), _) => return Err(error),
                    (Ok(Sent::ToBeSpooled), _) => {}
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

    /// Sends a message for the first time; leaves it where it is if it was not taken, or is to be
    /// spooled.
    #[inline]
    async fn send(
        self: &Arc<Self>,
        place: &mut Option<DeliveryContext>,
    ) -> Result<Sent, PublishError> {
        let Some(context) = place.as_mut() else {
            return Ok(Sent::Taken);
        };
        let topic = self.publisher.topic(&context.message.topic).await;
        let begun = self.counters.begin();
        let Some(number) = self.number_of(&begun) else {
            return Ok(Sent::ToBeSpooled);
        };
        context.trail.begin(number);
        let refusal = match self.enqueue(topic, context).await {
            Ok(()) => {
                begun.stays();
                return Ok(Sent::Taken);
            }
            Err(PublishError::Produce(error)) => error,
            Err(illegal) => return Err(illegal),
        };
        if is_callers(&refusal) {
            self.pacing.on_other(Instant::now());
            return Err(refusal.into());
        }
        begun.stays();
        if let Some(context) = place.take() {
            self.on_failure(Box::new(context), refusal);
        }
        Ok(Sent::Taken)
    }

    /// Hands a message to the producer, which gives its trail and its record back to
    /// [`Shared::on_settled`]; nobody needs the message itself then.
    #[inline]
    async fn enqueue(
        self: &Arc<Self>,
        topic: Result<TopicHandle, PublishError>,
        context: &mut DeliveryContext,
    ) -> Result<(), PublishError> {
        if let Some(started) = telemetry::start() {
            context.trail.start(started);
        }
        let result = match topic {
            Ok(topic) => {
                let DeliveryContext { message, trail, .. } = context;
                let mut metadata = message.metadata.take();
                let mut written = Written::new();
                let (few, many) = &mut headers_room();
                let headers = written.headers(message, context.id.made_id(), None, few, many);
                let leave = || trail.leave(&mut metadata);
                let sent = topic.enqueue_for(record(message, headers), self, leave);
                let result = sent.await;
                message.metadata = metadata;
                result.map_err(PublishError::from)
            }
            Err(error) => Err(error),
        };
        if let Err(PublishError::Produce(error)) = &result
            && let Some(started) = context.trail.take_started()
        {
            self.tell_sent(started, context, &Err(error.clone()));
        }
        result
    }

    /// Has an event told of what became of an attempt.
    #[cold]
    fn tell_sent(
        &self,
        started: Started,
        context: &DeliveryContext,
        answer: &Result<RecordMetadata, ProduceError>,
    ) {
        let topic = self.publisher.prefixed(context.topic());
        let trace_id = trace_id(None, &context.message);
        telemetry::producer_send(started, &topic, &context.id, trace_id, answer);
    }

    /// Waits while too many failed messages wait.
    #[inline]
    async fn has_room(&self) -> Result<(), PublishError> {
        loop {
            if self.is_closed.load(Ordering::Acquire) {
                return Err(closed().into());
            }
            if !self.is_full.load(Ordering::Acquire) {
                return Ok(());
            }
            let room = self.room.notified();
            if self.is_full.load(Ordering::Acquire) && !self.is_closed.load(Ordering::Acquire) {
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
        } else {
            self.pacing.on_other(Instant::now());
        }
        let context = match self.spool_failed(context, &error) {
            Ok(()) => return,
            Err(context) => context,
        };
        let verdict = self
            .schedule()
            .judge(context.trail.attempts, class, fastrand::f64());
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
        let next = context.trail.attempts.saturating_add(1);
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
        context.trail.attempts = context.trail.attempts.saturating_add(1);
        context.status = DeliveryStatus::Pending;
        self.counters.retry();
        let topic = self.publisher.topic(&context.message.topic).await;
        let error = match self.enqueue(topic, &mut context).await {
            Ok(()) => return,
            Err(PublishError::Produce(error)) => error,
            // It was legal before; whatever changed, the message must not get lost.
            Err(_) => closed(),
        };
        self.on_failure(context, error);
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
        let letter = letter(&place, context);
        tokio::select! {
            // What is left when nothing is sent any more costs no time.
            biased;
            () = self.stopped() => Err(PublishError::from(closed())),
            published = place.publish(&letter) => published,
        }?;
        let topic = place.topic();
        context.status = DeliveryStatus::DeadLettered;
        tracing::warn!(
            event = "publish_dead_letter",
            topic = context.topic(),
            dead_letter_topic = topic,
            message_id = %context.id,
            attempts = context.trail.attempts,
            trace_id = trace_id(None, &context.message).map(display),
            error = %last_error(context),
        );
        self.observers
            .tell(|observer| observer.on_dead_letter(context, topic));
        context
            .trail
            .tell(Ok(Delivered::DeadLettered(topic.to_owned())));
        Ok(())
    }

    /// Nobody has the message.
    pub(super) fn fail(&self, mut context: Box<DeliveryContext>, error: PublishError) {
        self.tell_failed(&mut context, &error);
        context.trail.tell(Err(error));
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

    /// Nothing is sent from here on: what is left is spooled or failed.
    pub(super) fn stop(&self) {
        self.stop.send_replace(true);
        self.work.notify_one();
    }

    pub(super) fn is_stopped(&self) -> bool {
        *self.stop.borrow()
    }

    async fn stopped(&self) {
        // The sender is ours, so it is there.
        let _ = self.stop.subscribe().wait_for(|stop| *stop).await;
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
        let is_full = waiting >= self.waiting_max || schedule.bytes() >= self.waiting_bytes_max;
        let was_full = self.is_full.swap(is_full, Ordering::AcqRel);
        drop(schedule);
        if was_full && !is_full {
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

fn closed() -> ProduceError {
    ProduceErrorKind::Closed.into()
}

fn last_error(context: &DeliveryContext) -> ProduceError {
    context
        .failures()
        .last()
        .map_or_else(closed, |failure| failure.error.clone())
}

/// Whether the message was not taken, and stays the caller's: there is no room for it, or
/// the publisher is closed.
fn is_callers(error: &ProduceError) -> bool {
    matches!(
        error.kind(),
        ProduceErrorKind::BufferFull { .. } | ProduceErrorKind::Closed
    )
}
