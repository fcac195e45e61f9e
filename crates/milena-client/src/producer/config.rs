//! The producer's settings, checked once.

use std::time::Duration;

use milena_wire::compression::Compression;

use crate::config::{Properties, read_all};
use crate::error::Error;
use crate::partitioner::Partitioning;

/// A broker recognises a repeated batch among the last five of a producer (KIP-98).
const IDEMPOTENT_IN_FLIGHT_MAX: usize = 5;

/// How many brokers must have a record before it counts as delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Acks {
    /// Every in-sync replica (`acks=all`). Needed for idempotence.
    #[default]
    All,
    /// The leader only (`acks=1`): lost if it fails before a follower has the record.
    Leader,
    /// None (`acks=0`): the broker does not answer at all.
    None,
}

impl Acks {
    pub(super) fn code(self) -> i16 {
        match self {
            Acks::All => -1,
            Acks::Leader => 1,
            Acks::None => 0,
        }
    }
}

/// Settings of a [`Producer`](super::Producer). Start from [`ProducerConfig::default`] and change
/// what should differ; [`Producer::new`](super::Producer::new) checks it.
///
/// ```
/// use std::time::Duration;
/// use milena_client::producer::ProducerConfig;
///
/// let config = ProducerConfig::default().linger(Duration::from_millis(20));
/// assert!(config.validate().is_ok());
/// ```
#[derive(Debug, Clone)]
#[must_use]
pub struct ProducerConfig {
    pub(crate) acks: Acks,
    pub(crate) enable_idempotence: Option<bool>,
    pub(crate) linger: Duration,
    pub(crate) batch_bytes_max: usize,
    pub(crate) request_bytes_max: usize,
    pub(crate) buffer_bytes_max: usize,
    pub(crate) max_block: Duration,
    pub(crate) delivery_timeout: Duration,
    pub(crate) request_timeout: Duration,
    pub(crate) in_flight_per_partition_max: usize,
    pub(crate) compression: Compression,
    pub(crate) compression_level: Option<i32>,
    pub(crate) partitioning: Partitioning,
    pub(crate) adaptive_partitioning: bool,
    pub(crate) availability_timeout: Option<Duration>,
    pub(crate) transactional_id: Option<String>,
    pub(crate) transaction_timeout: Duration,
}

impl Default for ProducerConfig {
    fn default() -> Self {
        ProducerConfig {
            acks: Acks::All,
            enable_idempotence: None,
            linger: Duration::from_millis(5),
            batch_bytes_max: 128 * 1024,
            request_bytes_max: 1024 * 1024,
            buffer_bytes_max: 32 * 1024 * 1024,
            max_block: Duration::from_secs(60),
            delivery_timeout: Duration::from_secs(120),
            request_timeout: Duration::from_secs(30),
            in_flight_per_partition_max: 5,
            compression: Compression::None,
            compression_level: None,
            partitioning: Partitioning::default(),
            adaptive_partitioning: true,
            availability_timeout: None,
            transactional_id: None,
            transaction_timeout: Duration::from_secs(60),
        }
    }
}

impl ProducerConfig {
    /// Profile: as many records a second as possible, a little later each. Batches of up to 1 MiB
    /// that linger 50 ms, lz4, 64 MiB of buffers; idempotent.
    pub fn high_throughput() -> Self {
        Self::default()
            .linger(Duration::from_millis(50))
            .batch_bytes_max(1024 * 1024)
            .request_bytes_max(4 * 1024 * 1024)
            .buffer_bytes_max(64 * 1024 * 1024)
            .compression(Compression::Lz4, None)
    }

    /// Profile: nothing is given up early. acks=all and idempotence are set, not just defaults, so
    /// that a conflicting setting is an error; a record is tried for ten minutes.
    pub fn high_reliability() -> Self {
        Self::default()
            .acks(Acks::All)
            .enable_idempotence(true)
            .delivery_timeout(Duration::from_secs(600))
    }

    /// Profile: each record leaves at once. No lingering, no compression, small batches.
    pub fn low_latency() -> Self {
        Self::default()
            .linger(Duration::ZERO)
            .batch_bytes_max(16 * 1024)
    }

    /// The settings that `properties` hold under Kafka's or librdkafka's names, and defaults for
    /// the rest.
    ///
    /// # Errors
    /// [`Error::Config`] for a value that is not allowed, and for a name that is not a producer
    /// setting, with the nearest one that is. To read a map that holds a client's settings as
    /// well, see [`Properties`].
    pub fn from_properties<K, V>(
        properties: impl IntoIterator<Item = (K, V)>,
    ) -> Result<Self, Error>
    where
        K: Into<String>,
        V: Into<String>,
    {
        read_all(properties, Self::take_from)
    }

    /// As [`ProducerConfig::from_properties`], but leaves the names it does not know to the others.
    ///
    /// # Errors
    /// [`Error::Config`] as above, save for unknown names.
    pub fn take_from(properties: &mut Properties) -> Result<Self, Error> {
        properties.fill(Self::default(), Self::validate)
    }

    /// `acks`: how many brokers must have a record before it counts as delivered. Default all.
    pub fn acks(mut self, acks: Acks) -> Self {
        self.acks = acks;
        self
    }

    /// `enable.idempotence`: retries write nothing twice and keep the order. Needs `acks=all` and
    /// at most 5 batches in flight. Default: true unless one of those two was set otherwise, as in
    /// Kafka's own client; set to true, such a conflict is an error.
    pub fn enable_idempotence(mut self, enable: bool) -> Self {
        self.enable_idempotence = Some(enable);
        self
    }

    /// Whether the producer is idempotent, with all settings considered.
    pub(crate) fn is_idempotent(&self) -> bool {
        let fits =
            self.acks == Acks::All && self.in_flight_per_partition_max <= IDEMPOTENT_IN_FLIGHT_MAX;
        self.enable_idempotence.unwrap_or(fits)
    }

    /// `linger.ms`: how long a batch waits for more records. A [`send`](super::Producer::send)
    /// that is awaited does not wait for it while nothing else of its partition is in flight.
    /// Default 5 ms.
    pub fn linger(mut self, linger: Duration) -> Self {
        self.linger = linger;
        self
    }

    /// `batch.size`: bytes of a batch before compression, at most, unless one record alone is
    /// larger. Default 128 KiB.
    pub fn batch_bytes_max(mut self, bytes: usize) -> Self {
        self.batch_bytes_max = bytes;
        self
    }

    /// `max.request.size`: bytes of a record, and of a request save for its last batch.
    /// Default 1 MiB.
    pub fn request_bytes_max(mut self, bytes: usize) -> Self {
        self.request_bytes_max = bytes;
        self
    }

    /// `buffer.memory`: bytes of all records that wait or are on their way. Default 32 MiB.
    pub fn buffer_bytes_max(mut self, bytes: usize) -> Self {
        self.buffer_bytes_max = bytes;
        self
    }

    /// `max.block.ms`: how long [`enqueue`](super::Producer::enqueue) waits for buffer space or a
    /// topic's metadata. Default 60 s.
    pub fn max_block(mut self, duration: Duration) -> Self {
        self.max_block = duration;
        self
    }

    /// `delivery.timeout.ms`: how long a record may take from being accepted to being
    /// acknowledged, retries included. Default 120 s.
    pub fn delivery_timeout(mut self, timeout: Duration) -> Self {
        self.delivery_timeout = timeout;
        self
    }

    /// `request.timeout.ms`: how long a broker may take for one request. Default 30 s.
    pub fn request_timeout(mut self, timeout: Duration) -> Self {
        self.request_timeout = timeout;
        self
    }

    /// `max.in.flight.requests.per.connection`, but per partition: batches sent and not answered,
    /// at most. Default 5.
    pub fn in_flight_per_partition_max(mut self, batches: usize) -> Self {
        self.in_flight_per_partition_max = batches;
        self
    }

    /// `compression.type`, and the codec's own level or its default. Default none.
    pub fn compression(mut self, compression: Compression, level: Option<i32>) -> Self {
        self.compression = compression;
        self.compression_level = level;
        self
    }

    /// How records without a partition find one. Default murmur2 of the key, sticky without one.
    pub fn partitioning(mut self, partitioning: Partitioning) -> Self {
        self.partitioning = partitioning;
        self
    }

    /// `partitioner.adaptive.partitioning.enable`: records without a key prefer partitions with
    /// less waiting in front of them (KIP-794). Default true.
    pub fn adaptive_partitioning(mut self, enable: bool) -> Self {
        self.adaptive_partitioning = enable;
        self
    }

    /// `partitioner.availability.timeout.ms`: records without a key avoid partitions whose full
    /// batches wait for longer than this, such as those of a broker that does not answer (KIP-794).
    /// Default none, which the property calls 0: they only prefer those with less waiting. Without
    /// effect unless [`adaptive_partitioning`](Self::adaptive_partitioning) is on.
    pub fn availability_timeout(mut self, timeout: Option<Duration>) -> Self {
        self.availability_timeout = timeout;
        self
    }

    /// `transactional.id`: names a producer across restarts, so that a new one shuts the former
    /// one out. For a [`TransactionalProducer`](crate::transaction::TransactionalProducer) only.
    /// Default none.
    pub fn transactional_id(mut self, id: impl Into<String>) -> Self {
        self.transactional_id = Some(id.into());
        self
    }

    /// `transaction.timeout.ms`: how long a transaction may take before the cluster aborts it
    /// and shuts its producer out. Default 60 s; brokers allow 15 minutes at most unless
    /// configured otherwise.
    pub fn transaction_timeout(mut self, timeout: Duration) -> Self {
        self.transaction_timeout = timeout;
        self
    }

    /// Checks every setting and how they fit together.
    ///
    /// # Errors
    /// [`Error::Config`] names the setting, its value and what is allowed.
    pub fn validate(&self) -> Result<(), Error> {
        let check = |fits: bool, field: &str, value: String, expected: &str| {
            if fits {
                Ok(())
            } else {
                Err(Error::config(field, value, expected))
            }
        };
        check(
            !self.is_idempotent() || self.acks == Acks::All,
            "acks",
            format!("{:?}", self.acks),
            "all for an idempotent producer; leave enable.idempotence out for less",
        )?;
        let in_flight = self.in_flight_per_partition_max;
        check(
            in_flight >= 1 && (!self.is_idempotent() || in_flight <= IDEMPOTENT_IN_FLIGHT_MAX),
            "max.in.flight.requests.per.connection",
            in_flight.to_string(),
            "at least 1, and at most 5 for an idempotent producer",
        )?;
        let batch_bytes = self.batch_bytes_max;
        check(
            batch_bytes >= 1 && batch_bytes <= self.request_bytes_max,
            "batch.size",
            batch_bytes.to_string(),
            "at least 1 and at most max.request.size",
        )?;
        check(
            self.request_bytes_max <= self.buffer_bytes_max,
            "buffer.memory",
            self.buffer_bytes_max.to_string(),
            "at least max.request.size",
        )?;
        check(
            u32::try_from(self.buffer_bytes_max).is_ok(),
            "buffer.memory",
            self.buffer_bytes_max.to_string(),
            "less than 4 GiB",
        )?;
        check(
            self.request_bytes_max <= milena_wire::limits::FRAME_BYTES_MAX / 2,
            "max.request.size",
            self.request_bytes_max.to_string(),
            "at most half of the largest frame",
        )?;
        if let Some(id) = &self.transactional_id {
            check(
                !id.is_empty() && self.is_idempotent(),
                "transactional.id",
                id.clone(),
                "not empty, and enable.idempotence=true",
            )?;
        }
        check(
            i32::try_from(self.transaction_timeout.as_millis()).is_ok_and(|ms| ms > 0),
            "transaction.timeout.ms",
            format!("{:?}", self.transaction_timeout),
            "1 ms to 24 days",
        )?;
        check(
            !self.request_timeout.is_zero(),
            "request.timeout.ms",
            format!("{:?}", self.request_timeout),
            "more than zero",
        )?;
        check(
            self.delivery_timeout >= self.linger + self.request_timeout,
            "delivery.timeout.ms",
            format!("{:?}", self.delivery_timeout),
            "at least linger.ms + request.timeout.ms",
        )?;
        self.compression
            .check_level(self.compression_level)
            .map_err(|error| {
                let level = self
                    .compression_level
                    .map_or_else(String::new, |l| l.to_string());
                Error::config("compression level", level, error.to_string())
            })
    }
}

#[cfg(test)]
mod tests;
