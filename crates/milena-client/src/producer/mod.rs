//! The producer: records in, acknowledged batches out.
//!
//! The way of a record: [`Producer`] → `topic` → `partition`, where it is encoded into the open
//! `batch` → the `route` of the partition's leader → its `sender`, which stamps, seals and writes it
//! under the rules of the `window` → back through the batch's outcome to whoever holds the
//! [`Delivery`]. Knows nothing of consumers, groups or applications.

mod batch;
mod budget;
mod callbacks;
mod config;
mod delivery;
mod enqueue;
mod error;
mod identity;
mod keeper;
mod limits;
mod metrics;
mod partition;
mod properties;
mod record;
mod request;
mod response;
mod route;
mod sender;
mod sequence;
mod shared;
mod sink;
mod spans;
mod topic;
mod window;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

pub use self::config::{Acks, ProducerConfig};
pub use self::delivery::Delivery;
pub use self::enqueue::Enqueue;
pub use self::error::{ProduceError, ProduceErrorKind};
use self::partition::NotAppended;
pub(crate) use self::partition::Partition;
pub use self::record::{Header, Record, RecordMetadata};
pub(crate) use self::sequence::ProducerIdentity;
use self::shared::{Shared, Urgency};
pub use self::sink::{DeliverySink, Settled, SettledBatch, SettledRun};
use self::topic::Topic;
pub(crate) use self::window::SendWindow;
use crate::client::Client;
use crate::transaction::Gate;
use crate::{Error, TopicPartition};
pub use milena_wire::batch::{BatchError, RecordView};

/// Publishes records. Cheap to clone; all clones share buffers, connections and background tasks,
/// so one producer serves any number of tasks and threads.
///
/// Dropping the last clone does not block: what was accepted still goes out while the runtime
/// lives. Call [`close`](Producer::close) to wait for it and learn of failures.
#[derive(Clone)]
pub struct Producer {
    handle: Arc<Handle>,
}

/// Ends the background tasks when the last clone is dropped.
struct Handle {
    shared: Arc<Shared>,
}

/// A topic of a producer, looked up once. Cheap to clone.
#[derive(Clone)]
pub struct TopicHandle {
    topic: Arc<Topic>,
    handle: Arc<Handle>,
}

impl Producer {
    /// A producer on `client`'s connections. Connects when first used.
    ///
    /// # Errors
    /// [`Error::Config`] for settings that do not fit together, [`Error::InvalidState`] outside of
    /// a tokio runtime.
    pub fn new(client: &Client, config: ProducerConfig) -> Result<Self, Error> {
        if let Some(id) = &config.transactional_id {
            let expected = "a plain producer has none; use TransactionalProducer::connect";
            return Err(Error::config("transactional.id", id, expected));
        }
        Self::start(client, config, None)
    }

    /// A producer whose batches leave as `gate` lets them.
    pub(crate) fn start(
        client: &Client,
        config: ProducerConfig,
        gate: Option<Arc<Gate>>,
    ) -> Result<Self, Error> {
        config.validate()?;
        let runtime =
            tokio::runtime::Handle::try_current().map_err(|error| Error::InvalidState {
                what: format!("a producer needs a tokio runtime: {error}"),
            })?;
        let shared = Shared::new(client.clone(), config, gate, runtime.clone());
        runtime.spawn(keeper::run(shared.clone()));
        Ok(Producer {
            handle: Arc::new(Handle { shared }),
        })
    }

    /// Sends a record and waits until the broker has it.
    ///
    /// # Errors
    /// Any [`ProduceError`]; [`ProduceErrorKind::TimedOut`] tells whether the record may have been
    /// written all the same.
    pub async fn send(&self, record: Record<'_>) -> Result<RecordMetadata, ProduceError> {
        let topic = self.shared().topic(record.topic).await?;
        Enqueue::new(self.shared(), &topic, record, Urgency::Awaited)
            .await?
            .await
    }

    /// Accepts a record, waiting for buffer space only (and for the metadata of a new topic). The
    /// [`Delivery`] resolves when the broker has answered.
    ///
    /// # Errors
    /// [`ProduceError`] when the record was not accepted.
    pub async fn enqueue(&self, record: Record<'_>) -> Result<Delivery, ProduceError> {
        let topic = self.shared().topic(record.topic).await?;
        Enqueue::new(self.shared(), &topic, record, Urgency::Linger).await
    }

    /// As [`Producer::enqueue`]; `callback` is called once with the broker's answer, in the order
    /// of the records of a partition, on a task that does nothing else.
    ///
    /// # Errors
    /// [`ProduceError`] when the record was not accepted; `callback` is not called then.
    pub async fn enqueue_with_callback<F>(
        &self,
        record: Record<'_>,
        callback: F,
    ) -> Result<(), ProduceError>
    where
        F: FnOnce(Result<RecordMetadata, ProduceError>) + Send + 'static,
    {
        let delivery = self.enqueue(record).await?;
        delivery.report(&self.shared().callbacks, Box::new(callback));
        Ok(())
    }

    /// Has `callback` called with the answer to `delivery`, as [`Producer::enqueue_with_callback`]
    /// does; for those who keep what the callback owns until the record is accepted.
    pub fn report<F>(&self, delivery: Delivery, callback: F)
    where
        F: FnOnce(Result<RecordMetadata, ProduceError>) + Send + 'static,
    {
        delivery.report(&self.shared().callbacks, Box::new(callback));
    }

    /// As [`Producer::report`], for those who await the delivery as well. Several may have
    /// callbacks called with the same answer.
    pub fn observe<F>(&self, delivery: &Delivery, callback: F)
    where
        F: FnOnce(Result<RecordMetadata, ProduceError>) + Send + 'static,
    {
        delivery.report(&self.shared().callbacks, Box::new(callback));
    }

    /// Accepts a record without ever waiting.
    ///
    /// # Errors
    /// [`ProduceErrorKind::BufferFull`] when there is no space now, [`ProduceErrorKind::TopicNotReady`]
    /// before the topic's metadata is there: [`Producer::topic`] fetches it.
    pub fn try_enqueue(&self, record: Record<'_>) -> Result<Delivery, ProduceError> {
        match self.shared().known_topic(record.topic) {
            Some(topic) => try_enqueue(self.shared(), &topic, &record),
            None => Err(ProduceError::from(ProduceErrorKind::TopicNotReady {
                topic: record.topic.into(),
            })),
        }
    }

    /// The topic `name`, looked up once: records sent through the handle save the look-up.
    ///
    /// # Errors
    /// [`ProduceErrorKind::Client`] when the topic does not exist or the cluster does not answer
    /// within `max_block`.
    pub async fn topic(&self, name: &str) -> Result<TopicHandle, ProduceError> {
        let topic = self.shared().topic(name).await?;
        Ok(TopicHandle {
            topic,
            handle: self.handle.clone(),
        })
    }

    /// Waits until everything accepted before is settled, without lingering, and the callbacks
    /// of what is settled were called.
    ///
    /// # Errors
    /// [`Error::Timeout`] when that takes longer than `timeout`; nothing is lost by it.
    pub async fn flush(&self, timeout: Duration) -> Result<(), Error> {
        if self.shared().flush(timeout).await {
            return Ok(());
        }
        Err(Error::Timeout {
            what: "flushing the producer".to_owned(),
            after: timeout,
        })
    }

    /// Accepts nothing more, waits until everything accepted is settled (at most the delivery
    /// timeout), and ends the background tasks. Every clone is closed with it.
    ///
    /// # Errors
    /// [`Error::Timeout`] when something was not settled in time; its deliveries then resolve with
    /// [`ProduceErrorKind::Closed`].
    pub async fn close(&self) -> Result<(), Error> {
        self.shared().close();
        self.shared().wake_all();
        let flushed = self.flush(self.shared().config.delivery_timeout).await;
        self.shared().shut_down();
        flushed
    }

    /// As [`Shared::fail_unsent`].
    pub(crate) fn fail_unsent(&self, error: &ProduceError) -> bool {
        self.shared().fail_unsent(error)
    }

    /// As [`Shared::push_ready_all`].
    pub(crate) fn look_at(&self, partitions: &[TopicPartition]) {
        self.shared().push_ready_all(partitions);
    }

    /// As [`Shared::on_gate_progress`].
    pub(crate) fn on_gate_progress(&self, gate: &Gate) {
        self.shared().on_gate_progress(gate);
    }

    fn shared(&self) -> &Arc<Shared> {
        &self.handle.shared
    }
}

impl fmt::Debug for Producer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Producer")
            .field("config", &self.shared().config)
            .finish_non_exhaustive()
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.shared.abandoned.send_replace(true);
    }
}

impl TopicHandle {
    /// The topic's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.topic.name
    }

    /// How many partitions the topic has, as far as is known now.
    #[must_use]
    pub fn partition_count(&self) -> usize {
        self.topic.partition_count()
    }

    /// As [`Producer::send`]; the record's own topic is ignored.
    ///
    /// # Errors
    /// As [`Producer::send`].
    pub async fn send(&self, record: Record<'_>) -> Result<RecordMetadata, ProduceError> {
        Enqueue::new(&self.handle.shared, &self.topic, record, Urgency::Awaited)
            .await?
            .await
    }

    /// As [`Producer::enqueue`]; the record's own topic is ignored.
    ///
    /// # Errors
    /// As [`Producer::enqueue`].
    #[inline]
    pub fn enqueue<'a>(&'a self, record: Record<'a>) -> Enqueue<'a> {
        Enqueue::new(&self.handle.shared, &self.topic, record, Urgency::Linger)
    }

    /// As [`Producer::enqueue_with_callback`]; the record's own topic is ignored.
    ///
    /// # Errors
    /// As [`Producer::enqueue_with_callback`].
    pub async fn enqueue_with_callback<F>(
        &self,
        record: Record<'_>,
        callback: F,
    ) -> Result<(), ProduceError>
    where
        F: FnOnce(Result<RecordMetadata, ProduceError>) + Send + 'static,
    {
        let delivery = self.enqueue(record).await?;
        delivery.report(&self.handle.shared.callbacks, Box::new(callback));
        Ok(())
    }

    /// Accepts a record, waiting for buffer space only. What `item` makes is with the record's
    /// batch then, and `sink` gets it back with the broker's answer, and the record if it wants to
    /// see that: one call a batch, and neither lock nor allocation nor copy a record. `item` is
    /// called once the record is accepted, and not otherwise, under a lock: it is to be short. The
    /// record's own topic is ignored.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use std::sync::atomic::{AtomicUsize, Ordering};
    /// use milena_client::producer::{
    ///     DeliverySink, ProduceError, Record, SettledBatch, TopicHandle,
    /// };
    ///
    /// /// Counts, and says which of the numbered records failed.
    /// #[derive(Default)]
    /// struct Tally(AtomicUsize);
    ///
    /// impl DeliverySink for Tally {
    ///     type Item = u64;
    ///
    ///     fn on_settled(&self, batch: SettledBatch<'_, u64>) {
    ///         for run in batch {
    ///             for settled in run.records() {
    ///                 let number = run.item;
    ///                 match (&settled.result, settled.record()) {
    ///                     (Ok(_), _) => _ = self.0.fetch_add(1, Ordering::Relaxed),
    ///                     (Err(error), Ok(record)) => eprintln!("{number}, {record:?}: {error}"),
    ///                     (Err(error), Err(_)) => eprintln!("{number}: {error}"),
    ///                 }
    ///             }
    ///         }
    ///     }
    /// }
    ///
    /// async fn publish(topic: &TopicHandle, tally: &Arc<Tally>) -> Result<(), ProduceError> {
    ///     for number in 0..1000_u64 {
    ///         let value = number.to_be_bytes();
    ///         topic.enqueue_for(Record::to("").value(&value), tally, || number).await?;
    ///     }
    ///     Ok(())
    /// }
    /// ```
    ///
    /// # Errors
    /// [`ProduceError`] when the record was not accepted.
    #[inline]
    pub async fn enqueue_for<S: DeliverySink>(
        &self,
        record: Record<'_>,
        sink: &Arc<S>,
        item: impl FnOnce() -> S::Item + Send,
    ) -> Result<(), ProduceError> {
        let (shared, topic, mut item) = (&self.handle.shared, &self.topic, Some(item));
        let kept = (sink, &mut item);
        let Err(refusal) = shared.try_append_for(topic, &record, kept, &mut None) else {
            return Ok(());
        };
        match *refusal {
            NotAppended::Failed(error) => Err(error),
            // On the heap, so that the way of most records stays small.
            NotAppended::NeedsBuffer(bytes) => {
                let kept = (sink, &mut item);
                Box::pin(shared.append_for_waiting(topic, record, kept, bytes)).await
            }
        }
    }

    /// As [`Producer::try_enqueue`]; the record's own topic is ignored.
    ///
    /// # Errors
    /// [`ProduceErrorKind::BufferFull`] when there is no space now.
    #[inline]
    pub fn try_enqueue(&self, record: Record<'_>) -> Result<Delivery, ProduceError> {
        try_enqueue(&self.handle.shared, &self.topic, &record)
    }

    /// As [`TopicHandle::enqueue_for`], without waiting.
    ///
    /// # Errors
    /// [`ProduceErrorKind::BufferFull`] when there is no space now.
    #[inline]
    pub fn try_enqueue_for<S: DeliverySink>(
        &self,
        record: Record<'_>,
        sink: &Arc<S>,
        item: impl FnOnce() -> S::Item,
    ) -> Result<(), ProduceError> {
        let (shared, kept) = (&self.handle.shared, (sink, &mut Some(item)));
        let result = shared.try_append_for(&self.topic, &record, kept, &mut None);
        result.map_err(|refusal| without_waiting(*refusal))
    }
}

impl fmt::Debug for TopicHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TopicHandle")
            .field("name", &self.name())
            .finish_non_exhaustive()
    }
}

#[inline]
fn try_enqueue(
    shared: &Arc<Shared>,
    topic: &Topic,
    record: &Record<'_>,
) -> Result<Delivery, ProduceError> {
    shared
        .try_append(topic, record, &mut None, Urgency::Linger)
        .map_err(|refusal| without_waiting(*refusal))
}

/// What keeps a record out whose caller does not wait.
#[cold]
fn without_waiting(refusal: NotAppended) -> ProduceError {
    match refusal {
        NotAppended::Failed(error) => error,
        NotAppended::NeedsBuffer(_) => ProduceErrorKind::BufferFull {
            waited: Duration::ZERO,
        }
        .into(),
    }
}

#[cfg(test)]
mod tests;
