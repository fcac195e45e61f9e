//! Share groups (KIP-932): records are handed to whichever member asks, and each is
//! acknowledged for itself.
//!
//! Owns the public handle. `membership` keeps it in its group, `nodes` fetches and
//! acknowledges, `hand` knows what the application has. Needs Kafka 4.2 or newer.

mod config;
mod hand;
mod member;
mod membership;
mod nodes;
mod read;
mod requests;
mod session;
mod spans;

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;

pub use config::{AcknowledgementMode, ShareConfig};

use crate::backoff::Backoff;
use crate::client::Client;
use crate::consumer::ConsumedRecord;
use crate::error::Error;
use crate::group::GroupCoordinator;
use crate::spans::observed;
use crate::topology::TopicPartition;
use hand::Hand;
use member::ShareMember;
use membership::Standing;
use nodes::{Link, Nodes};
use requests::ShareRequests;
use session::{PartitionId, Verdict};

/// How long closing waits for the goodbye.
const LEAVE_TIMEOUT: Duration = Duration::from_secs(5);

/// What becomes of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Acknowledgement {
    /// It is processed.
    Accept,
    /// It is not processed: some member is to get it again.
    Release,
    /// It cannot be processed: nobody is to get it again.
    Reject,
}

/// A record that was acquired for this consumer. It has to be acknowledged before
/// [`ShareConsumer::acquisition_lock_timeout`] is over; else it is handed to
/// another member.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ShareRecord {
    id: PartitionId,
    /// The record.
    pub record: ConsumedRecord,
    /// How often it was handed out, this time included.
    pub delivery_count: i16,
}

/// Acknowledgements of a partition that did not count: those records may be handed
/// out again.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct AcknowledgementFailure {
    /// The partition.
    pub partition: TopicPartition,
    /// Why: `INVALID_RECORD_STATE` when the acquisition was over.
    pub error: Error,
}

/// What one `poll` brought.
#[derive(Debug, Default)]
#[must_use]
#[non_exhaustive]
pub struct SharePolled {
    /// Records, in the order of their offsets within each partition.
    pub records: Vec<ShareRecord>,
    /// Acknowledgements that did not count, since this was last told.
    pub failures: Vec<AcknowledgementFailure>,
}

/// A member of a share group.
///
/// Its records are acquired: no other member gets them until they are acknowledged
/// or the lock on them is over. [`close`](Self::close) it when done; dropping it
/// never blocks, and what was not acknowledged goes to other members.
///
/// ```no_run
/// # use milena_client::{Client, Error, share::{Acknowledgement, ShareConfig, ShareConsumer}};
/// # use std::time::Duration;
/// # async fn example(client: &Client) -> Result<(), Error> {
/// let consumer = ShareConsumer::new(client, ShareConfig::group("mail"))?;
/// consumer.subscribe(["letters"])?;
/// loop {
///     for record in consumer.poll(Duration::from_secs(1)).await?.records {
///         if record.record.value().is_none() {
///             consumer.acknowledge(&record, Acknowledgement::Reject)?;
///         }
///     }
/// }
/// # }
/// ```
pub struct ShareConsumer {
    link: Arc<Link>,
    /// None when it was closed: the task leaves.
    subscription: Mutex<Option<watch::Sender<BTreeSet<Arc<str>>>>>,
    standing: watch::Receiver<Standing>,
    hand: Mutex<Hand>,
    /// One poll, commit or close at a time.
    nodes: tokio::sync::Mutex<Nodes>,
    task: Mutex<Option<JoinHandle<()>>>,
}

impl ShareConsumer {
    /// A consumer on the connections of `client`. Sends nothing yet; must be called
    /// within a tokio runtime.
    ///
    /// # Errors
    /// [`Error::Config`] for a configuration that is not valid.
    pub fn new(client: &Client, config: ShareConfig) -> Result<Self, Error> {
        config.validate()?;
        let coordinator = GroupCoordinator::new(client.clone(), Arc::clone(&config.group_id));
        let requests = ShareRequests {
            coordinator: Arc::new(coordinator),
            member_id: uuid::Uuid::new_v4().to_string(),
        };
        let client_config = client.config();
        let backoff = Backoff::new(client_config.retry_backoff, client_config.retry_backoff_max);
        let member = ShareMember::new(backoff, Instant::now());
        let (subscription, subscribed) = watch::channel(BTreeSet::new());
        let (stands, standing) = watch::channel(Standing::default());
        let run = membership::run(member, requests.clone(), subscribed, stands);
        let link = Arc::new(Link {
            client: client.clone(),
            lane: client.lane(),
            requests,
            config,
        });
        Ok(Self {
            nodes: tokio::sync::Mutex::new(Nodes::new(Arc::clone(&link))),
            link,
            subscription: Mutex::new(Some(subscription)),
            standing,
            hand: Mutex::default(),
            task: Mutex::new(Some(tokio::spawn(run))),
        })
    }

    /// Subscribes to exactly these topics.
    ///
    /// # Errors
    /// [`Error::Closed`].
    pub fn subscribe<I>(&self, topics: I) -> Result<(), Error>
    where
        I: IntoIterator,
        I::Item: Into<String>,
    {
        let topics = topics.into_iter().map(|topic| Arc::from(topic.into()));
        let topics: BTreeSet<Arc<str>> = topics.collect();
        let subscription = lock(&self.subscription);
        let subscription = subscription.as_ref().ok_or(Error::Closed)?;
        let metadata = self.link.client.metadata();
        metadata.track(topics.iter().cloned());
        let former = subscription.send_replace(topics);
        metadata.untrack(former.iter().map(AsRef::as_ref));
        Ok(())
    }

    /// Records, as soon as there are any; none when `timeout` passes.
    ///
    /// In implicit mode the records of the poll before are accepted, save for those
    /// that were acknowledged otherwise. Safe to drop: what was acquired comes with
    /// the next poll.
    ///
    /// # Errors
    /// [`Error::InvalidState`] in explicit mode while records of the poll before are
    /// not acknowledged; why this cannot be a member; what came and cannot be read,
    /// once; [`Error::Closed`].
    pub async fn poll(&self, timeout: Duration) -> Result<SharePolled, Error> {
        let span = spans::poll(&self.link);
        let polled = observed(span.clone(), self.next_polled(timeout)).await;
        if let Ok(polled) = &polled {
            spans::brought(&span, &polled.records);
        }
        polled
    }

    async fn next_polled(&self, timeout: Duration) -> Result<SharePolled, Error> {
        let deadline = Instant::now() + timeout;
        let mut nodes = self.nodes.lock().await;
        self.give(&mut nodes)?;
        let mut standing = self.standing.clone();
        let mut metadata = self.link.client.metadata().subscribe();
        loop {
            let assigned = {
                let standing = standing.borrow_and_update();
                if let Some(fatal) = &standing.fatal {
                    return Err(fatal.clone());
                }
                standing.assigned.clone()
            };
            if let Some(error) = nodes.errors.pop_front() {
                return Err(error);
            }
            if !nodes.ready.is_empty() || !nodes.failures.is_empty() {
                return Ok(self.hand_out(&mut nodes));
            }
            self.check_open()?;
            let wake_at = nodes.launch(&assigned).unwrap_or(deadline).min(deadline);
            tokio::select! {
                () = nodes.next_done() => {}
                _ = standing.changed() => {}
                _ = metadata.changed() => {}
                () = tokio::time::sleep_until(wake_at) => {
                    if wake_at == deadline {
                        return Ok(SharePolled::default());
                    }
                }
            }
        }
    }

    /// Says what becomes of a record of the last poll. It is told to the broker with
    /// the next poll or [`commit`](Self::commit).
    ///
    /// # Errors
    /// [`Error::InvalidState`] when the record is not in hand any more.
    pub fn acknowledge(
        &self,
        record: &ShareRecord,
        acknowledgement: Acknowledgement,
    ) -> Result<(), Error> {
        let verdict = match acknowledgement {
            Acknowledgement::Accept => Verdict::Accept,
            Acknowledgement::Release => Verdict::Release,
            Acknowledgement::Reject => Verdict::Reject,
        };
        let offset = record.record.offset();
        if lock(&self.hand).judge(record.id, offset, verdict) {
            return Ok(());
        }
        let partition = record.record.topic_partition();
        Err(Error::InvalidState {
            what: format!("offset {offset} of {partition} is acknowledged already"),
        })
    }

    /// Tells the brokers of all acknowledgements now; in implicit mode all records
    /// of the last poll are accepted. Waits for the fetches under way, at most
    /// `fetch.max.wait.ms`.
    ///
    /// # Errors
    /// The first failure; the others come with the next poll. [`Error::Closed`].
    pub async fn commit(&self) -> Result<(), Error> {
        self.check_open()?;
        observed(spans::commit(&self.link), self.tell_all()).await
    }

    async fn tell_all(&self) -> Result<(), Error> {
        let mut nodes = self.nodes.lock().await;
        let given = lock(&self.hand).give(self.link.config.acknowledgement_mode);
        nodes.acknowledge(given);
        nodes.settle().await;
        nodes.tell().await;
        match nodes.failures.pop() {
            Some(failure) => Err(failure.error),
            None => Ok(()),
        }
    }

    /// How long records stay acquired, as the brokers have said; none before the
    /// first fetch (`group.share.record.lock.duration.ms`).
    pub async fn acquisition_lock_timeout(&self) -> Option<Duration> {
        self.nodes.lock().await.lock_timeout
    }

    /// Whether it is a member of its group.
    pub fn is_member(&self) -> bool {
        self.standing.borrow().is_member
    }

    /// The partitions it fetches from now.
    pub fn assignment_count(&self) -> usize {
        self.standing.borrow().assigned.len()
    }

    /// Tells the last acknowledgements, releases all other records that were
    /// acquired, and leaves the group. In implicit mode the records of the last
    /// poll are accepted.
    ///
    /// # Errors
    /// The first acknowledgement that failed; the consumer is closed nevertheless.
    pub async fn close(&self) -> Result<(), Error> {
        let Some(subscription) = lock(&self.subscription).take() else {
            return Ok(());
        };
        let topics = subscription.borrow().clone();
        {
            let mut nodes = self.nodes.lock().await;
            let given = lock(&self.hand).give(self.link.config.acknowledgement_mode);
            nodes.acknowledge(given);
            nodes.settle().await;
            nodes.close().await;
        }
        drop(subscription);
        let task = lock(&self.task).take();
        if let Some(mut task) = task
            && tokio::time::timeout(LEAVE_TIMEOUT, &mut task)
                .await
                .is_err()
        {
            task.abort();
        }
        let metadata = self.link.client.metadata();
        metadata.untrack(topics.iter().map(AsRef::as_ref));
        match self.nodes.lock().await.failures.pop() {
            Some(failure) => Err(failure.error),
            None => Ok(()),
        }
    }

    /// Has the verdicts on the last poll told with the next requests.
    fn give(&self, nodes: &mut Nodes) -> Result<(), Error> {
        let mode = self.link.config.acknowledgement_mode;
        let mut hand = lock(&self.hand);
        let given = hand.give(mode);
        nodes.acknowledge(given);
        match hand.undecided_count() {
            0 => Ok(()),
            count => Err(Error::InvalidState {
                what: format!(
                    "{count} records of the last poll are not acknowledged, which \
                     share.acknowledgement.mode=explicit asks for"
                ),
            }),
        }
    }

    fn hand_out(&self, nodes: &mut Nodes) -> SharePolled {
        let mut hand = lock(&self.hand);
        let ready = std::mem::take(&mut nodes.ready).into_iter();
        let records = ready.map(|(node, record)| {
            hand.take(record.id, record.record.offset(), node);
            record
        });
        SharePolled {
            records: records.collect(),
            failures: std::mem::take(&mut nodes.failures),
        }
    }

    fn check_open(&self) -> Result<(), Error> {
        match lock(&self.subscription).is_some() {
            true => Ok(()),
            false => Err(Error::Closed),
        }
    }
}

impl Drop for ShareConsumer {
    fn drop(&mut self) {
        if let Some(subscription) = lock(&self.subscription).take() {
            let topics = subscription.borrow().clone();
            let metadata = self.link.client.metadata();
            metadata.untrack(topics.iter().map(AsRef::as_ref));
        }
    }
}

impl fmt::Debug for ShareConsumer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("ShareConsumer")
            .field("config", &self.link.config)
            .finish_non_exhaustive()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
