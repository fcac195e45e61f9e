//! The worker of a partition whose handler takes many records at once.
//!
//! Owns collecting records by number or time, and seeing each of a batch to its end: those
//! that failed are tried again together, without those that did not. What is committed and
//! when, is decided elsewhere.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, join_all};
use tokio::time::Instant;
use tracing::Instrument as _;

use super::attempts::{Attempt, pass};
use super::batch::OpenBatch;
use super::error::AppError;
use super::failed::{Ended, Failed, Settled, sleep_unless_stopped};
use super::gate::Sign;
use super::lifecycle::{Lifecycle, MessageEnd};
use super::route::{RouteContext, Seat};
use super::worker::own_topic;
use crate::batch_handler::{BatchFailures, CallBatch};
use crate::commit::Watermark;
use crate::failure::HandlerError;
use crate::handler::HandlerResult;
use crate::message::Message;
use crate::telemetry::{self, Followed, Started};

/// When a batch is complete.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct BatchSize {
    pub(super) records_max: usize,
    /// Since its first record came.
    pub(super) wait_max: Duration,
}

/// Hands a partition's records to the handler in batches, one batch at a time.
pub(super) async fn in_batches(
    handler: Arc<dyn CallBatch>,
    size: BatchSize,
    context: Arc<RouteContext>,
    seat: Seat,
) {
    let worker = BatchWorker {
        handler,
        size,
        topic: own_topic(&context),
        context,
        seat,
        watermark: Watermark::default(),
        open: None,
        started: None,
    };
    worker.run().await;
}

/// A batch handler that is called with one record at a time.
pub(super) struct Alone(pub(super) Arc<dyn CallBatch>);

impl Attempt for Alone {
    fn attempt<'a>(
        &'a mut self,
        message: Message,
        context: &'a RouteContext,
    ) -> BoxFuture<'a, HandlerResult> {
        Box::pin(async move {
            let failures = call(self.0.as_ref(), &[message], context).await;
            failures
                .into_iter()
                .next()
                .map_or(Ok(()), |(_, error)| Err(error))
        })
    }
}

struct BatchWorker {
    handler: Arc<dyn CallBatch>,
    size: BatchSize,
    topic: Arc<str>,
    context: Arc<RouteContext>,
    seat: Seat,
    watermark: Watermark,
    open: Option<OpenBatch>,
    /// When the batch was first handed over, if somebody wants to know.
    started: Option<Started>,
}

impl BatchWorker {
    async fn run(mut self) {
        while let Some(messages) = self.collect().await {
            if self.handle_to_end(messages).await == Ended::GivenBack {
                return;
            }
        }
    }

    /// The next batch. `None` on a stop: what was collected by then is given back.
    async fn collect(&mut self) -> Option<Vec<Message>> {
        let mut collected = Vec::new();
        let mut deadline = Instant::now();
        loop {
            let had_none = collected.is_empty();
            self.take_from_open(&mut collected)?;
            if collected.len() >= self.size.records_max {
                return Some(collected);
            }
            if had_none {
                deadline = Instant::now() + self.size.wait_max;
            }
            tokio::select! {
                biased;
                () = self.seat.stop.raised() => return None,
                batch = self.seat.batches.recv() => {
                    self.open = Some(OpenBatch::new(batch?, self.topic.clone()));
                }
                () = tokio::time::sleep_until(deadline), if !collected.is_empty() => {
                    return Some(collected);
                }
            }
        }
    }

    /// Takes what fits; `None` on a batch that cannot be read.
    fn take_from_open(&mut self, collected: &mut Vec<Message>) -> Option<()> {
        while let Some(open) = &mut self.open
            && collected.len() < self.size.records_max
        {
            match open.messages.next() {
                Some(Ok(message)) => {
                    self.watermark.start(message.offset());
                    collected.push(message);
                }
                Some(Err(error)) => {
                    self.context.fail(AppError::Client(error));
                    return None;
                }
                None => {
                    self.watermark.skip_to(open.next_offset);
                    self.open = None;
                }
            }
        }
        self.publish_watermark();
        Some(())
    }

    /// Calls the handler until none of the records is left to be tried again.
    async fn handle_to_end(&mut self, mut messages: Vec<Message>) -> Ended {
        let mut earlier: Vec<Failed> = Vec::new();
        self.started = telemetry::start();
        for message in &messages {
            self.context
                .hooks
                .tell(|hook| hook.message_received(message));
        }
        loop {
            if !pass(&self.context, &self.seat.stop).await {
                return self.give_back(&messages);
            }
            let failures = call(self.handler.as_ref(), &messages, &self.context).await;
            self.note(&failures, messages.len());
            let failed = self.sort_out(messages, failures, earlier);
            let (again, ended) = self.settle(failed).await;
            if ended == Ended::GivenBack {
                return self.give_back(again.iter().map(|(failed, _)| &failed.message));
            }
            let Some(delay) = again.iter().map(|(_, delay)| *delay).max() else {
                return ended;
            };
            earlier = again
                .into_iter()
                .map(|(mut failed, _)| {
                    failed.begin_again(delay, &self.context);
                    failed
                })
                .collect();
            if !sleep_unless_stopped(delay, &self.seat.stop).await {
                return self.give_back(earlier.iter().map(|failed| &failed.message));
            }
            messages = earlier
                .iter()
                .map(|failed| failed.message.clone())
                .collect();
        }
    }

    /// One record that may succeed later says that something is down.
    fn note(&self, failures: &BatchFailures, count: usize) {
        self.context.progress.add_failures(failures.len() as u64);
        let Some(gate) = &self.context.gate else {
            return;
        };
        let mut signs = failures.iter().map(|(_, error)| Sign::of(error));
        if signs.any(|sign| sign == Sign::Down) {
            gate.note(Sign::Down);
        } else if failures.len() < count {
            gate.note(Sign::Up);
        } else {
            gate.note(Sign::None);
        }
    }

    /// Finishes the records that succeeded, and returns the others.
    fn sort_out(
        &mut self,
        messages: Vec<Message>,
        failures: BatchFailures,
        earlier: Vec<Failed>,
    ) -> Vec<Failed> {
        let count = messages.len();
        let mut failures = failures.into_iter().peekable();
        let mut earlier = earlier.into_iter();
        let mut failed = Vec::new();
        for (place, message) in messages.into_iter().enumerate() {
            let before = earlier.next();
            match failures.next_if(|(failed, _)| *failed == place) {
                None => {
                    if let Some(followed) = self.followed(&message) {
                        followed.tell(Ended::Handled.name());
                    }
                    self.context
                        .hooks
                        .tell(|hook| hook.message_ended(&message, MessageEnd::Handled));
                    self.watermark.finish(message.offset());
                }
                Some((_, error)) => failed.push({
                    self.context.hooks.failed(&message, &error);
                    match before {
                        Some(mut before) => {
                            before.failed_again(error);
                            before
                        }
                        None => Failed::new(message, error),
                    }
                }),
            }
        }
        let handled = count.saturating_sub(failed.len());
        self.context.progress.add_handled(handled as u64);
        self.publish_watermark();
        failed
    }

    /// Sees all at once to what is decided about each; returns those that are tried again in
    /// place.
    async fn settle(&mut self, failed: Vec<Failed>) -> (Vec<(Failed, Duration)>, Ended) {
        let mut again = Vec::new();
        let mut settling = Vec::new();
        for one in failed {
            let next = one.next(&self.context);
            let (offset, followed) = (one.message.offset(), self.followed(&one.message));
            let kept = self.context.hooks.keep_quietly(&one.message);
            let settled = one.settle(next, &self.context, &self.seat.stop);
            settling.push(settled.map(move |settled| (offset, followed, kept, settled)));
        }
        let mut outcome = Ended::Handled;
        for (offset, followed, kept, settled) in join_all(settling).await {
            if let Settled::Ended(ended) = &settled {
                self.context.hooks.ended(kept, *ended);
            }
            if let (Some(followed), Settled::Ended(ended)) = (followed, &settled) {
                followed.tell(ended.name());
            }
            match settled {
                Settled::Ended(Ended::GivenBack) => outcome = Ended::GivenBack,
                Settled::Ended(ended) => {
                    self.context.progress.add_ended(ended);
                    self.watermark.finish(offset);
                }
                Settled::InPlace(one, delay) => again.push((*one, delay)),
            }
        }
        again.sort_by_key(|(one, _)| one.message.offset());
        self.publish_watermark();
        (again, outcome)
    }

    /// Gives up those that are left of a batch; they will be handled again.
    fn give_back<'a>(&self, left: impl IntoIterator<Item = &'a Message>) -> Ended {
        for message in left {
            if let Some(followed) = self.followed(message) {
                followed.tell(Ended::GivenBack.name());
            }
            let tell = |hook: &dyn Lifecycle| hook.message_ended(message, MessageEnd::GivenBack);
            self.context.hooks.tell(tell);
        }
        Ended::GivenBack
    }

    /// A record of the batch, if somebody wants to know of its end.
    fn followed(&self, message: &Message) -> Option<Followed> {
        let started = self.started?;
        Some(self.context.handling.noted(message, Some(started)))
    }

    fn publish_watermark(&self) {
        if let Some(next_offset) = self.watermark.committable() {
            self.seat.offsets.set_done(next_offset);
        }
    }
}

/// A panic fails all records, with its text.
async fn call(
    handler: &dyn CallBatch,
    messages: &[Message],
    context: &RouteContext,
) -> BatchFailures {
    let span = telemetry::batch(&context.handling, messages);
    let handling = AssertUnwindSafe(async { handler.call(messages).await });
    let handling = handling.catch_unwind();
    let called = match &span {
        None => handling.await,
        Some(span) => handling.instrument(span.clone()).await,
    };
    let mut failures = called.unwrap_or_else(|payload| {
        let error = HandlerError::panicked(payload.as_ref());
        (0..messages.len())
            .map(|place| (place, error.clone()))
            .collect()
    });
    failures.sort_by_key(|(place, _)| *place);
    if let (Some(span), Some((_, error))) = (&span, failures.first()) {
        telemetry::failed(span, error.code());
    }
    failures
}
