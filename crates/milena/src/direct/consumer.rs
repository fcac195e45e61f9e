//! A consumer for programs with a loop of their own.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use milena_client::consumer::{ConsumedRecord, Consumer as ClientConsumer, SeekTo};
use milena_client::{Client, TopicPartition};
use tokio::sync::OnceCell;

use super::error::DirectError;
use super::handlers::Handlers;
use crate::config::{Config, ConfigError};
use crate::connect::connect;
use crate::failure::HandlerError;
use crate::handler::Handler;
use crate::message::Message;
use crate::telemetry;

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
/// With `enable.auto.commit` (the default) a message counts as processed, and is committed
/// within `commit.interval.ms`, when the next one is asked for; else when it is committed
/// by hand. Topics are named without the configured prefix.
pub struct Consumer {
    config: Config,
    connected: OnceCell<Connected>,
    handlers: Handlers,
    is_shut_down: AtomicBool,
    is_subscribed: AtomicBool,
    unhandled: AtomicU64,
    /// Held by the call that handles.
    turn: tokio::sync::Mutex<()>,
    /// The message a handler has, or failed with: it comes again before any other.
    in_hand: Mutex<Option<Message>>,
}

struct Connected {
    client: Client,
    consumer: ClientConsumer,
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
            connected: OnceCell::new(),
            handlers: Handlers::default(),
            is_shut_down: AtomicBool::new(false),
            is_subscribed: AtomicBool::new(false),
            unhandled: AtomicU64::new(0),
            turn: tokio::sync::Mutex::new(()),
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
        self.check_usable()?;
        let made = self.connected.get_or_try_init(|| Box::pin(self.make()));
        made.await.map(|_| ())
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
        let consumer = ClientConsumer::new(&client, settings)?;
        Ok(Connected { client, consumer })
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
        let connected = self.connected()?;
        let names: Vec<String> = topics
            .into_iter()
            .map(|topic| self.config.topic_name(topic.as_ref()))
            .collect();
        connected.consumer.subscribe(names).await?;
        self.is_subscribed.store(true, Ordering::Release);
        Ok(())
    }

    /// The next message, waiting for `poll.timeout.ms`; `None` when none came.
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
        let next = connected.consumer.consume_next(timeout).await?;
        Ok(next.map(|record| self.message(record)))
    }

    /// The messages that are there, at most `max.poll.records` of them, waiting up to
    /// `timeout` for the first; none when none came.
    ///
    /// # Errors
    /// As [`Consumer::consume_next`]; what was read before the error is returned first.
    pub async fn poll(&self, timeout: Duration) -> Result<Vec<Message>, DirectError> {
        let mut messages = Vec::new();
        let mut patience = timeout;
        let count_max = self.poll_records_max();
        while messages.len() < count_max {
            match self.next_within(patience).await {
                Ok(Some(message)) => messages.push(message),
                Ok(None) => break,
                // The client goes on with the other partitions, and tells what lasts again.
                Err(_) if !messages.is_empty() => break,
                Err(error) => return Err(error),
            }
            patience = Duration::ZERO;
        }
        Ok(messages)
    }

    /// Has [`Consumer::consume`] call `handler` for the messages of `topic`, in the place of
    /// the one it had. A handler is as an application's; see [`Handler`].
    pub fn register<H, Arguments>(&self, topic: impl AsRef<str>, handler: H)
    where
        H: Handler<Arguments, (), Future: 'static>,
    {
        self.handlers.register(topic.as_ref(), handler, ());
    }

    /// As [`Consumer::register`], with what the handler finds in
    /// [`State`](crate::State).
    pub fn register_with<H, Arguments, S>(&self, topic: impl AsRef<str>, handler: H, state: S)
    where
        H: Handler<Arguments, S, Future: 'static>,
        S: Send + Sync + 'static,
    {
        self.handlers.register(topic.as_ref(), handler, state);
    }

    /// Handles the messages that are there, at most `max.poll.records` of them, one after
    /// the other, waiting up to `timeout` for the first; says how many. Subscribes to the
    /// registered topics unless [`Consumer::subscribe`] was called.
    ///
    /// With `enable.auto.commit`, what was handled is committed within
    /// `commit.interval.ms`, and on shutdown; a message whose handler failed, or was
    /// cancelled with this call, is not, and comes again with the next call. Messages of a
    /// topic without a handler are logged, counted and passed over.
    ///
    /// # Errors
    /// [`DirectError::Handler`] when a handler fails; else as [`Consumer::consume_next`].
    pub async fn consume(&self, timeout: Duration) -> Result<usize, DirectError> {
        self.connected()?;
        if !self.is_subscribed.load(Ordering::Acquire) {
            let topics = self.handlers.topics();
            if topics.is_empty() {
                return Err(DirectError::NotSubscribed);
            }
            self.subscribe(topics).await?;
        }
        let _turn = self.turn.lock().await;
        let mut patience = timeout;
        let count_max = self.poll_records_max();
        let mut handled = 0;
        while handled < count_max {
            let message = match self.next_in_hand(patience).await {
                Ok(Some(message)) => message,
                Ok(None) => break,
                // Told again if it lasts: what was handled is news first.
                Err(_) if handled > 0 => break,
                Err(error) => return Err(error),
            };
            let handling = self.handlers.handle(&message);
            let outcome = match telemetry::context_for(self.config.trace_mode, &message) {
                Some(context) => context.scope(handling).await,
                None => handling.await,
            };
            match outcome {
                Some(Ok(())) => {}
                Some(Err(error)) => return Err(self.failed(message, error)),
                None => self.note_unhandled(&message),
            }
            self.in_hand().take();
            handled += 1;
            patience = Duration::ZERO;
        }
        Ok(handled)
    }

    /// The message that is to be handled again, or else the next one.
    async fn next_in_hand(&self, timeout: Duration) -> Result<Option<Message>, DirectError> {
        let again = self.in_hand().clone();
        if again.is_some() {
            return Ok(again);
        }
        let next = self.next_within(timeout).await?;
        self.in_hand().clone_from(&next);
        Ok(next)
    }

    /// The message stays in hand, for its next attempt.
    fn failed(&self, message: Message, error: HandlerError) -> DirectError {
        if let Some(held) = self.in_hand().as_mut() {
            held.begin_again();
        }
        DirectError::Handler {
            topic: message.topic().clone(),
            partition: message.partition(),
            offset: message.offset(),
            error,
        }
    }

    fn in_hand(&self) -> MutexGuard<'_, Option<Message>> {
        self.in_hand.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note_unhandled(&self, message: &Message) {
        self.unhandled.fetch_add(1, Ordering::Relaxed);
        tracing::warn!(
            event = "message_without_handler",
            topic = %message.topic(),
            partition = message.partition(),
            offset = message.offset(),
        );
    }

    /// Messages of topics without a handler that [`Consumer::consume`] passed over.
    #[must_use]
    pub fn unhandled(&self) -> u64 {
        self.unhandled.load(Ordering::Relaxed)
    }

    /// Commits `message`, and with it all before it in its partition. One whose handler
    /// failed counts as done then, and does not come again.
    ///
    /// # Errors
    /// [`DirectError::Client`] when the partition went to another member, or the
    /// coordinator refuses; [`DirectError::ConsumerNotConnected`],
    /// [`DirectError::ShutDown`].
    pub async fn commit(&self, message: &Message) -> Result<(), DirectError> {
        let connected = self.connected()?;
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
        let connected = self.connected()?;
        self.put_back(connected).await;
        Ok(connected.consumer.commit().await?)
    }

    /// The ends of partitions that were reached since this was last asked; each is told
    /// once, and again when messages came after it.
    ///
    /// # Errors
    /// [`DirectError::ConsumerNotConnected`], [`DirectError::ShutDown`].
    pub fn take_partition_ends(&self) -> Result<Vec<PartitionEnd>, DirectError> {
        let ends = self.connected()?.consumer.take_partition_ends();
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
        self.connected().is_ok_and(|connected| {
            !self.is_subscribed.load(Ordering::Acquire) || connected.consumer.is_alive()
        })
    }

    /// Asks the cluster for a sign of life, once.
    ///
    /// # Errors
    /// [`DirectError::Client`] with why no broker answered;
    /// [`DirectError::ConsumerNotConnected`], [`DirectError::ShutDown`].
    pub async fn check_connection(&self) -> Result<(), DirectError> {
        Ok(self.connected()?.client.check_connection().await?)
    }

    /// Commits what was processed, if automatic commits are on, leaves the group and closes
    /// the connections. A second call does nothing.
    ///
    /// # Errors
    /// [`DirectError::Client`] with why the last commit failed; the consumer is shut down
    /// nevertheless.
    pub async fn shutdown(&self) -> Result<(), DirectError> {
        if self.is_shut_down.swap(true, Ordering::AcqRel) {
            return Ok(());
        }
        let Some(connected) = self.connected.get() else {
            return Ok(());
        };
        self.put_back(connected).await;
        let closed = connected.consumer.close().await;
        connected.client.close().await;
        Ok(closed?)
    }

    /// The message a handler failed with, or was cancelled at, is not processed: the
    /// position goes back to it.
    async fn put_back(&self, connected: &Connected) {
        let held = self.in_hand().take();
        if let Some(message) = held {
            let position = SeekTo::Offset(message.offset());
            let partition = self.partition_of(&message);
            // One that is not ours any more is its next owner's matter.
            let _ = connected.consumer.seek(&partition, position).await;
        }
    }

    fn check_usable(&self) -> Result<(), DirectError> {
        if self.is_shut_down.load(Ordering::Acquire) {
            return Err(DirectError::ShutDown { client: "consumer" });
        }
        Ok(())
    }

    fn connected(&self) -> Result<&Connected, DirectError> {
        self.check_usable()?;
        self.connected
            .get()
            .ok_or(DirectError::ConsumerNotConnected)
    }

    fn subscribed(&self) -> Result<&Connected, DirectError> {
        let connected = self.connected()?;
        if !self.is_subscribed.load(Ordering::Acquire) {
            return Err(DirectError::NotSubscribed);
        }
        Ok(connected)
    }

    fn poll_records_max(&self) -> usize {
        let set = self.config.get("max.poll.records");
        set.and_then(|text| text.parse().ok()).unwrap_or(500)
    }

    fn message(&self, record: ConsumedRecord) -> Message {
        match self.own_name(record.topic()) {
            None => record.into(),
            Some(own) => Message::from(record).with_topic(own),
        }
    }

    /// The topic without the prefix, if it has it.
    fn own_name(&self, topic: &str) -> Option<Arc<str>> {
        let prefix = self.config.topic_prefix.as_str();
        let own = topic.strip_prefix(prefix).filter(|_| !prefix.is_empty());
        own.map(Arc::from)
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
            .field("is_connected", &self.connected.initialized())
            .finish_non_exhaustive()
    }
}
