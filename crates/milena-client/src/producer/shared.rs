//! What a producer's handles and tasks share: the topics, the buffer budget, the routes.

use std::collections::HashMap;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use tokio::sync::{Notify, watch};

use super::batch::OpenBatch;
use super::budget::{Budget, Reservation};
use super::callbacks::Callbacks;
use super::config::ProducerConfig;
use super::delivery::Delivery;
use super::error::{ProduceError, ProduceErrorKind};
use super::identity::Identity;
use super::limits::{LINGER_SLACK, SPARE_BUFFERS_MAX, SPARE_BYTES_MAX};
use super::partition::{Appended, BatchLimits, Buffers, NotAppended, Partition};
use super::record::Record;
use super::route::Route;
use super::sender::Sender;
use super::sink::DeliverySink;
use super::topic::Topic;
use super::topic::leader_of;
use super::window::SendWindow;
use crate::backoff::Backoff;
use crate::buffer_pool::BufferPool;
use crate::client::Client;
use crate::clock::{CoarseClock, system_now_ms};
use crate::metadata::TopicMetadata;
use crate::transaction::Gate;
use crate::{NodeId, TopicPartition};

/// How soon a record should leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Urgency {
    /// With its batch, when that is full or has lingered.
    Linger,
    /// At once if nothing else of its partition is in flight: somebody waits for it.
    Awaited,
}

#[derive(Debug)]
pub(super) struct Shared {
    pub(super) client: Client,
    pub(super) config: ProducerConfig,
    pub(super) buffers: Buffers,
    pub(super) identity: Identity,
    /// Of a transactional producer: what may leave when.
    pub(super) gate: Option<Arc<Gate>>,
    clock: CoarseClock,
    topics: RwLock<HashMap<Arc<str>, Arc<Topic>>>,
    routes: Mutex<HashMap<NodeId, Arc<Route>>>,
    pub(super) callbacks: Arc<Callbacks>,
    pub(super) runtime: Handle,
    closed: AtomicBool,
    /// Nothing is buffered and the keeper sleeps until something is.
    pub(super) resting: AtomicBool,
    /// Wakes the keeper.
    pub(super) keeper: Notify,
    /// Turns true once, when the last handle is dropped.
    pub(super) abandoned: watch::Sender<bool>,
    /// Turns true once, to end every task.
    pub(super) stop: watch::Sender<bool>,
}

impl Shared {
    pub(super) fn new(
        client: Client,
        config: ProducerConfig,
        gate: Option<Arc<Gate>>,
        runtime: Handle,
    ) -> Arc<Self> {
        Arc::new(Shared {
            client,
            buffers: Buffers {
                limits: BatchLimits {
                    batch_bytes_max: config.batch_bytes_max,
                    request_bytes_max: config.request_bytes_max,
                },
                budget: Budget::new(config.buffer_bytes_max),
                pool: BufferPool::new(SPARE_BUFFERS_MAX, SPARE_BYTES_MAX),
            },
            identity: Identity::default(),
            gate,
            clock: CoarseClock::start(),
            topics: RwLock::default(),
            routes: Mutex::default(),
            callbacks: Callbacks::new(runtime.clone()),
            runtime,
            closed: AtomicBool::new(false),
            resting: AtomicBool::new(false),
            keeper: Notify::new(),
            abandoned: watch::Sender::new(false),
            stop: watch::Sender::new(false),
            config,
        })
    }

    #[inline]
    pub(super) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// Accepts nothing from here on.
    pub(super) fn close(&self) {
        self.closed.store(true, Ordering::Release);
        self.buffers.budget.close();
        for topic in self.topics() {
            topic
                .partitions()
                .iter()
                .for_each(|partition| partition.queue().close());
        }
        self.keeper.notify_one();
    }

    pub(super) fn topics(&self) -> Vec<Arc<Topic>> {
        self.topics
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .values()
            .cloned()
            .collect()
    }

    pub(super) fn known_topic(&self, name: &str) -> Option<Arc<Topic>> {
        self.topics
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(name)
            .cloned()
    }

    /// The topic, after asking the cluster for it if it is new; waits `max_block` at most.
    pub(super) async fn topic(self: &Arc<Self>, name: &str) -> Result<Arc<Topic>, ProduceError> {
        if let Some(topic) = self.known_topic(name) {
            return Ok(topic);
        }
        // Whoever closes does not wait for what nobody can use any more.
        if self.is_closed() {
            return Err(ProduceErrorKind::Closed.into());
        }
        let deadline = Instant::now() + self.config.max_block;
        let mut stop = self.stop.subscribe();
        let metadata = tokio::select! {
            metadata = self.client.metadata().topic(name, deadline.into()) => metadata?,
            _ = stop.wait_for(|stop| *stop) => return Err(ProduceErrorKind::Closed.into()),
        };
        if self.config.is_idempotent() && self.gate.is_none() {
            self.identity.ensure(&self.client, deadline).await?;
        }
        let mut topics = self.topics.write().unwrap_or_else(PoisonError::into_inner);
        if self.is_closed() {
            return Err(ProduceErrorKind::Closed.into());
        }
        let topic = topics.entry(metadata.name.clone()).or_insert_with(|| {
            let partitions = self.new_partitions(&metadata, 0);
            Arc::new(Topic::new(metadata.name.clone(), partitions))
        });
        Ok(topic.clone())
    }

    /// The partitions of `metadata` from index `from` on.
    pub(super) fn new_partitions(
        &self,
        metadata: &TopicMetadata,
        from: usize,
    ) -> Vec<Arc<Partition>> {
        let new = |index: usize| {
            let mut window = SendWindow::new(
                self.config.is_idempotent(),
                self.config.in_flight_per_partition_max,
                self.config.compression_level,
                self.retry_backoff(),
            );
            if let Some(identity) = self.identity.current() {
                window.adopt(identity);
            }
            let partition = Partition::new(metadata.name.clone(), index as i32, window);
            partition.set_leader(leader_of(metadata, index as i32));
            Arc::new(partition)
        };
        (from..metadata.partitions.len()).map(new).collect()
    }

    fn retry_backoff(&self) -> Backoff {
        let config = self.client.config();
        Backoff::new(config.retry_backoff, config.retry_backoff_max)
    }

    /// Appends a record without waiting.
    #[inline]
    pub(super) fn try_append(
        self: &Arc<Self>,
        topic: &Topic,
        record: &Record<'_>,
        reserved: &mut Option<Reservation>,
        urgency: Urgency,
    ) -> Result<Delivery, Box<NotAppended>> {
        if self.is_closed() {
            return Err(ProduceErrorKind::Closed.into());
        }
        let urgent = urgency == Urgency::Awaited;
        let partition = topic.partition_of(record, &self.config.partitioning)?;
        let mut appended = Appended::NOTHING;
        let now_ms = || match urgency {
            Urgency::Linger => self.clock.now_ms(),
            Urgency::Awaited => system_now_ms(),
        };
        let delivery = partition.append(
            record,
            record.timestamp.unwrap_or_else(now_ms),
            &self.buffers,
            reserved,
            urgent,
            &mut appended,
        );
        if appended != Appended::NOTHING || urgent {
            self.after_append(topic, &partition, appended, urgent);
        }
        delivery
    }

    /// Appends a record without waiting, and leaves what `item` makes with its batch for `sink`. It
    /// stays where it is if the record is not appended.
    #[inline]
    pub(super) fn try_append_for<S: DeliverySink>(
        self: &Arc<Self>,
        topic: &Topic,
        record: &Record<'_>,
        (sink, item): (&Arc<S>, &mut Option<impl FnOnce() -> S::Item>),
        reserved: &mut Option<Reservation>,
    ) -> Result<(), Box<NotAppended>> {
        if self.is_closed() {
            return Err(ProduceErrorKind::Closed.into());
        }
        let partition = topic.partition_of(record, &self.config.partitioning)?;
        let timestamp = record.timestamp.unwrap_or_else(|| self.clock.now_ms());
        let mut appended = Appended::NOTHING;
        let buffers = &self.buffers;
        let result = partition
            .append_for(record, timestamp, buffers, reserved, &mut appended)
            .map(|appending| {
                if let Some(item) = item.take() {
                    appending.keep(sink, item(), &self.callbacks);
                }
            });
        if appended != Appended::NOTHING {
            self.after_append(topic, &partition, appended, false);
        }
        result
    }

    /// As [`Shared::try_append_for`], waiting up to `max_block` for `bytes` of buffer space.
    pub(super) async fn append_for_waiting<S: DeliverySink>(
        self: &Arc<Self>,
        topic: &Topic,
        record: Record<'_>,
        (sink, item): (&Arc<S>, &mut Option<impl FnOnce() -> S::Item>),
        bytes: usize,
    ) -> Result<(), ProduceError> {
        self.append_with_room(bytes, |reserved| {
            self.try_append_for(topic, &record, (sink, &mut *item), reserved)
        })
        .await
    }

    /// Appends a record, waiting up to `max_block` for `bytes` of buffer space.
    pub(super) async fn append_waiting(
        self: &Arc<Self>,
        topic: &Topic,
        record: Record<'_>,
        urgency: Urgency,
        bytes: usize,
    ) -> Result<Delivery, ProduceError> {
        self.append_with_room(bytes, |reserved| {
            self.try_append(topic, &record, reserved, urgency)
        })
        .await
    }

    /// Tries with `bytes` of buffer space, and again when it turns out that more is needed.
    async fn append_with_room<T>(
        &self,
        mut bytes: usize,
        mut append: impl FnMut(&mut Option<Reservation>) -> Result<T, Box<NotAppended>>,
    ) -> Result<T, ProduceError> {
        let deadline = Instant::now() + self.config.max_block;
        loop {
            let mut reserved = Some(self.reserve(bytes, deadline).await?);
            match append(&mut reserved) {
                Ok(appended) => return Ok(appended),
                Err(refusal) => match *refusal {
                    NotAppended::Failed(error) => return Err(error),
                    NotAppended::NeedsBuffer(more) => bytes = more,
                },
            }
        }
    }

    /// Waits for buffer space.
    async fn reserve(&self, bytes: usize, deadline: Instant) -> Result<Reservation, ProduceError> {
        let left = deadline.saturating_duration_since(Instant::now());
        let mut reserving = pin!(self.buffers.budget.reserve(bytes, left));
        let reserved = tokio::select! {
            biased;
            reserved = &mut reserving => reserved,
            // What is being reported gives space back soon; small batches would only slow it down.
            () = self.callbacks.drained() => {
                // Lingering batches hold the space that this caller waits for.
                let _pressure = self.buffers.budget.press();
                self.wake_all();
                reserving.await
            }
        };
        reserved.map_err(|error| match error.kind() {
            ProduceErrorKind::BufferFull { .. } => {
                let waited = self.config.max_block;
                ProduceErrorKind::BufferFull { waited }.into()
            }
            _ => error,
        })
    }

    #[cold]
    fn after_append(
        self: &Arc<Self>,
        topic: &Topic,
        partition: &Arc<Partition>,
        appended: Appended,
        urgent: bool,
    ) {
        if appended.has(Appended::STICKY_DONE) {
            let adaptive = self.config.adaptive_partitioning;
            let timeout = self.config.availability_timeout.filter(|_| adaptive);
            let stuck_since = timeout.and_then(|timeout| Instant::now().checked_sub(timeout));
            topic.move_sticky(adaptive, stuck_since);
        }
        if appended.has(Appended::OPENED) && self.resting.swap(false, Ordering::AcqRel) {
            self.keeper.notify_one();
        }
        let Some(route) = self.route_of(partition) else {
            return;
        };
        if urgent {
            // Whoever looks at the batch and leaves it gives it a timer.
            if route.push_only_ready(partition) {
                Sender::new(self.clone(), route).send_now();
            }
            return;
        }
        if appended.has(Appended::FILLED) {
            route.push_ready(partition);
        }
        if appended.has(Appended::OPENED) {
            if self.config.linger.is_zero() {
                route.push_ready(partition);
            } else {
                route.push_timer(Instant::now() + self.config.linger, partition);
            }
        }
    }

    /// Has the partition's leader look at it, if there is a leader; new metadata does otherwise.
    pub(super) fn push_ready(self: &Arc<Self>, partition: &Arc<Partition>) {
        if let Some(route) = self.route_of(partition) {
            route.push_ready(partition);
        }
    }

    /// As [`Shared::push_ready`], for a partition whose leader changed: its linger timers are with
    /// the former leader's sender, or with nobody, so the new one gets a timer that covers them.
    pub(super) fn reroute(self: &Arc<Self>, partition: &Arc<Partition>) {
        if let Some(route) = self.route_of(partition) {
            route.push_ready(partition);
            route.push_timer(Instant::now() + self.config.linger, partition);
        }
    }

    /// Whether `batch` should leave now.
    pub(super) fn is_due(&self, batch: &OpenBatch, partition_is_quiet: bool, now: Instant) -> bool {
        batch.flush
            || (batch.urgent && partition_is_quiet)
            || batch.opened_at + self.config.linger <= now + LINGER_SLACK
            || self.is_hurried()
    }

    /// Whether nothing should linger: somebody waits for space, or the producer closes.
    pub(super) fn is_hurried(&self) -> bool {
        self.buffers.budget.is_under_pressure() || self.is_closed()
    }

    /// Waits until everything accepted before this call is settled, or `timeout` passes; tells
    /// which.
    pub(super) async fn flush(self: &Arc<Self>, timeout: Duration) -> bool {
        let mut outcomes = Vec::new();
        for topic in self.topics() {
            for partition in topic.partitions().iter() {
                let open = partition.flush_outcomes();
                if !open.is_empty() {
                    outcomes.extend(open);
                    self.push_ready(partition);
                }
            }
        }
        let settled = async {
            for outcome in outcomes {
                outcome.settled().await;
            }
            self.callbacks.drained().await;
        };
        tokio::time::timeout(timeout, settled).await.is_ok()
    }

    /// A transactional producer's batches were answered, or something has failed.
    pub(super) fn on_gate_progress(&self, gate: &Gate) {
        gate.on_progress();
        if gate.has_failed() {
            self.keeper.notify_one();
        }
    }

    /// Once something of a transaction has failed, nothing else of it need be waited for.
    pub(super) fn fail_with_transaction(&self) {
        if let Some(gate) = &self.gate {
            gate.with_failure(|error| {
                self.fail_unsent(error);
            });
        }
    }

    /// Settles what is not on its way with `error`; tells whether something is.
    pub(super) fn fail_unsent(&self, error: &ProduceError) -> bool {
        let mut is_any_in_flight = false;
        for topic in self.topics() {
            for partition in topic.partitions().iter() {
                is_any_in_flight |= partition.fail_unsent(error);
                if let Some(gate) = &self.gate
                    && partition.window().has_gap()
                {
                    gate.note_gap(partition);
                }
            }
        }
        is_any_in_flight
    }

    /// Has senders look at these again.
    pub(super) fn push_ready_all(self: &Arc<Self>, partitions: &[TopicPartition]) {
        for name in partitions {
            let topic = self.known_topic(&name.topic);
            let index = usize::try_from(name.partition).unwrap_or(usize::MAX);
            if let Some(partition) = topic.and_then(|topic| topic.partitions().get(index).cloned())
            {
                self.push_ready(&partition);
            }
        }
    }

    /// Ends every task; settles what is left with `Closed`.
    pub(super) fn shut_down(&self) {
        self.close();
        self.stop.send_replace(true);
        let closed = ProduceErrorKind::Closed.into();
        for topic in self.topics() {
            let partitions = topic.partitions();
            partitions
                .iter()
                .for_each(|partition| partition.fail_all(&closed));
        }
    }

    pub(super) fn wake_all(&self) {
        let routes = self.routes.lock().unwrap_or_else(PoisonError::into_inner);
        routes.values().for_each(|route| route.wake());
    }

    fn route_of(self: &Arc<Self>, partition: &Partition) -> Option<Arc<Route>> {
        let Some(node) = partition.leader() else {
            self.client.metadata().request_refresh();
            return None;
        };
        let mut routes = self.routes.lock().unwrap_or_else(PoisonError::into_inner);
        let route = routes.entry(node).or_insert_with(|| {
            let route = Route::new(node);
            self.runtime
                .spawn(Sender::new(self.clone(), route.clone()).run());
            route
        });
        Some(route.clone())
    }
}
