//! What can be configured on a topic: names, defaults, meaning, and the checked values.
//!
//! Owns the table of topic properties and the broker properties that stand in for them. Which value
//! counts is the business of [`super::layers`].

mod table;

use milena_wire::batch::TimestampType;
use milena_wire::compression::Compression;

use super::properties::nearest_of;

/// The checked configuration of one topic; each field is named after its property.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct TopicConfig {
    pub(crate) cleanup: Cleanup,
    /// What batches are compressed with in the log; `None` leaves them as the producer sent them.
    pub(crate) compression: Option<Compression>,
    pub(crate) gzip_level: i32,
    pub(crate) zstd_level: i32,
    /// How long a tombstone stays after compaction has seen it.
    pub(crate) delete_retention_ms: i64,
    /// 1 makes every acknowledgement wait for the disk.
    pub(crate) flush_messages: u64,
    pub(crate) index_interval_bytes: u64,
    pub(crate) batch_bytes_max: usize,
    /// Records older than this are compacted whatever the ratio.
    pub(crate) compaction_lag_max_ms: i64,
    /// Records younger than this are not compacted.
    pub(crate) compaction_lag_min_ms: i64,
    pub(crate) timestamp_after_max_ms: i64,
    pub(crate) timestamp_before_max_ms: i64,
    pub(crate) timestamp_type: TimestampType,
    /// How much of a log must be new before it is compacted, 0 to 1.
    pub(crate) dirty_ratio_min: f64,
    /// Per partition; `None` is unlimited.
    pub(crate) retention_bytes: Option<u64>,
    /// `None` keeps for ever.
    pub(crate) retention_ms: Option<i64>,
    pub(crate) segment_bytes: u64,
    pub(crate) segment_ms: i64,
}

/// What happens to old records; both may.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cleanup {
    pub(crate) deletes: bool,
    pub(crate) compacts: bool,
}

impl Default for TopicConfig {
    /// The values of the table's defaults: each is read from there when layers are put together.
    fn default() -> Self {
        TopicConfig {
            cleanup: Cleanup {
                deletes: true,
                compacts: false,
            },
            compression: None,
            gzip_level: -1,
            zstd_level: 3,
            delete_retention_ms: 24 * 60 * 60 * 1000,
            flush_messages: i64::MAX as u64,
            index_interval_bytes: 4096,
            batch_bytes_max: 1_048_588,
            compaction_lag_max_ms: i64::MAX,
            compaction_lag_min_ms: 0,
            timestamp_after_max_ms: 60 * 60 * 1000,
            timestamp_before_max_ms: i64::MAX,
            timestamp_type: TimestampType::CreateTime,
            dirty_ratio_min: 0.5,
            retention_bytes: None,
            retention_ms: None,
            segment_bytes: 1024 * 1024 * 1024,
            segment_ms: 7 * 24 * 60 * 60 * 1000,
        }
    }
}

impl TopicConfig {
    /// What batches are compressed with in the log, and how hard; `None` leaves them alone.
    pub(crate) fn codec(&self) -> Option<(Compression, Option<i32>)> {
        let codec = self.compression?;
        let level = match codec {
            Compression::Gzip => Some(self.gzip_level).filter(|level| *level > 0),
            Compression::Zstd => Some(self.zstd_level),
            _ => None,
        };
        Some((codec, level))
    }
}

/// Types of values as the protocol numbers them (KIP-569).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ValueType {
    Boolean = 1,
    String = 2,
    Int = 3,
    Long = 5,
    Double = 6,
    List = 7,
}

/// One topic property.
pub(crate) struct TopicProperty {
    pub(crate) name: &'static str,
    pub(crate) value_type: ValueType,
    pub(crate) default: &'static str,
    /// Broker properties that stand in for it, most important first, each with what its unit is
    /// multiplied by.
    pub(crate) synonyms: &'static [(&'static str, i64)],
    pub(crate) documentation: &'static str,
    set: fn(&mut TopicConfig, &str) -> Result<(), String>,
}

impl TopicProperty {
    /// All of them, sorted by name.
    pub(crate) fn all() -> &'static [TopicProperty] {
        table::PROPERTIES
    }

    pub(crate) fn named(name: &str) -> Option<&'static TopicProperty> {
        table::PROPERTIES
            .iter()
            .find(|property| property.name == name)
    }

    /// The property that a broker property stands in for, and the factor of its unit.
    pub(crate) fn behind(broker_name: &str) -> Option<(&'static TopicProperty, i64)> {
        table::PROPERTIES.iter().find_map(|property| {
            let mut synonyms = property.synonyms.iter();
            let found = synonyms.find(|(name, _)| *name == broker_name);
            found.map(|(_, factor)| (property, *factor))
        })
    }

    /// The names of all broker properties that stand in for one.
    pub(crate) fn broker_names() -> impl Iterator<Item = &'static str> {
        let all = table::PROPERTIES.iter();
        all.flat_map(|property| property.synonyms.iter().map(|(name, _)| *name))
    }

    /// The known topic property whose name is most like `name`.
    pub(crate) fn nearest(name: &str) -> Option<String> {
        nearest_of(table::PROPERTIES.iter().map(|property| property.name), name)
    }

    /// Sets it; the reason says what a good value looks like.
    pub(crate) fn set(&self, config: &mut TopicConfig, value: &str) -> Result<(), String> {
        (self.set)(config, value.trim())
    }

    /// Whether it could be set to `value`.
    pub(crate) fn check(&self, value: &str) -> Result<(), String> {
        self.set(&mut TopicConfig::default(), value)
    }
}

/// A broker's value in the unit of the topic; −1 stands for no limit in every unit.
pub(crate) fn in_topic_unit(value: &str, factor: i64) -> String {
    match value.trim().parse::<i64>() {
        Ok(number) if factor != 1 && number > 0 => number.saturating_mul(factor).to_string(),
        _ => value.trim().to_owned(),
    }
}

#[cfg(test)]
mod tests;
