//! A partition's worker seen from the outside: fed, told to stop, waited for.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use milena_client::TopicPartition;
use milena_client::consumer::FetchedBatch;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::batch::QueuedBatch;
use super::limits::QUEUED_BATCHES_MAX;
use super::route::{Route, RouteContext, Seat};
use super::seat_offsets::SeatOffsets;
use super::stop::StopFlag;

/// A running worker and what waits for it.
#[derive(Debug)]
pub(super) struct Worker {
    pub(super) partition: TopicPartition,
    offsets: Arc<SeatOffsets>,
    stop: Arc<StopFlag>,
    task: JoinHandle<()>,
    batches: mpsc::Sender<QueuedBatch>,
    /// Bounds the bytes of the batches that wait.
    room: Arc<Semaphore>,
    room_bytes: u32,
    /// Batches that found no room; the partition is paused while there are any.
    parked: VecDeque<FetchedBatch>,
    /// Its topic is paused because handlers fail.
    pub(super) is_held: bool,
    /// Where the first batch begins that it was handed.
    first_offset: Option<i64>,
    /// Everything before it was handed over.
    given: Option<i64>,
}

/// What feeding a worker came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fed {
    /// It has everything.
    All,
    /// Something is parked until [`Room`] is there.
    Parked,
    /// It ended without being told to.
    Ended,
}

/// Room that became free, for whom it was waited for.
#[derive(Debug)]
pub(super) struct Room {
    pub(super) partition: TopicPartition,
    permit: OwnedSemaphorePermit,
}

impl Worker {
    /// Starts a worker; `room_bytes` of batches may wait for it.
    pub(super) fn start(
        partition: TopicPartition,
        route: &dyn Route,
        context: Arc<RouteContext>,
        room_bytes: u32,
    ) -> Worker {
        let (batches, receiver) = mpsc::channel(QUEUED_BATCHES_MAX as usize);
        let stop = Arc::new(StopFlag::default());
        let offsets = Arc::new(SeatOffsets::default());
        let seat = Seat {
            partition: partition.partition,
            batches: receiver,
            stop: stop.clone(),
            offsets: offsets.clone(),
        };
        let task = tokio::spawn(route.work(context, seat));
        let room = Arc::new(Semaphore::new(room_bytes as usize));
        Worker {
            partition,
            offsets,
            stop,
            task,
            batches,
            room,
            room_bytes,
            parked: VecDeque::new(),
            is_held: false,
            first_offset: None,
            given: None,
        }
    }

    /// Whether nothing is to be fetched for it.
    pub(super) fn is_paused(&self) -> bool {
        self.is_held || !self.parked.is_empty()
    }

    /// Hands over a batch, or parks it behind those that are parked.
    pub(super) fn feed(&mut self, batch: FetchedBatch) -> Fed {
        if !self.parked.is_empty() {
            self.parked.push_back(batch);
            return Fed::All; // whoever parked the first waits already
        }
        match self.room.clone().try_acquire_many_owned(self.cost(&batch)) {
            Ok(permit) => self.send(batch, permit),
            Err(_) => {
                self.parked.push_back(batch);
                Fed::Parked
            }
        }
    }

    /// Waits until there is room for what is parked: at least half of all, so that the
    /// partition is not paused and resumed for every batch.
    pub(super) fn wait_for_room(&self) -> impl Future<Output = Option<Room>> + Send + 'static {
        let room = self.room.clone();
        let partition = self.partition.clone();
        let cost = self.parked.front().map_or(1, |batch| self.cost(batch));
        let wanted = cost.max(self.room_bytes / 2);
        async move {
            let permit = room.acquire_many_owned(wanted).await.ok()?;
            Some(Room { partition, permit })
        }
    }

    /// Hands over what is parked, as far as there is room. `None` for the room of an
    /// earlier worker of the partition, which changes nothing.
    pub(super) fn use_room(&mut self, mut room: Room) -> Option<Fed> {
        if !Arc::ptr_eq(room.permit.semaphore(), &self.room) {
            return None;
        }
        while let Some(batch) = self.parked.pop_front() {
            let cost = self.cost(&batch);
            let permit = match room.permit.split(cost as usize) {
                Some(permit) => Some(permit),
                None => self.room.clone().try_acquire_many_owned(cost).ok(),
            };
            let Some(permit) = permit else {
                self.parked.push_front(batch);
                return Some(Fed::Parked);
            };
            if self.send(batch, permit) == Fed::Ended {
                return Some(Fed::Ended);
            }
        }
        Some(Fed::All)
    }

    fn send(&mut self, batch: FetchedBatch, permit: OwnedSemaphorePermit) -> Fed {
        self.first_offset.get_or_insert(batch.first_offset());
        self.given = Some(batch.next_offset());
        match self.batches.try_send(QueuedBatch::new(batch, permit)) {
            Ok(()) => Fed::All,
            Err(_) => Fed::Ended,
        }
    }

    /// One batch may be larger than all room; it then takes all of it. The smallest take
    /// enough that no more batches fit than the queue holds.
    fn cost(&self, batch: &FetchedBatch) -> u32 {
        let bytes = u32::try_from(batch.records_bytes()).unwrap_or(u32::MAX);
        bytes.clamp(
            self.room_bytes.div_ceil(QUEUED_BATCHES_MAX),
            self.room_bytes,
        )
    }

    /// Everything before it is done, as far as this worker knows.
    pub(super) fn done(&self) -> Option<i64> {
        self.offsets.done().or(self.first_offset)
    }

    /// Everything before it was handed over.
    pub(super) fn given(&self) -> Option<i64> {
        self.given
    }

    /// Whether it is done with all that it was handed.
    pub(super) fn is_idle(&self) -> bool {
        self.parked.is_empty() && self.given <= self.offsets.done()
    }

    /// Tells the worker to finish what it is at and end.
    pub(super) fn stop(&self) {
        self.stop.raise();
    }

    /// What its partition's next commit should be, if it moved since the last.
    pub(super) fn uncommitted(&self) -> Option<Uncommitted> {
        let next_offset = self.offsets.uncommitted()?;
        Some(Uncommitted {
            partition: self.partition.clone(),
            next_offset,
            offsets: self.offsets.clone(),
        })
    }
}

/// Without a dispatcher nobody would commit: a worker ends with its handle, wherever it is.
impl Drop for Worker {
    fn drop(&mut self) {
        self.stop.raise();
        self.task.abort();
    }
}

/// An offset that is done and not committed.
#[derive(Debug)]
pub(super) struct Uncommitted {
    pub(super) partition: TopicPartition,
    pub(super) next_offset: i64,
    offsets: Arc<SeatOffsets>,
}

impl Uncommitted {
    pub(super) fn set_committed(&self) {
        self.offsets.set_committed(self.next_offset);
    }
}

/// Tells workers to stop and waits until they have; those that take longer than `timeout`
/// are ended where they are, and their records are handled again by whoever is next.
pub(super) async fn settle(workers: &mut [Worker], timeout: Duration) {
    let deadline = Instant::now() + timeout;
    workers.iter().for_each(Worker::stop);
    for worker in workers.iter_mut() {
        if worker.task.is_finished() {
            continue;
        }
        if tokio::time::timeout_at(deadline, &mut worker.task)
            .await
            .is_err()
        {
            tracing::warn!(
                event = "worker_aborted",
                topic = %worker.partition.topic,
                partition = worker.partition.partition,
                "a handler did not finish in time; its record will be handled again"
            );
            worker.task.abort();
        }
    }
}
