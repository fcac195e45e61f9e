//! The task that sends what is spooled, in order, once the cluster is back: a portion at a time,
//! and behind a failure again from there.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use milena_client::producer::{Delivery, ProduceError, ProduceErrorKind, RecordMetadata};
use tokio::time::Instant;

use super::breaker::BreakerState;
use super::context::{DeliveryContext, DeliveryStatus};
use super::limits::{HANDOVER_MESSAGES_MAX, REPLAY_BYTES_MAX, REPLAY_MESSAGES_MAX};
use super::shared::Shared;
use super::spooler::{Spooler, Stage};
use super::spooling::may_pass;
use crate::failure::ErrorClass;
use crate::publisher::PublishError;
use crate::publisher::spool::{SpoolError, Stored, decode};

/// Replays until told to stop.
pub(super) async fn run(shared: Arc<Shared>, spooler: Arc<Spooler>) {
    let mut stage = spooler.stage.subscribe();
    let mut replay = Replay {
        shared,
        spooler: spooler.clone(),
        done: HashSet::new(),
    };
    loop {
        // Waiting may be given up, a portion that is under way may not.
        let is_ready = tokio::select! {
            () = replay.until_ready() => true,
            _ = stage.wait_for(|stage| *stage > Stage::Running) => false,
        };
        if !is_ready {
            break;
        }
        let Some(pause) = replay.portion().await else {
            continue;
        };
        let _ = tokio::time::timeout(pause, stage.wait_for(|stage| *stage > Stage::Running)).await;
    }
    // Nobody is to wait for a handover that does not come.
    if spooler.is_diverting() {
        spooler.divert();
    }
    spooler.leave();
}

struct Replay {
    shared: Arc<Shared>,
    spooler: Arc<Spooler>,
    /// Numbers of messages that are done with although one before them is not.
    done: HashSet<u64>,
}

/// What a message has come to.
enum End {
    Done,
    /// It is to be sent again, as something before it is.
    Again,
    /// It failed in a way that may pass.
    Stuck,
}

/// Where messages are stuck: behind them, order asks for a second time.
#[derive(Default)]
struct Stuck(Vec<(String, Option<i32>)>);

type Sent = (u64, Box<DeliveryContext>, Result<Delivery, PublishError>);

impl Replay {
    /// Waits until there is something to replay, nothing is on its way past the spool, and the
    /// breaker lets a message through. Ends a diversion for which there is no reason any more.
    async fn until_ready(&self) {
        loop {
            let changed = self.spooler.changed.notified();
            if !self.spooler.is_diverting() {
                changed.await;
                continue;
            }
            self.shared.counters.until_idle().await;
            let (pacing, now) = (&self.shared.pacing, Instant::now());
            if self.spooler.facts().messages > 0 {
                match pacing.ask(now) {
                    Ok(()) => return,
                    Err(until) => tokio::time::sleep_until(until).await,
                }
                continue;
            }
            // With nothing to replay there is nothing to probe with: new messages do.
            match pacing.closed_until(now) {
                None => self.spooler.resume(&self.shared.counters),
                Some(until) => {
                    // Whatever comes first: there may be something to replay by then.
                    let _ = tokio::time::timeout_at(until, changed).await;
                }
            }
        }
    }

    /// Replays some messages; tells how long to wait before the next if one is stuck.
    async fn portion(&mut self) -> Option<Duration> {
        // The first one probes.
        let count = match self.shared.pacing.state() {
            BreakerState::Closed => REPLAY_MESSAGES_MAX,
            _ => 1,
        };
        let read = self
            .spooler
            .with_store(move |store| store.read(count, REPLAY_BYTES_MAX));
        let stored = match read.await {
            Ok(stored) => stored,
            Err(error) => return Some(self.interrupted(&error)),
        };
        let numbers: Vec<u64> = stored.iter().map(|stored| stored.number).collect();
        let is_stuck = self.send_all(stored).await;
        let done = numbers
            .iter()
            .take_while(|number| self.done.contains(number))
            .count();
        let advanced = self.spooler.with_store(move |store| store.advance(done));
        if let Err(error) = advanced.await {
            return Some(self.interrupted(&error));
        }
        for number in numbers.iter().take(done) {
            self.done.remove(number);
        }
        if is_stuck {
            self.spooler.divert();
            return Some(self.shared.schedule().first_delay());
        }
        match self.spooler.facts().messages {
            0 => self.spooler.set_oldest_at(0),
            1..=HANDOVER_MESSAGES_MAX => self.spooler.hand_over(),
            _ => {}
        }
        None
    }

    /// The files cannot be read or written now.
    fn interrupted(&self, error: &SpoolError) -> Duration {
        tracing::error!(event = "spool_replay_interrupted", %error);
        self.spooler.divert();
        self.shared.schedule().first_delay()
    }

    /// Sends messages and waits for all their answers; tells whether one is stuck.
    async fn send_all(&mut self, stored: Vec<Stored>) -> bool {
        let mut sent: Vec<Sent> = Vec::with_capacity(stored.len());
        for Stored { number, bytes } in stored {
            if self.done.contains(&number) {
                continue;
            }
            let Some(entry) = decode(bytes) else {
                tracing::error!(event = "spool_entry_unreadable", number);
                self.shared.counters.fail_replayed();
                self.done.insert(number);
                continue;
            };
            if sent.is_empty() {
                self.spooler.set_oldest_at(entry.spooled_at);
            }
            self.shared.pacing.throttle().await;
            let context = Box::new(DeliveryContext::replayed(entry));
            if context.trail.attempts > 1 {
                self.shared.counters.retry();
            }
            let delivery = self.enqueue(&context).await;
            let is_taken = delivery.is_ok();
            sent.push((number, context, delivery));
            if !is_taken {
                break;
            }
        }
        let mut stuck = Stuck::default();
        for (number, context, delivery) in sent {
            let answer = match delivery {
                Ok(delivery) => delivery.await.map_err(PublishError::from),
                Err(error) => Err(error),
            };
            if let End::Done = self.settle(context, answer, &mut stuck).await {
                self.done.insert(number);
            }
        }
        !stuck.0.is_empty()
    }

    async fn enqueue(&self, context: &DeliveryContext) -> Result<Delivery, PublishError> {
        let publisher = &self.shared.publisher;
        let enqueued = publisher.enqueue_as(&context.message, &context.id, None);
        enqueued.await
    }

    async fn settle(
        &self,
        mut context: Box<DeliveryContext>,
        answer: Result<RecordMetadata, PublishError>,
        stuck: &mut Stuck,
    ) -> End {
        let error = match answer {
            Ok(written) => return self.on_written(context, &written, stuck),
            Err(error) => error,
        };
        if let PublishError::Produce(error) = &error {
            context.add_failure(Timestamp::now(), error.clone());
            if error.class() == ErrorClass::Retriable {
                self.shared.pacing.on_failure(Instant::now());
            } else {
                self.shared.pacing.on_other(Instant::now());
            }
            if may_pass(error) {
                stuck.add(context.topic(), partition_of(error));
                context.status = DeliveryStatus::Spooled;
                self.shared.tell_attempt_failed(&context, error.clone());
                return End::Stuck;
            }
        }
        self.bury(context, error, stuck).await
    }

    fn on_written(
        &self,
        mut context: Box<DeliveryContext>,
        written: &RecordMetadata,
        stuck: &Stuck,
    ) -> End {
        self.shared.pacing.on_success();
        if stuck.blocks(context.topic(), written.partition()) {
            return End::Again;
        }
        context.status = DeliveryStatus::Success;
        let observers = &self.shared.observers;
        observers.tell(|observer| observer.on_success(&context, written));
        self.shared.counters.deliver_replayed();
        End::Done
    }

    /// What cannot be published whatever the time becomes a dead letter.
    async fn bury(
        &self,
        mut context: Box<DeliveryContext>,
        error: PublishError,
        stuck: &mut Stuck,
    ) -> End {
        let shared = &self.shared;
        shared
            .observers
            .tell(|observer| observer.on_failure(&context, &error));
        match shared.write_dead_letter(&mut context).await {
            Ok(()) => {
                shared.counters.dead_letter_replayed();
                End::Done
            }
            Err(Some(PublishError::Produce(refusal))) if may_pass(&refusal) => {
                stuck.add(context.topic(), None);
                End::Stuck
            }
            Err(_) => {
                shared.tell_failed(&mut context, &error);
                shared.counters.fail_replayed();
                End::Done
            }
        }
    }
}

impl Stuck {
    fn add(&mut self, topic: &str, partition: Option<i32>) {
        if !self
            .0
            .iter()
            .any(|(one, at)| one == topic && *at == partition)
        {
            self.0.push((topic.to_owned(), partition));
        }
    }

    fn blocks(&self, topic: &str, partition: i32) -> bool {
        let mut stuck = self.0.iter();
        stuck.any(|(one, at)| one == topic && at.is_none_or(|at| at == partition))
    }
}

/// The partition that an error is about; `None` may be any.
fn partition_of(error: &ProduceError) -> Option<i32> {
    match error.kind() {
        ProduceErrorKind::TimedOut { partition, .. }
        | ProduceErrorKind::Rejected { partition, .. } => Some(*partition),
        _ => None,
    }
}
