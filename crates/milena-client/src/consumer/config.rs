//! Settings of a consumer: the checked type and its builder.
//!
//! Owns defaults, limits and relations between settings; the property names
//! are `properties`'. Must not know how a setting is used.

mod properties;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::error::Error;
use crate::group::{Assignor, GroupProtocol, RebalanceListener};

/// A fetch must be able to ask for at least this much.
const FETCH_BYTES_MIN: usize = 1024;
/// Sizes travel as signed 32-bit numbers.
const FETCH_BYTES_CEILING: usize = i32::MAX as usize;
/// Names travel with a signed 16-bit length.
pub(super) const NAME_BYTES_MAX: usize = 249;

/// Where to start when the group has no committed offset, or when the offset is
/// no longer in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OffsetReset {
    /// At the oldest record.
    Earliest,
    /// After the newest record.
    #[default]
    Latest,
    /// At the first record that is not older than this; after the newest one if all are (KIP-1106,
    /// `by_duration:PT1H`).
    ByDuration(Duration),
    /// Nowhere: `poll` returns [`Error::NoOffset`] until the application seeks.
    None,
}

/// Which records of transactions are handed out (KIP-98).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum IsolationLevel {
    /// All of them, also those of open and of aborted transactions.
    #[default]
    ReadUncommitted,
    /// Those of committed transactions, and those outside of transactions.
    ReadCommitted,
}

/// Settings of a [`Consumer`](super::Consumer). Start from
/// [`ConsumerConfig::new`] or [`ConsumerConfig::group`], change what should
/// differ; [`Consumer::new`](super::Consumer::new) checks it.
///
/// ```
/// # use milena_client::consumer::{ConsumerConfig, OffsetReset};
/// let config = ConsumerConfig::group("billing").auto_offset_reset(OffsetReset::Earliest);
/// assert!(config.validate().is_ok());
/// ```
#[derive(Clone)]
#[must_use]
pub struct ConsumerConfig {
    pub(crate) group_id: Option<Arc<str>>,
    pub(crate) group_instance_id: Option<String>,
    pub(crate) auto_offset_reset: OffsetReset,
    pub(crate) enable_auto_commit: bool,
    pub(crate) auto_commit_interval: Duration,
    pub(crate) session_timeout: Duration,
    pub(crate) heartbeat_interval: Duration,
    pub(crate) rebalance_timeout: Duration,
    pub(crate) assignors: Vec<Assignor>,
    pub(crate) group_protocol: GroupProtocol,
    pub(crate) group_remote_assignor: Option<String>,
    pub(crate) exclude_internal_topics: bool,
    pub(crate) fetch_bytes_min: usize,
    pub(crate) fetch_wait_max: Duration,
    pub(crate) fetch_bytes_max: usize,
    pub(crate) partition_fetch_bytes_max: usize,
    pub(crate) prefetch_bytes_max: usize,
    pub(crate) poll_records_max: usize,
    pub(crate) isolation_level: IsolationLevel,
    pub(crate) client_rack: Arc<str>,
    pub(crate) enable_partition_end: bool,
    pub(crate) listener: Option<Arc<dyn RebalanceListener>>,
}

impl ConsumerConfig {
    /// A consumer outside of any group: it is assigned partitions by hand and
    /// commits nothing.
    pub fn new() -> Self {
        Self {
            group_id: None,
            group_instance_id: None,
            auto_offset_reset: OffsetReset::default(),
            enable_auto_commit: false,
            auto_commit_interval: Duration::from_secs(5),
            session_timeout: Duration::from_secs(45),
            heartbeat_interval: Duration::from_secs(3),
            rebalance_timeout: Duration::from_secs(300),
            assignors: vec![Assignor::CooperativeSticky, Assignor::Range],
            group_protocol: GroupProtocol::default(),
            group_remote_assignor: None,
            exclude_internal_topics: true,
            fetch_bytes_min: 1,
            fetch_wait_max: Duration::from_millis(500),
            fetch_bytes_max: 50 * 1024 * 1024,
            partition_fetch_bytes_max: 1024 * 1024,
            prefetch_bytes_max: 64 * 1024 * 1024,
            poll_records_max: 500,
            isolation_level: IsolationLevel::default(),
            client_rack: Arc::default(),
            enable_partition_end: false,
            listener: None,
        }
    }

    /// Profile: as many records a second as possible. Fetches wait up to 500 ms for 1 MiB, and
    /// 128 MiB may wait for `poll`.
    pub fn high_throughput() -> Self {
        Self::new()
            .fetch_bytes_min(1024 * 1024)
            .partition_fetch_bytes_max(4 * 1024 * 1024)
            .prefetch_bytes_max(128 * 1024 * 1024)
            .poll_records_max(5000)
    }

    /// Profile: nothing is skipped. A group without an offset starts at the oldest record,
    /// transactions count when they are committed, and commits are left to the application.
    pub fn high_reliability() -> Self {
        Self::new()
            .auto_offset_reset(OffsetReset::Earliest)
            .isolation_level(IsolationLevel::ReadCommitted)
    }

    /// Profile: each record as soon as it is there, and little fetched ahead.
    pub fn low_latency() -> Self {
        Self::new()
            .fetch_bytes_min(1)
            .fetch_wait_max(Duration::from_millis(100))
            .prefetch_bytes_max(8 * 1024 * 1024)
    }

    /// A member of the group `group_id`.
    pub fn group(group_id: impl Into<Arc<str>>) -> Self {
        Self::new().group_id(group_id)
    }

    /// `group.id`: the group whose offsets are read and committed, and whose
    /// members share the partitions of what they subscribe to. Default none.
    pub fn group_id(mut self, group_id: impl Into<Arc<str>>) -> Self {
        self.group_id = Some(group_id.into());
        self
    }

    /// `group.instance.id`: makes this a static member (KIP-345), whose
    /// partitions wait for it until the session ends when it restarts. It does
    /// not leave the group when it closes. Default none.
    pub fn group_instance_id(mut self, instance_id: impl Into<String>) -> Self {
        self.group_instance_id = Some(instance_id.into());
        self
    }

    /// `auto.offset.reset`. Default [`OffsetReset::Latest`].
    ///
    /// When records that were handed out turn out to be gone from the log (KIP-320), the consumer
    /// goes on where it parts from what was read; with [`OffsetReset::None`], `poll` returns
    /// [`Error::LogTruncated`].
    pub fn auto_offset_reset(mut self, policy: OffsetReset) -> Self {
        self.auto_offset_reset = policy;
        self
    }

    /// `enable.auto.commit`: commits from time to time, when partitions are
    /// given up and on close, what was handed out before the current `poll`.
    /// Default false. Meant for one task that polls, and is done with a record
    /// when it asks for the next.
    pub fn enable_auto_commit(mut self, enable: bool) -> Self {
        self.enable_auto_commit = enable;
        self
    }

    /// `auto.commit.interval.ms`. Default 5 s.
    pub fn auto_commit_interval(mut self, interval: Duration) -> Self {
        self.auto_commit_interval = interval;
        self
    }

    /// `session.timeout.ms`: without a heartbeat for this long the coordinator
    /// gives the partitions to other members. Default 45 s.
    pub fn session_timeout(mut self, timeout: Duration) -> Self {
        self.session_timeout = timeout;
        self
    }

    /// `heartbeat.interval.ms`. Default 3 s.
    pub fn heartbeat_interval(mut self, interval: Duration) -> Self {
        self.heartbeat_interval = interval;
        self
    }

    /// `max.poll.interval.ms`: how long the application may take between two
    /// polls before this member leaves the group, and how long a rebalance
    /// waits for its members. Default 5 min.
    pub fn rebalance_timeout(mut self, timeout: Duration) -> Self {
        self.rebalance_timeout = timeout;
        self
    }

    /// `partition.assignment.strategy`: what this member can work with, the
    /// preferred one first. Default cooperative sticky, then range.
    ///
    /// With both, a group of such members rebalances cooperatively; when a
    /// member that only knows range joins, the group falls back to it.
    pub fn assignors(mut self, assignors: impl IntoIterator<Item = Assignor>) -> Self {
        self.assignors = assignors.into_iter().collect();
        self
    }

    /// `group.protocol`: who assigns, see [`GroupProtocol`]. Default classic.
    ///
    /// With [`GroupProtocol::Consumer`] the coordinator decides on heartbeats
    /// (`group.consumer.heartbeat.interval.ms`) and sessions
    /// (`group.consumer.session.timeout.ms`), and `assignors` are not used.
    pub fn group_protocol(mut self, protocol: GroupProtocol) -> Self {
        self.group_protocol = protocol;
        self
    }

    /// `group.remote.assignor`: what the coordinator is to assign by under
    /// [`GroupProtocol::Consumer`], `uniform` or `range`. Default: it decides.
    pub fn group_remote_assignor(mut self, assignor: impl Into<String>) -> Self {
        self.group_remote_assignor = Some(assignor.into());
        self
    }

    /// `exclude.internal.topics`: whether a pattern leaves out Kafka's own topics.
    /// Counts under [`GroupProtocol::Classic`]. Default true.
    pub fn exclude_internal_topics(mut self, exclude: bool) -> Self {
        self.exclude_internal_topics = exclude;
        self
    }

    /// `fetch.min.bytes`: a fetch waits on the broker until this much is there,
    /// or until `fetch.max.wait.ms` have passed. Default 1.
    pub fn fetch_bytes_min(mut self, bytes: usize) -> Self {
        self.fetch_bytes_min = bytes;
        self
    }

    /// `fetch.max.wait.ms`. Default 500 ms.
    pub fn fetch_wait_max(mut self, wait: Duration) -> Self {
        self.fetch_wait_max = wait;
        self
    }

    /// `fetch.max.bytes`: how much one response may hold; a single larger batch
    /// comes nevertheless. A broker is asked for 2 MiB at first, and for more only
    /// while its responses take long and are waited for. Default 50 MiB.
    pub fn fetch_bytes_max(mut self, bytes: usize) -> Self {
        self.fetch_bytes_max = bytes;
        self
    }

    /// `max.partition.fetch.bytes`: the same for each partition in a response.
    /// Default 1 MiB.
    pub fn partition_fetch_bytes_max(mut self, bytes: usize) -> Self {
        self.partition_fetch_bytes_max = bytes;
        self
    }

    /// How many bytes, as the brokers sent them, may wait for `poll`; fetching
    /// stops at half of it and goes on below. Default 64 MiB.
    pub fn prefetch_bytes_max(mut self, bytes: usize) -> Self {
        self.prefetch_bytes_max = bytes;
        self
    }

    /// `max.poll.records`: `poll` adds batches until it has at least this many
    /// records. Batches are never split. Default 500.
    pub fn poll_records_max(mut self, records: usize) -> Self {
        self.poll_records_max = records;
        self
    }

    /// `isolation.level`. Default [`IsolationLevel::ReadUncommitted`].
    pub fn isolation_level(mut self, level: IsolationLevel) -> Self {
        self.isolation_level = level;
        self
    }

    /// `client.rack`: where this client runs, as `broker.rack` says of brokers. Records are then
    /// fetched from a replica nearby, if the cluster has a `replica.selector.class` (KIP-392).
    /// Default none.
    pub fn client_rack(mut self, rack: impl Into<Arc<str>>) -> Self {
        self.client_rack = rack.into();
        self
    }

    /// `enable.partition.eof`: [`poll`](super::Consumer::poll) also tells when the end of a
    /// partition is reached. Default false.
    pub fn enable_partition_end(mut self, enable: bool) -> Self {
        self.enable_partition_end = enable;
        self
    }

    /// Who is told, and waited for, when partitions come and go.
    pub fn rebalance_listener(mut self, listener: impl RebalanceListener) -> Self {
        self.listener = Some(Arc::new(listener));
        self
    }

    /// Checks every setting, and those that depend on one another.
    ///
    /// # Errors
    /// [`Error::Config`] names the first setting that does not fit, its value
    /// and what is allowed.
    pub fn validate(&self) -> Result<(), Error> {
        self.check_group()?;
        self.check_times()?;
        self.check_sizes()
    }

    fn check_group(&self) -> Result<(), Error> {
        let expected = format!("expected 1 to {NAME_BYTES_MAX} bytes");
        let names = [
            ("group.id", self.group_id.as_deref()),
            ("group.instance.id", self.group_instance_id.as_deref()),
            (
                "group.remote.assignor",
                self.group_remote_assignor.as_deref(),
            ),
        ];
        for (field, name) in names {
            if let Some(name) = name.filter(|name| !(1..=NAME_BYTES_MAX).contains(&name.len())) {
                return Err(Error::config(field, name, expected));
            }
        }
        if self.group_id.is_none() && (self.group_instance_id.is_some() || self.enable_auto_commit)
        {
            let expected = "expected a group when group.instance.id or enable.auto.commit is set";
            return Err(Error::config("group.id", "", expected));
        }
        if self.group_remote_assignor.is_some() && self.group_protocol == GroupProtocol::Classic {
            let expected = "expected group.protocol = consumer when this is set";
            let assignor = self.group_remote_assignor.clone().unwrap_or_default();
            return Err(Error::config("group.remote.assignor", assignor, expected));
        }
        if self.client_rack.len() > NAME_BYTES_MAX {
            let expected = format!("expected at most {NAME_BYTES_MAX} bytes");
            return Err(Error::config("client.rack", &*self.client_rack, expected));
        }
        if self.assignors.is_empty() {
            let expected = "expected at least one of range, roundrobin, sticky, cooperative-sticky";
            return Err(Error::config("partition.assignment.strategy", "", expected));
        }
        Ok(())
    }

    fn check_times(&self) -> Result<(), Error> {
        let millisecond = Duration::from_millis(1);
        let week = Duration::from_secs(7 * 24 * 3600);
        let times = [
            ("auto.commit.interval.ms", self.auto_commit_interval),
            ("session.timeout.ms", self.session_timeout),
            ("heartbeat.interval.ms", self.heartbeat_interval),
            ("max.poll.interval.ms", self.rebalance_timeout),
        ];
        for (field, time) in times {
            if time < millisecond || time > week {
                return Err(time_error(field, time, "expected 1 ms to 7 days"));
            }
        }
        if self.heartbeat_interval >= self.session_timeout {
            let expected = "expected less than session.timeout.ms, best a third of it";
            return Err(time_error(
                "heartbeat.interval.ms",
                self.heartbeat_interval,
                expected,
            ));
        }
        if self.fetch_wait_max > Duration::from_secs(60) {
            return Err(time_error(
                "fetch.max.wait.ms",
                self.fetch_wait_max,
                "expected at most 60000",
            ));
        }
        Ok(())
    }

    fn check_sizes(&self) -> Result<(), Error> {
        let sizes = [
            ("fetch.min.bytes", self.fetch_bytes_min, 0),
            ("fetch.max.bytes", self.fetch_bytes_max, FETCH_BYTES_MIN),
            (
                "max.partition.fetch.bytes",
                self.partition_fetch_bytes_max,
                FETCH_BYTES_MIN,
            ),
            (
                "prefetch.max.bytes",
                self.prefetch_bytes_max,
                2 * FETCH_BYTES_MIN,
            ),
            ("max.poll.records", self.poll_records_max, 1),
        ];
        for (field, size, min) in sizes {
            if !(min..=FETCH_BYTES_CEILING).contains(&size) {
                let expected = format!("expected {min} to {FETCH_BYTES_CEILING}");
                return Err(Error::config(field, size.to_string(), expected));
            }
        }
        Ok(())
    }
}

impl Default for ConsumerConfig {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for ConsumerConfig {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("ConsumerConfig")
            .field("group_id", &self.group_id)
            .field("group_instance_id", &self.group_instance_id)
            .field("auto_offset_reset", &self.auto_offset_reset)
            .field("enable_auto_commit", &self.enable_auto_commit)
            .field("assignors", &self.assignors)
            .field("isolation_level", &self.isolation_level)
            .finish_non_exhaustive()
    }
}

fn time_error(field: &str, time: Duration, expected: &str) -> Error {
    Error::config(field, time.as_millis().to_string(), expected)
}

#[cfg(test)]
mod tests;
