//! Profiles: named sets of values for settings that belong together.

use std::fmt;
use std::str::FromStr;

/// A named set of values, weaker than anything set by name. The values are those of the client's
/// profiles of the same names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Profile {
    /// As many records a second as possible, a little later each: large batches that linger,
    /// lz4, large fetches.
    HighThroughput,
    /// Nothing is given up early: acknowledged by all in-sync replicas, ten minutes for a
    /// delivery, only records of committed transactions.
    HighReliability,
    /// Each record at once: no lingering, small batches, little fetched ahead.
    LowLatency,
}

pub(crate) const PROFILES_ALLOWED: &str = "high-throughput, high-reliability or low-latency";

impl Profile {
    /// Settings and their values.
    pub(crate) fn values(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Profile::HighThroughput => &[
                ("linger.ms", "50"),
                ("batch.size", "1048576"),
                ("max.request.size", "4194304"),
                ("buffer.memory", "67108864"),
                ("compression.type", "lz4"),
                ("fetch.min.bytes", "1048576"),
                ("max.partition.fetch.bytes", "4194304"),
                ("prefetch.max.bytes", "134217728"),
                ("max.poll.records", "5000"),
            ],
            Profile::HighReliability => &[
                ("acks", "all"),
                ("enable.idempotence", "true"),
                ("delivery.timeout.ms", "600000"),
                ("auto.offset.reset", "earliest"),
                ("isolation.level", "read_committed"),
            ],
            Profile::LowLatency => &[
                ("linger.ms", "0"),
                ("batch.size", "16384"),
                ("fetch.min.bytes", "1"),
                ("fetch.max.wait.ms", "100"),
                ("prefetch.max.bytes", "8388608"),
            ],
        }
    }
}

impl fmt::Display for Profile {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Profile::HighThroughput => "high-throughput",
            Profile::HighReliability => "high-reliability",
            Profile::LowLatency => "low-latency",
        })
    }
}

impl FromStr for Profile {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Profile, &'static str> {
        match text.replace('_', "-").to_ascii_lowercase().as_str() {
            "high-throughput" => Ok(Profile::HighThroughput),
            "high-reliability" => Ok(Profile::HighReliability),
            "low-latency" => Ok(Profile::LowLatency),
            _ => Err(PROFILES_ALLOWED),
        }
    }
}
