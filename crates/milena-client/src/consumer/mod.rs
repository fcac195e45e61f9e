//! The consumer: records of partitions, in the order of their offsets.
//!
//! Owns the public handle and the life of its tasks. A supervisor finds
//! positions and starts one fetcher a broker; fetchers fill queues ahead of the
//! application; `poll` empties them. Membership in a group is `group`'s.

mod aborted;
mod ask_leaders;
mod commit;
mod config;
mod epoch_ends;
mod fetch;
mod fetch_size;
mod fetched;
mod fetcher;
mod health;
mod list_offsets;
mod membership;
mod metrics;
mod offsets;
mod partitions;
mod position;
mod reader;
mod replica;
mod session;
pub(crate) mod shared;
mod spans;
mod stream;
mod supervisor;
mod validation;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::AbortHandle;
use tokio::time::Instant;

pub use config::{ConsumerConfig, IsolationLevel, OffsetReset};
pub use fetched::{
    ConsumedRecord, FetchedBatch, FetchedHeaders, FetchedRecords, HeaderView, HeadersView,
    RecordView, TimestampType,
};
pub use health::ConsumerHealth;
pub use offsets::{SeekTo, Watermarks};
pub use partitions::PartitionEnd;
use partitions::Partitions;
pub(crate) use position::{OffsetAndEpoch, OffsetQuery, Question};
pub use stream::RecordStream;

use crate::client::Client;
use crate::error::Error;
use crate::group::{AsyncCommits, Committer, GroupCoordinator, GroupHandle, Subscribed};
use crate::spans::observed;
use crate::topology::TopicPartition;
use crate::transaction::ConsumerGroupMetadata;
use shared::{CommitScope, Shared};
use supervisor::Supervisor;

/// Consumes topics as a member of a group, or partitions assigned by hand.
///
/// A consumer fetches ahead in the background; its methods take `&self` and may
/// be called from several tasks. [`close`](Self::close) it when done: dropping
/// it never blocks, commits nothing, and lets go of its partitions in the
/// background.
///
/// ```no_run
/// # use milena_client::{Client, Error, consumer::{Consumer, ConsumerConfig}};
/// # use std::time::Duration;
/// # async fn example(client: &Client) -> Result<(), Error> {
/// let consumer = Consumer::new(client, ConsumerConfig::group("billing"))?;
/// consumer.subscribe(["orders"]).await?;
/// loop {
///     let polled = consumer.poll(Duration::from_secs(1)).await?;
///     for batch in &polled.batches {
///         for record in batch {
///             println!("{} has {:?}", record?.offset, batch.topic());
///         }
///     }
///     consumer.commit().await?;
/// }
/// # }
/// ```
pub struct Consumer {
    shared: Arc<Shared>,
    group: Option<GroupHandle>,
    committer: Option<Committer>,
    supervisor: AbortHandle,
    auto_commit: Option<AbortHandle>,
    async_commits: AsyncCommits,
    /// Topics that metadata keeps up to date for this consumer.
    tracked: std::sync::Mutex<Vec<Arc<str>>>,
}

/// What one `poll` brought.
#[derive(Debug, Default)]
#[must_use]
#[non_exhaustive]
pub struct Polled {
    /// Batches in the order of their offsets within each partition.
    pub batches: Vec<FetchedBatch>,
    /// Partitions whose end is reached with these batches; none unless
    /// [`enable_partition_end`](ConsumerConfig::enable_partition_end) is set. Told once for each
    /// end: again when records came after it and were handed out.
    pub ends: Vec<PartitionEnd>,
}

impl Polled {
    /// Whether there is nothing.
    pub fn is_empty(&self) -> bool {
        self.batches.is_empty() && self.ends.is_empty()
    }
}

impl Consumer {
    /// A consumer on the connections of `client`. Sends nothing yet; must be
    /// called within a tokio runtime.
    ///
    /// # Errors
    /// [`Error::Config`] for a configuration that is not valid.
    pub fn new(client: &Client, config: ConsumerConfig) -> Result<Self, Error> {
        config.validate()?;
        let shared = Arc::new(Shared::new(client.clone(), config));
        let coordinator = shared
            .config
            .group_id
            .clone()
            .map(|group_id| Arc::new(GroupCoordinator::new(client.clone(), group_id)));
        let group = coordinator
            .as_ref()
            .map(|coordinator| GroupHandle::start(&shared, coordinator));
        let supervisor = Supervisor::new(Arc::clone(&shared), coordinator);
        let supervisor = tokio::spawn(supervisor.run()).abort_handle();
        let committer = group.as_ref().map(GroupHandle::committer);
        let auto_commit = committer
            .clone()
            .filter(|_| shared.config.enable_auto_commit)
            .map(|committer| tokio::spawn(commit_from_time_to_time(committer)).abort_handle());
        Ok(Self {
            shared,
            group,
            committer,
            supervisor,
            auto_commit,
            async_commits: AsyncCommits::default(),
            tracked: std::sync::Mutex::default(),
        })
    }

    /// Subscribes to exactly these topics as a member of the group; none at all
    /// leaves it. Returns at once: partitions come when the group has
    /// rebalanced.
    ///
    /// # Errors
    /// [`Error::InvalidState`] without a group or after
    /// [`assign`](Self::assign); [`Error::Closed`].
    pub async fn subscribe<I>(&self, topics: I) -> Result<(), Error>
    where
        I: IntoIterator,
        I::Item: Into<String>,
    {
        self.shared.check_usable()?;
        let group = self.subscribable()?;
        let topics: Vec<Arc<str>> = topics
            .into_iter()
            .map(|topic| Arc::from(topic.into()))
            .collect();
        if topics
            .iter()
            .any(|topic| topic.is_empty() || topic.len() > config::NAME_BYTES_MAX)
        {
            let allowed = format!("topic names have 1 to {} bytes", config::NAME_BYTES_MAX);
            return Err(invalid_state(&allowed));
        }
        self.track(topics.clone());
        let topics = topics.into_iter().collect();
        let pattern = None;
        group.subscribe(Subscribed { topics, pattern }).await
    }

    /// Subscribes to all topics whose whole names match `pattern`, as a member of
    /// the group, and to no others. Topics that come or go later are taken in and
    /// left: by the coordinator under
    /// [`GroupProtocol::Consumer`](crate::group::GroupProtocol::Consumer), else by
    /// this member, every `metadata.max.age.ms`.
    ///
    /// The syntax is that of RE2 and of the crate `regex`.
    ///
    /// # Errors
    /// [`Error::Config`] for a pattern that is not a regular expression; else as
    /// [`subscribe`](Self::subscribe).
    pub async fn subscribe_pattern(&self, pattern: &str) -> Result<(), Error> {
        self.shared.check_usable()?;
        let group = self.subscribable()?;
        if pattern.is_empty() || regex::Regex::new(&format!("^(?:{pattern})$")).is_err() {
            let expected = "expected a regular expression, such as orders-.*";
            return Err(Error::config("pattern", pattern, expected));
        }
        self.track(Vec::new());
        let subscribed = Subscribed {
            pattern: Some(Arc::from(pattern)),
            ..Subscribed::default()
        };
        group.subscribe(subscribed).await
    }

    /// The group, if this consumer can subscribe.
    fn subscribable(&self) -> Result<&GroupHandle, Error> {
        let Some(group) = &self.group else {
            return Err(invalid_state(
                "subscribe needs a group: set group.id, or assign partitions",
            ));
        };
        if !group.is_subscribed() && !self.assignment().is_empty() {
            return Err(invalid_state(
                "partitions are assigned by hand: subscribe with a new consumer",
            ));
        }
        Ok(group)
    }

    /// Consumes exactly these partitions, whoever else does. With a group they
    /// start at its committed offsets, which this consumer can commit.
    ///
    /// # Errors
    /// [`Error::InvalidState`] after [`subscribe`](Self::subscribe);
    /// [`Error::Closed`].
    pub async fn assign(&self, partitions: Vec<TopicPartition>) -> Result<(), Error> {
        self.take_over(partitions, |_| ())
    }

    /// As [`assign`](Self::assign), each from there on, those that are assigned already as well.
    /// Nothing is fetched from anywhere else first.
    ///
    /// # Errors
    /// Those of [`assign`](Self::assign); [`Error::InvalidState`] for a negative offset. Nothing is
    /// changed then.
    pub async fn assign_from(&self, starts: Vec<(TopicPartition, SeekTo)>) -> Result<(), Error> {
        for (_, start) in &starts {
            start.check()?;
        }
        let partitions = starts.iter().map(|(partition, _)| partition.clone());
        self.take_over(partitions.collect(), |table| {
            for (partition, start) in &starts {
                table.jump(partition, |position| start.send(position));
            }
        })
    }

    /// Consumes these and no others; `begin` is called before anything is fetched.
    fn take_over(
        &self,
        partitions: Vec<TopicPartition>,
        begin: impl FnOnce(&mut Partitions),
    ) -> Result<(), Error> {
        self.shared.check_usable()?;
        if self.group.as_ref().is_some_and(GroupHandle::is_subscribed) {
            return Err(invalid_state(
                "topics are subscribed to: assign with a new consumer",
            ));
        }
        self.track(
            partitions
                .iter()
                .map(|partition| Arc::clone(&partition.topic))
                .collect(),
        );
        {
            let mut table = self.shared.partitions();
            let current: Vec<TopicPartition> = table.names().cloned().collect();
            let is_gone = |partition: &TopicPartition| !partitions.contains(partition);
            let gone: Vec<TopicPartition> =
                current.iter().filter(|one| is_gone(one)).cloned().collect();
            let added: Vec<TopicPartition> = partitions
                .into_iter()
                .filter(|one| !current.contains(one))
                .collect();
            table.remove(&gone);
            table.add(&added, Question::Committed, false);
            begin(&mut table);
        }
        self.shared.work.notify_waiters();
        Ok(())
    }

    /// Batches that were fetched, as soon as there are any; none when `timeout`
    /// passes. Their partitions' positions are then behind them.
    ///
    /// Asking again tells that everything handed out before is processed, as
    /// far as automatic commits go.
    ///
    /// # Errors
    /// One partition's trouble, or the group's, is returned once, and the
    /// others go on with the next call. [`Error::MembershipLost`] and
    /// [`Error::Closed`] that last come with each call.
    pub async fn poll(&self, timeout: Duration) -> Result<Polled, Error> {
        let span = spans::poll(&self.shared);
        let polled = observed(span.clone(), self.next_polled(timeout)).await;
        if let Ok(polled) = &polled {
            spans::brought(&span, &polled.batches);
        }
        polled
    }

    async fn next_polled(&self, timeout: Duration) -> Result<Polled, Error> {
        let polled = self.shared.try_poll()?;
        if !polled.is_empty() {
            return Ok(polled);
        }
        let next = self.wait_for(timeout, || match self.shared.try_poll() {
            Ok(polled) if polled.is_empty() => None,
            result => Some(result),
        });
        Ok(next.await.transpose()?.unwrap_or_default())
    }

    /// The ends of partitions that [`consume_next`](Self::consume_next) and the stream reached since
    /// this was last asked, see [`Polled::ends`].
    pub fn take_partition_ends(&self) -> Vec<PartitionEnd> {
        self.shared.partitions().take_ends()
    }

    /// The next record, as soon as there is one; none when `timeout` passes.
    ///
    /// # Errors
    /// As [`poll`](Self::poll).
    pub async fn consume_next(&self, timeout: Duration) -> Result<Option<ConsumedRecord>, Error> {
        self.shared.note_poll();
        if let Some(next) = self.shared.reader().next(&self.shared) {
            return next.map(Some);
        }
        let next = self.wait_for(timeout, || self.shared.reader().next(&self.shared));
        next.await.transpose()
    }

    /// The records that are there, at most `count_max` of them, as soon as there is one; none
    /// when `timeout` passes. Unlike those of as many calls of
    /// [`consume_next`](Self::consume_next), they count as processed together, when more are
    /// asked for.
    ///
    /// # Errors
    /// As [`poll`](Self::poll); what was read before one is returned first.
    pub async fn consume_up_to(
        &self,
        count_max: usize,
        timeout: Duration,
    ) -> Result<Vec<ConsumedRecord>, Error> {
        let mut records = Vec::new();
        if count_max == 0 {
            return Ok(records);
        }
        records.extend(self.consume_next(timeout).await?);
        if !records.is_empty() {
            let mut reader = self.shared.reader();
            while records.len() < count_max
                && let Some(record) = reader.next_along(&self.shared)
            {
                records.push(record);
            }
        }
        Ok(records)
    }

    /// The records as a stream, which waits for as long as it takes.
    pub fn stream(&self) -> RecordStream<'_> {
        RecordStream::new(&self.shared)
    }

    /// Who this consumer is in its group, for
    /// [`Transaction::send_offsets`](crate::transaction::Transaction::send_offsets). `None`
    /// without a group.
    ///
    /// It is as of the last call that brought records, so that it fits those even if the group
    /// has rebalanced since. For a transaction over several polls take it after the first.
    pub fn group_metadata(&self) -> Option<ConsumerGroupMetadata> {
        let config = &self.shared.config;
        let group_id = config.group_id.as_deref()?;
        let identity = self.shared.memberships.polled_as();
        if !identity.is_member() {
            return Some(ConsumerGroupMetadata::without_member(group_id));
        }
        Some(ConsumerGroupMetadata::of_member(
            group_id,
            identity.generation,
            &identity.member_id,
            config.group_instance_id.as_deref(),
        ))
    }

    /// The partitions this consumer consumes now, sorted.
    pub fn assignment(&self) -> Vec<TopicPartition> {
        let mut names: Vec<TopicPartition> = self.shared.partitions().names().cloned().collect();
        names.sort();
        names
    }

    /// Stops for good: what was handed out is committed if automatic commits
    /// are on, and the group is left, unless this is a static member.
    ///
    /// # Errors
    /// Why the last commit failed; the consumer is closed nevertheless.
    pub async fn close(&self) -> Result<(), Error> {
        if self.shared.is_closed() {
            return Ok(());
        }
        if let Some(task) = &self.auto_commit {
            task.abort();
        }
        self.async_commits.finish().await;
        self.shared.reader().mark_processed();
        self.shared.sync_reader();
        self.shared.partitions().mark_touched_processed();
        let mut result = Ok(());
        match &self.group {
            Some(group) if group.is_subscribed() => result = group.close().await,
            _ if self.shared.config.enable_auto_commit => {
                if let Some(committer) = &self.committer {
                    let offsets = self.shared.offsets_to_commit(CommitScope::Processed, None);
                    result = committer.commit_at_once(offsets).await;
                }
            }
            _ => {}
        }
        self.shared.close();
        self.supervisor.abort();
        self.track(Vec::new());
        result
    }

    /// Asks `next` each time something comes up, until it answers or `timeout`
    /// has passed. Registers before it asks: no wake-up is missed.
    async fn wait_for<T>(
        &self,
        timeout: Duration,
        mut next: impl FnMut() -> Option<T>,
    ) -> Option<T> {
        let _waiting = self.shared.wait_in_poll();
        let mut timeout = std::pin::pin!(tokio::time::sleep(timeout));
        loop {
            let mut ready = std::pin::pin!(self.shared.ready.notified());
            ready.as_mut().enable();
            if let Some(next) = next() {
                return Some(next);
            }
            tokio::select! {
                () = ready => {}
                () = &mut timeout => return None,
            }
        }
    }

    /// Has metadata keep these topics up to date instead of the former ones.
    fn track(&self, topics: Vec<Arc<str>>) {
        let metadata = self.shared.client.metadata();
        metadata.track(topics.iter().cloned());
        let former = {
            let mut tracked = self
                .tracked
                .lock()
                .unwrap_or_else(std::sync::PoisonError::into_inner);
            std::mem::replace(&mut *tracked, topics)
        };
        metadata.untrack(former.iter().map(AsRef::as_ref));
    }
}

impl Drop for Consumer {
    fn drop(&mut self) {
        self.shared.close();
        self.supervisor.abort();
        if let Some(task) = &self.auto_commit {
            task.abort();
        }
        self.track(Vec::new());
    }
}

impl fmt::Debug for Consumer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Consumer")
            .field("config", &self.shared.config)
            .finish_non_exhaustive()
    }
}

/// Commits what is processed every `auto.commit.interval.ms`.
async fn commit_from_time_to_time(committer: Committer) {
    let interval = committer.shared.config.auto_commit_interval;
    let mut next_at = Instant::now() + interval;
    loop {
        tokio::time::sleep_until(next_at).await;
        next_at = Instant::now() + interval;
        let offsets = committer
            .shared
            .offsets_to_commit(CommitScope::Processed, None);
        if let Err(error) = committer.commit(offsets).await {
            tracing::warn!(event = "auto_commit_failed", %error);
        }
    }
}

fn invalid_state(what: &str) -> Error {
    Error::InvalidState {
        what: what.to_owned(),
    }
}
