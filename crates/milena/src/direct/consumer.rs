//! A consumer for programs with a loop of their own.
//!
//! Owns connecting, subscribing, fetching and committing on request; having handlers called
//! is `handling`'s.

mod handling;

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use milena_client::consumer::{ConsumedRecord, Consumer as ClientConsumer};
use milena_client::{Client, TopicPartition};

use super::connection::{Connection, Kind};
use super::error::DirectError;
use super::handlers::Handlers;
use crate::config::{Config, ConfigError};
use crate::connect::connect;
use crate::message::Message;

/// Consumes topics as a member of the configured group, message by message, batch by batch
/// or through handlers, whenever it is called.
///
/// ```no_run
/// use std::time::Duration;
/// use milena::{Config, Consumer};
///
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let consumer = Consumer::new(Config::from_env()?);
/// consumer.connect().await?;
/// consumer.subscribe(["orders"]).await?;
/// while let Some(message) = consumer.consume_next().await? {
///     println!("{} {:?}", message.topic(), message.value());
///     consumer.commit(&message).await?;
/// }
/// consumer.shutdown().await?;
/// # Ok(())
/// # }
/// ```
///
/// With handlers, topic by topic:
///
/// ```no_run
/// # use std::time::Duration;
/// # use milena::{Bytes, Config, Consumer, Meta};
/// async fn on_order(meta: Meta, value: Bytes) {
///     println!("{}/{} {}: {value:?}", meta.topic, meta.partition, meta.offset);
/// }
///
/// # async fn example(consumer: Consumer) -> Result<(), milena::DirectError> {
/// consumer.register("orders", on_order);
/// loop {
///     consumer.consume(Duration::from_secs(1)).await?;
/// }
/// # }
/// ```
///
/// With `enable.auto.commit` (the default) what a call brought counts as processed, and is
/// committed within `commit.interval.ms`, when more is asked for; else when it is committed
/// by hand. Topics are named without the configured prefix.
pub struct Consumer {
    config: Config,
    connection: Connection<Connected>,
    handlers: Handlers,
    is_subscribed: AtomicBool,
    /// The topics were named, rather than those taken that have a handler.
    is_subscribed_by_hand: AtomicBool,
    unhandled: AtomicU64,
    skipped: AtomicU64,
    /// Held by the call that handles.
    turn: tokio::sync::Mutex<Turn>,
    /// The message a handler has, or failed with: it comes again before any other.
    in_hand: Mutex<Option<Message>>,
}

/// What one call that handles leaves to the next.
#[derive(Default)]
struct Turn {
    /// The topics that were subscribed to for their handlers.
    followed: Vec<String>,
    /// What went wrong after messages were handled.
    trouble: Option<DirectError>,
}

struct Connected {
    client: Client,
    consumer: ClientConsumer,
    poll_records_max: usize,
}

/// All there is of a partition was handed out.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PartitionEnd {
    /// The topic, without the configured prefix.
    pub topic: Arc<str>,
    /// The partition.
    pub partition: i32,
    /// The offset that its next message will have.
    pub next_offset: i64,
}

impl Consumer {
    /// A consumer that is not connected yet.
    #[must_use]
    pub fn new(config: Config) -> Consumer {
        Consumer {
            config,
            connection: Connection::new(Kind::Consumer),
            handlers: Handlers::default(),
            is_subscribed: AtomicBool::new(false),
            is_subscribed_by_hand: AtomicBool::new(false),
            unhandled: AtomicU64::new(0),
            skipped: AtomicU64::new(0),
            turn: tokio::sync::Mutex::default(),
            in_hand: Mutex::new(None),
        }
    }

    /// Connects, trying as often as `start.attempts` says; does nothing when it is
    /// connected.
    ///
    /// # Errors
    /// [`DirectError::ConnectionFailed`], [`DirectError::Config`] (without `group.id`),
    /// [`DirectError::ShutDown`].
    pub async fn connect(&self) -> Result<(), DirectError> {
        self.connection.open(Box::pin(self.make())).await
    }

    async fn make(&self) -> Result<Connected, DirectError> {
        let Some(group) = self.config.group_id() else {
            return Err(DirectError::Config(ConfigError::Conflict {
                field: "group.id".to_owned(),
                problem: "a consumer needs a group; set MILENA_GROUP_ID".to_owned(),
            }));
        };
        let client = Client::new(self.config.client_config()?)?;
        connect(&client, &self.config).await?;
        let settings = self.config.consumer_config()?;
        let settings = settings
            .group_id(group)
            .enable_auto_commit(self.config.enable_auto_commit)
            .auto_commit_interval(self.config.commit_interval)
            .enable_partition_end(true);
        let set = self.config.get("max.poll.records");
        Ok(Connected {
            consumer: ClientConsumer::new(&client, settings)?,
            client,
            poll_records_max: set.and_then(|text| text.parse().ok()).unwrap_or(500),
        })
    }

    /// Subscribes to exactly these topics. Partitions come when the group has rebalanced.
    ///
    /// # Errors
    /// [`DirectError::ConsumerNotConnected`], [`DirectError::ShutDown`], or what the client
    /// says.
    pub async fn subscribe<I>(&self, topics: I) -> Result<(), DirectError>
    where
        I: IntoIterator,
        I::Item: AsRef<str>,
    {
        self.subscribe_to(topics).await?;
        self.is_subscribed_by_hand.store(true, Ordering::Release);
        Ok(())
    }

    async fn subscribe_to<I>(&self, topics: I) -> Result<(), DirectError>
    where
        I: IntoIterator,
        I::Item: AsRef<str>,
    {
        let connected = self.connection.get()?;
        let names: Vec<String> = topics
            .into_iter()
            .map(|topic| self.config.topic_name(topic.as_ref()))
            .collect();
        connected.consumer.subscribe(names).await?;
        self.is_subscribed.store(true, Ordering::Release);
        Ok(())
    }

    /// The next message, waiting for `poll.timeout.ms`; `None` when none came. One that a
    /// handler failed with comes first.
    ///
    /// # Errors
    /// [`DirectError::ConsumerNotConnected`], [`DirectError::NotSubscribed`],
    /// [`DirectError::ShutDown`], [`DirectError::Client`] as the client's own
    /// `consume_next`.
    pub async fn consume_next(&self) -> Result<Option<Message>, DirectError> {
        self.next_within(self.config.poll_timeout).await
    }

    pub(crate) async fn next_within(
        &self,
        timeout: Duration,
    ) -> Result<Option<Message>, DirectError> {
        let connected = self.subscribed()?;
        match self.take_held(connected) {
            None => self.fetch_next(connected, timeout).await,
            held => Ok(held),
        }
    }

    async fn fetch_next(
        &self,
        connected: &Connected,
        timeout: Duration,
    ) -> Result<Option<Message>, DirectError> {
        let next = connected.consumer.consume_next(timeout).await?;
        Ok(next.map(|record| self.message(record)))
    }

    /// The messages that are there, at most `max.poll.records` of them, waiting up to
    /// `timeout` for the first; none when none came. One that a handler failed with comes
    /// before the others, alone.
    ///
    /// # Errors
    /// As [`Consumer::consume_next`]; what was read before the error is returned first.
    pub async fn poll(&self, timeout: Duration) -> Result<Vec<Message>, DirectError> {
        let connected = self.subscribed()?;
        if let Some(held) = self.take_held(connected) {
            return Ok(vec![held]);
        }
        let count_max = connected.poll_records_max;
        let records = connected.consumer.consume_up_to(count_max, timeout).await?;
        Ok(records.into_iter().map(|one| self.message(one)).collect())
    }

    /// The message in hand, unless its partition went to another member, who has it then.
    fn held(&self, connected: &Connected) -> Option<Message> {
        let mut in_hand = self.in_hand();
        in_hand.take_if(|message| {
            let partition = self.partition_of(message);
            !connected.consumer.assignment().contains(&partition)
        });
        in_hand.clone()
    }

    fn take_held(&self, connected: &Connected) -> Option<Message> {
        let held = self.held(connected)?;
        self.in_hand().take();
        Some(held)
    }

    fn in_hand(&self) -> MutexGuard<'_, Option<Message>> {
        self.in_hand.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Commits `message`, and with it all before it in its partition. One whose handler
    /// failed counts as done then, and does not come again.
    ///
    /// # Errors
    /// [`DirectError::Client`] when the partition went to another member, or the
    /// coordinator refuses; [`DirectError::ConsumerNotConnected`],
    /// [`DirectError::ShutDown`].
    pub async fn commit(&self, message: &Message) -> Result<(), DirectError> {
        let connected = self.connection.get()?;
        let partition = self.partition_of(message);
        let next_offset = message.offset().saturating_add(1);
        let offsets = [(partition, next_offset)];
        connected.consumer.commit_offsets(&offsets).await?;
        self.in_hand().take_if(|held| {
            (held.topic(), held.partition()) == (message.topic(), message.partition())
                && held.offset() <= message.offset()
        });
        Ok(())
    }

    /// Commits everything that was handed out.
    ///
    /// # Errors
    /// As [`Consumer::commit`].
    pub async fn commit_all(&self) -> Result<(), DirectError> {
        let connected = self.connection.get()?;
        self.put_back(connected);
        Ok(connected.consumer.commit().await?)
    }

    /// The ends of partitions that were reached since this was last asked; each is told
    /// once, and again when messages came after it.
    ///
    /// # Errors
    /// [`DirectError::ConsumerNotConnected`], [`DirectError::ShutDown`].
    pub fn take_partition_ends(&self) -> Result<Vec<PartitionEnd>, DirectError> {
        let ends = self.connection.get()?.consumer.take_partition_ends();
        let own = ends.into_iter().map(|end| PartitionEnd {
            topic: self
                .own_name(&end.partition.topic)
                .unwrap_or(end.partition.topic),
            partition: end.partition.partition,
            next_offset: end.offset,
        });
        Ok(own.collect())
    }

    /// Whether messages can come: connected, not shut down, not ended by an error, and,
    /// once it is subscribed, a member of its group whose coordinator answers.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        self.connection.get().is_ok_and(|connected| {
            !self.is_subscribed.load(Ordering::Acquire) || connected.consumer.is_alive()
        })
    }

    /// Asks the cluster for a sign of life, once.
    ///
    /// # Errors
    /// [`DirectError::Client`] with why no broker answered;
    /// [`DirectError::ConsumerNotConnected`], [`DirectError::ShutDown`].
    pub async fn check_connection(&self) -> Result<(), DirectError> {
        Ok(self.connection.get()?.client.check_connection().await?)
    }

    /// Commits what was processed, if automatic commits are on, leaves the group and closes
    /// the connections. A second call does nothing.
    ///
    /// # Errors
    /// [`DirectError::Client`] with why the last commit failed; the consumer is shut down
    /// nevertheless.
    pub async fn shutdown(&self) -> Result<(), DirectError> {
        let Some(connected) = self.connection.shut_down() else {
            return Ok(());
        };
        self.put_back(connected);
        let closed = connected.consumer.close().await;
        connected.client.close().await;
        Ok(closed?)
    }

    /// What the last call brought is not processed: it comes again.
    pub(super) fn give_back(&self) {
        if let Ok(connected) = self.connection.get() {
            self.in_hand().take();
            connected.consumer.rewind();
        }
    }

    /// The message a handler failed with, or was cancelled at, is not processed: the
    /// position goes back to it.
    fn put_back(&self, connected: &Connected) {
        if self.in_hand().take().is_some() {
            connected.consumer.rewind();
        }
    }

    fn subscribed(&self) -> Result<&Connected, DirectError> {
        let connected = self.connection.get()?;
        if !self.is_subscribed.load(Ordering::Acquire) {
            return Err(DirectError::NotSubscribed);
        }
        Ok(connected)
    }

    fn message(&self, record: ConsumedRecord) -> Message {
        match self.own_name(record.topic()) {
            None => record.into(),
            Some(own) => Message::from(record).with_topic(own),
        }
    }

    /// The topic without the prefix, if it has it.
    fn own_name(&self, topic: &str) -> Option<Arc<str>> {
        let prefix = &self.config.topic_prefix;
        if prefix.is_empty() {
            return None;
        }
        prefix.take_off(topic).map(Arc::from)
    }

    fn partition_of(&self, message: &Message) -> TopicPartition {
        TopicPartition::new(self.config.topic_name(message.topic()), message.partition())
    }
}

impl fmt::Debug for Consumer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Consumer")
            .field("config", &self.config)
            .field("is_connected", &self.connection.is_open())
            .finish_non_exhaustive()
    }
}
