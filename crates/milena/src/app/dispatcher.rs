//! The dispatcher: polls the consumer, hands batches to the partitions' workers, pauses
//! the partitions whose workers are behind, and has finished offsets committed.
//!
//! Owns which partitions have a worker. Rebalances reach it as commands, so that nothing
//! here is shared or locked. Knows no handler.

use std::collections::HashMap;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use milena_client::consumer::{Consumer, FetchedBatch, PartitionEnd, Polled};
use milena_client::{Error, TopicPartition};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::MissedTickBehavior;

use super::committer;
use super::error::AppError;
use super::lifecycle::Hooks;
use super::progress::Progress;
use super::rebalance::Command;
use super::route::{Route, RouteContext};
use super::workers::{Fed, Room, Uncommitted, Worker, settle};
use crate::health::{HealthBoard, WorkSeen};
use crate::telemetry;

/// How long one poll waits when there is nothing; nothing else depends on it.
const POLL_TIMEOUT: Duration = Duration::from_secs(5);
/// How long to wait after a poll that failed and may be tried again.
const POLL_RETRY_DELAY: Duration = Duration::from_millis(250);

/// A route and what its workers share.
#[derive(Clone)]
pub(super) struct Registered {
    pub(super) route: Arc<dyn Route>,
    pub(super) context: Arc<RouteContext>,
}

/// Where a dispatcher hears from others, and tells how it does.
pub(super) struct Outside {
    pub(super) commands: mpsc::Receiver<Command>,
    pub(super) failures: mpsc::Receiver<AppError>,
    /// Whether somebody asked for nothing new to be handled.
    pub(super) paused: watch::Receiver<bool>,
    pub(super) health: HealthBoard,
    pub(super) hooks: Hooks,
}

/// How patient a dispatcher is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    pub(super) partition_buffer_bytes: u32,
    pub(super) commit_interval: Duration,
    pub(super) shutdown_timeout: Duration,
    pub(super) health_interval: Duration,
}

pub(super) struct Dispatcher {
    consumer: Arc<Consumer>,
    /// By topic name as the cluster has it.
    routes: HashMap<Arc<str>, Registered>,
    commands: mpsc::Receiver<Command>,
    failures: mpsc::Receiver<AppError>,
    pace: Pace,
    progress: Progress,
    /// Whether somebody asked for nothing new to be handled.
    paused: watch::Receiver<bool>,
    health: HealthBoard,
    hooks: Hooks,
    workers: HashMap<TopicPartition, Worker>,
    waiting_for_room: FuturesUnordered<BoxFuture<'static, Option<Room>>>,
    committing: Option<JoinHandle<Result<(), Error>>>,
}

impl Dispatcher {
    pub(super) fn new(
        consumer: Arc<Consumer>,
        routes: HashMap<Arc<str>, Registered>,
        outside: Outside,
        pace: Pace,
        progress: Progress,
    ) -> Dispatcher {
        let Outside {
            commands,
            failures,
            paused,
            health,
            hooks,
        } = outside;
        Dispatcher {
            consumer,
            routes,
            commands,
            failures,
            pace,
            progress,
            paused,
            health,
            hooks,
            workers: HashMap::new(),
            waiting_for_room: FuturesUnordered::new(),
            committing: None,
        }
    }

    /// Serves until `shutdown` or a failure.
    pub(super) async fn serve(
        &mut self,
        shutdown: impl Future<Output = ()>,
    ) -> Result<(), AppError> {
        let mut shutdown = pin!(shutdown);
        let mut commit_tick = tokio::time::interval(self.pace.commit_interval);
        commit_tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut health_tick = tokio::time::interval(self.pace.health_interval);
        health_tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let consumer = self.consumer.clone();
        loop {
            // One poll outlives any number of the other events: a poll that is dropped
            // could take what it was about to hand out with it.
            let mut poll = pin!(poll(&consumer));
            let polled = loop {
                tokio::select! {
                    biased;
                    () = &mut shutdown => return Ok(()),
                    Some(failure) = self.failures.recv() => return Err(failure),
                    Some(command) = self.commands.recv() => self.obey(command),
                    Some(room) = self.waiting_for_room.next() => {
                        if let Some(room) = room {
                            self.use_room(room)?;
                        }
                    }
                    Ok(()) = self.paused.changed() => self.look_at_gates(),
                    _ = health_tick.tick() => self.tell_health(),
                    _ = commit_tick.tick() => {
                        self.commit_in_background();
                        self.look_at_gates();
                    }
                    polled = &mut poll => break polled?,
                }
            };
            for batch in polled.batches {
                self.dispatch(batch)?;
            }
            polled.ends.iter().for_each(|end| self.tell_end(end));
        }
    }

    fn tell_end(&self, end: &PartitionEnd) {
        let PartitionEnd {
            partition, offset, ..
        } = end;
        let own = TopicPartition::new(self.own_name(partition), partition.partition);
        self.hooks.tell(|hook| hook.partition_end(&own, *offset));
    }

    fn dispatch(&mut self, batch: FetchedBatch) -> Result<(), AppError> {
        let partition = batch.topic_partition().clone();
        let Some(worker) = self.workers.get_mut(&partition) else {
            // Fetched before a rebalance took the partition away; its next owner has it.
            return Ok(());
        };
        let fed = worker.feed(batch);
        if fed == Fed::Parked {
            // A partition that is not ours any more is about to be released.
            let _ = self.consumer.pause(std::slice::from_ref(&partition));
        }
        self.after_feeding(&partition, fed)
    }

    fn use_room(&mut self, room: Room) -> Result<(), AppError> {
        let partition = room.partition.clone();
        let Some(worker) = self.workers.get_mut(&partition) else {
            return Ok(());
        };
        let Some(fed) = worker.use_room(room) else {
            return Ok(());
        };
        if fed == Fed::All && !worker.is_held {
            let _ = self.consumer.resume(std::slice::from_ref(&partition));
        }
        self.after_feeding(&partition, fed)
    }

    /// Fetches nothing for topics that are paused, or for any when all are: beyond what
    /// waits already, it would only fill memory. A topic that is paused and has nothing in
    /// hand is fetched for: its next record is the probe that ends the pause.
    fn look_at_gates(&mut self) {
        let are_all_held = *self.paused.borrow();
        for worker in self.workers.values_mut() {
            let Some(registered) = self.routes.get(&worker.partition.topic) else {
                continue;
            };
            let is_paused = registered.context.is_paused() && !worker.is_idle();
            let is_held = are_all_held || is_paused;
            if is_held == std::mem::replace(&mut worker.is_held, is_held) {
                continue;
            }
            let partition = std::slice::from_ref(&worker.partition);
            // A partition that is not ours any more is about to be released.
            let _ = match worker.is_paused() {
                true => self.consumer.pause(partition),
                false => self.consumer.resume(partition),
            };
        }
    }

    fn after_feeding(&mut self, partition: &TopicPartition, fed: Fed) -> Result<(), AppError> {
        let Some(worker) = self.workers.get(partition) else {
            return Ok(());
        };
        match fed {
            Fed::All => Ok(()),
            Fed::Parked => {
                self.waiting_for_room.push(Box::pin(worker.wait_for_room()));
                Ok(())
            }
            // A worker that gave up has said why; that is on its way to us.
            Fed::Ended => Err(self.failures.try_recv().unwrap_or(AppError::WorkerEnded {
                topic: partition.topic.clone(),
                partition: partition.partition,
            })),
        }
    }

    fn obey(&mut self, command: Command) {
        match command {
            Command::Assign(partitions, done) => {
                for partition in partitions {
                    self.assign(partition);
                }
                self.look_at_gates();
                self.progress.set_partitions(self.workers.len());
                let _ = done.send(());
            }
            Command::Release(partitions, hand_over) => {
                // Its commit would wait for the rebalance, and the rebalance for us.
                if let Some(committing) = self.committing.take() {
                    committing.abort();
                }
                let workers = partitions
                    .iter()
                    .filter_map(|one| self.workers.remove(one))
                    .collect();
                self.progress.set_partitions(self.workers.len());
                // Without anybody to take them they end here.
                let _ = hand_over.send(workers);
            }
        }
    }

    fn assign(&mut self, partition: TopicPartition) {
        let Some(registered) = self.routes.get(&partition.topic) else {
            self.progress.add_without_handler(&partition.topic);
            return;
        };
        let worker = Worker::start(
            partition.clone(),
            registered.route.as_ref(),
            registered.context.clone(),
            self.pace.partition_buffer_bytes,
        );
        self.workers.insert(partition, worker);
    }

    fn commit_in_background(&mut self) {
        if self
            .committing
            .as_ref()
            .is_some_and(|committing| !committing.is_finished())
        {
            return;
        }
        let offsets: Vec<_> = self
            .workers
            .values()
            .filter_map(Worker::uncommitted)
            .collect();
        if offsets.is_empty() {
            return;
        }
        let (consumer, progress) = (self.consumer.clone(), self.progress.clone());
        let told =
            (!self.hooks.is_empty()).then(|| (self.hooks.clone(), self.own_offsets(&offsets)));
        self.committing = Some(tokio::spawn(async move {
            let result = committer::commit(consumer, offsets, &progress).await;
            if let Some((hooks, offsets)) = told.filter(|_| result.is_ok()) {
                hooks.tell(|hook| hook.committed(&offsets));
            }
            result
        }));
    }

    /// As handlers know the topics.
    fn own_offsets(&self, offsets: &[Uncommitted]) -> Vec<(TopicPartition, i64)> {
        let own = offsets.iter().map(|offset| {
            let partition = &offset.partition;
            let own = TopicPartition::new(self.own_name(partition), partition.partition);
            (own, offset.next_offset)
        });
        own.collect()
    }

    /// Says how far the partitions are.
    fn tell_health(&self) {
        let see = |worker: &Worker| WorkSeen {
            partition: TopicPartition::new(
                self.own_name(&worker.partition),
                worker.partition.partition,
            ),
            done: worker.done(),
            given: worker.given(),
            lag: self.consumer.lag(&worker.partition).unwrap_or(0),
            is_paused: worker.is_held,
        };
        let seen: Vec<WorkSeen> = self.workers.values().map(see).collect();
        self.progress
            .set_lag(seen.iter().map(WorkSeen::to_do).sum());
        self.health.see_work(seen);
    }

    /// The topic as handlers know it.
    fn own_name(&self, partition: &TopicPartition) -> Arc<str> {
        let registered = self.routes.get(&partition.topic);
        registered.map_or_else(
            || partition.topic.clone(),
            |registered| registered.context.topic.clone(),
        )
    }

    /// Has no further record begun.
    pub(super) fn stop(&self) {
        self.workers.values().for_each(Worker::stop);
    }

    /// Finishes what is in hand, commits it and leaves the group.
    pub(super) async fn wind_down(mut self) -> Result<(), AppError> {
        if let Some(committing) = self.committing.take() {
            committing.abort();
        }
        // A rebalance that comes now waits in the command queue until the workers are done.
        let mut workers: Vec<Worker> = self.workers.drain().map(|(_, worker)| worker).collect();
        settle(&mut workers, self.pace.shutdown_timeout).await;
        let offsets = workers.iter().filter_map(Worker::uncommitted).collect();
        self.workers = workers
            .into_iter()
            .map(|worker| (worker.partition.clone(), worker))
            .collect();
        let (consumer, progress) = (self.consumer.clone(), self.progress.clone());
        let mut leaving = pin!(async move {
            let committed = committer::commit(consumer.clone(), offsets, &progress).await;
            let closed = consumer.close().await;
            unless_lost(committed).and(unless_lost(closed))
        });
        loop {
            tokio::select! {
                left = &mut leaving => return left.map_err(AppError::from),
                Some(command) = self.commands.recv() => self.obey_while_leaving(command),
            }
        }
    }

    /// Workers are finished; a rebalance may have them, and commit what they did.
    fn obey_while_leaving(&mut self, command: Command) {
        match command {
            Command::Assign(_, done) => {
                let _ = done.send(());
            }
            release @ Command::Release(..) => self.obey(release),
        }
    }
}

/// Polls; a failure that may pass is logged and looks like nothing.
async fn poll(consumer: &Consumer) -> Result<Polled, Error> {
    let started = telemetry::start();
    match consumer.poll(POLL_TIMEOUT).await {
        // The consumer joins again by itself, and the workers are gone by now.
        Err(error @ Error::PartitionsLost { .. }) => {
            tracing::warn!(event = "poll_failed", %error);
            Ok(Polled::default())
        }
        Err(error) if error.is_retriable() => {
            tracing::warn!(event = "poll_failed", %error);
            tokio::time::sleep(POLL_RETRY_DELAY).await;
            Ok(Polled::default())
        }
        polled => {
            let polled = polled?;
            if let Some(started) = started {
                polled
                    .batches
                    .iter()
                    .for_each(|batch| telemetry::consumer_receive(started, batch));
            }
            Ok(polled)
        }
    }
}

/// Partitions that went to another member before their last commit are no failure of ours:
/// the other one handles what was not committed again.
fn unless_lost(result: Result<(), Error>) -> Result<(), Error> {
    match result {
        Err(Error::PartitionsLost { .. }) => Ok(()),
        result => result,
    }
}
