//! The table of topic properties. Data only.

use milena_wire::batch::TimestampType;
use milena_wire::compression::Compression;

use super::{Cleanup, TopicConfig, TopicProperty, ValueType};
use crate::config::properties::{boolean, unlimited, within};

const MINUTE_MS: i64 = 60 * 1000;
const HOUR_MS: i64 = 60 * MINUTE_MS;

type Set = fn(&mut TopicConfig, &str) -> Result<(), String>;

const fn property(
    name: &'static str,
    (value_type, default): (ValueType, &'static str),
    synonyms: &'static [(&'static str, i64)],
    documentation: &'static str,
    set: Set,
) -> TopicProperty {
    TopicProperty {
        name,
        value_type,
        default,
        synonyms,
        documentation,
        set,
    }
}

/// Every topic property, in the order of their names.
pub(super) const PROPERTIES: &[TopicProperty] = &[
    property(
        "cleanup.policy",
        (ValueType::List, "delete"),
        &[("log.cleanup.policy", 1)],
        "What happens to old records: delete drops old segments, compact keeps the last record of each key.",
        |config, value| {
            config.cleanup = cleanup(value)?;
            Ok(())
        },
    ),
    property(
        "compression.gzip.level",
        (ValueType::Int, "-1"),
        &[("compression.gzip.level", 1)],
        "The level when compression.type is gzip: 1 to 9, or -1 for its default.",
        |config, value| {
            config.gzip_level = level(value, Compression::Gzip)?;
            Ok(())
        },
    ),
    property(
        "compression.lz4.level",
        (ValueType::Int, "9"),
        &[("compression.lz4.level", 1)],
        "The level when compression.type is lz4, 1 to 17; without effect, there is one.",
        |_, value| within(value, 1, 17).map(drop),
    ),
    property(
        "compression.type",
        (ValueType::String, "producer"),
        &[("compression.type", 1)],
        "What batches are compressed with in the log; producer keeps what the producer chose.",
        |config, value| {
            config.compression = compression(value)?;
            Ok(())
        },
    ),
    property(
        "compression.zstd.level",
        (ValueType::Int, "3"),
        &[("compression.zstd.level", 1)],
        "The level when compression.type is zstd.",
        |config, value| {
            config.zstd_level = level(value, Compression::Zstd)?;
            Ok(())
        },
    ),
    property(
        "delete.retention.ms",
        (ValueType::Long, "86400000"),
        &[("log.cleaner.delete.retention.ms", 1)],
        "How long a compacted topic keeps a record without value, so that readers see the deletion.",
        |config, value| {
            config.delete_retention_ms = within(value, 0, i64::MAX)?;
            Ok(())
        },
    ),
    property(
        "file.delete.delay.ms",
        (ValueType::Long, "60000"),
        &[("log.segment.delete.delay.ms", 1)],
        "Kept, without effect: files are deleted at once.",
        |_, value| within(value, 0, i64::MAX).map(drop),
    ),
    property(
        "flush.messages",
        (ValueType::Long, "9223372036854775807"),
        &[("log.flush.interval.messages", 1)],
        "After how many records a log is flushed to disk before they are acknowledged.",
        |config, value| {
            config.flush_messages = within(value, 1, i64::MAX as u64)?;
            Ok(())
        },
    ),
    property(
        "index.interval.bytes",
        (ValueType::Int, "4096"),
        &[("log.index.interval.bytes", 1)],
        "How many bytes of a segment share an entry of its index.",
        |config, value| {
            config.index_interval_bytes = within(value, 0, 1 << 30)?;
            Ok(())
        },
    ),
    property(
        "max.compaction.lag.ms",
        (ValueType::Long, "9223372036854775807"),
        &[("log.cleaner.max.compaction.lag.ms", 1)],
        "Records older than this are compacted however little is new.",
        |config, value| {
            config.compaction_lag_max_ms = within(value, 1, i64::MAX)?;
            Ok(())
        },
    ),
    property(
        "max.message.bytes",
        (ValueType::Int, "1048588"),
        &[("message.max.bytes", 1)],
        "The largest batch that is taken, in bytes after compression.",
        |config, value| {
            config.batch_bytes_max = within(value, 0, i32::MAX as usize)?;
            Ok(())
        },
    ),
    property(
        "message.timestamp.after.max.ms",
        (ValueType::Long, "3600000"),
        &[("log.message.timestamp.after.max.ms", 1)],
        "How far a record's timestamp may be ahead of the broker's clock.",
        |config, value| {
            config.timestamp_after_max_ms = within(value, 0, i64::MAX)?;
            Ok(())
        },
    ),
    property(
        "message.timestamp.before.max.ms",
        (ValueType::Long, "9223372036854775807"),
        &[("log.message.timestamp.before.max.ms", 1)],
        "How far a record's timestamp may be behind the broker's clock.",
        |config, value| {
            config.timestamp_before_max_ms = within(value, 0, i64::MAX)?;
            Ok(())
        },
    ),
    property(
        "message.timestamp.type",
        (ValueType::String, "CreateTime"),
        &[("log.message.timestamp.type", 1)],
        "CreateTime keeps the producer's timestamps, LogAppendTime replaces them by the time of arrival.",
        |config, value| {
            config.timestamp_type = timestamp_type(value)?;
            Ok(())
        },
    ),
    property(
        "min.cleanable.dirty.ratio",
        (ValueType::Double, "0.5"),
        &[("log.cleaner.min.cleanable.ratio", 1)],
        "How much of a log must be new before it is compacted, 0 to 1.",
        |config, value| {
            config.dirty_ratio_min = within(value, 0.0, 1.0)?;
            Ok(())
        },
    ),
    property(
        "min.compaction.lag.ms",
        (ValueType::Long, "0"),
        &[("log.cleaner.min.compaction.lag.ms", 1)],
        "Records younger than this are not compacted.",
        |config, value| {
            config.compaction_lag_min_ms = within(value, 0, i64::MAX)?;
            Ok(())
        },
    ),
    property(
        "min.insync.replicas",
        (ValueType::Int, "1"),
        &[("min.insync.replicas", 1)],
        "In how many replicas a record must be before acks=all is answered; never more than there are.",
        |_, value| within(value, 1, i32::MAX).map(drop),
    ),
    property(
        "preallocate",
        (ValueType::Boolean, "false"),
        &[("log.preallocate", 1)],
        "Kept, without effect: files grow as they are written.",
        |_, value| boolean(value).map(drop),
    ),
    property(
        "retention.bytes",
        (ValueType::Long, "-1"),
        &[("log.retention.bytes", 1)],
        "How large a partition may grow before its oldest records are deleted; -1 is unlimited.",
        |config, value| {
            config.retention_bytes = unlimited(value)?;
            Ok(())
        },
    ),
    property(
        "retention.ms",
        (ValueType::Long, "-1"),
        &[
            ("log.retention.ms", 1),
            ("log.retention.minutes", MINUTE_MS),
            ("log.retention.hours", HOUR_MS),
        ],
        "How old records may get before they are deleted; -1 keeps them for ever.",
        |config, value| {
            let number = within(value, -1, i64::MAX)?;
            config.retention_ms = (number >= 0).then_some(number);
            Ok(())
        },
    ),
    property(
        "segment.bytes",
        (ValueType::Int, "1073741824"),
        &[("log.segment.bytes", 1)],
        "How large a segment may grow before the next one is begun.",
        |config, value| {
            config.segment_bytes = within(value, 1024, i32::MAX as u64)?;
            Ok(())
        },
    ),
    property(
        "segment.index.bytes",
        (ValueType::Int, "10485760"),
        &[("log.index.size.max.bytes", 1)],
        "Kept, without effect: an index has no limit of its own.",
        |_, value| within(value, 4, i32::MAX).map(drop),
    ),
    property(
        "segment.jitter.ms",
        (ValueType::Long, "0"),
        &[
            ("log.roll.jitter.ms", 1),
            ("log.roll.jitter.hours", HOUR_MS),
        ],
        "Kept, without effect: segments are begun when they are due.",
        |_, value| within(value, 0, i64::MAX).map(drop),
    ),
    property(
        "segment.ms",
        (ValueType::Long, "604800000"),
        &[("log.roll.ms", 1), ("log.roll.hours", HOUR_MS)],
        "How much time a segment may span before the next one is begun.",
        |config, value| {
            config.segment_ms = within(value, 1, i64::MAX)?;
            Ok(())
        },
    ),
    property(
        "unclean.leader.election.enable",
        (ValueType::Boolean, "false"),
        &[("unclean.leader.election.enable", 1)],
        "Kept, without effect: there is one replica.",
        |_, value| boolean(value).map(drop),
    ),
];

fn cleanup(value: &str) -> Result<Cleanup, String> {
    let expected = || "delete, compact, or both with a comma in between are expected".to_owned();
    let mut cleanup = Cleanup {
        deletes: false,
        compacts: false,
    };
    for policy in value.split(',').map(str::trim) {
        match policy {
            "delete" => cleanup.deletes = true,
            "compact" => cleanup.compacts = true,
            _ => return Err(expected()),
        }
    }
    Ok(cleanup)
}

fn compression(value: &str) -> Result<Option<Compression>, String> {
    Ok(match value {
        "producer" => None,
        "uncompressed" => Some(Compression::None),
        "gzip" => Some(Compression::Gzip),
        "snappy" => Some(Compression::Snappy),
        "lz4" => Some(Compression::Lz4),
        "zstd" => Some(Compression::Zstd),
        _ => {
            return Err("producer, uncompressed, gzip, snappy, lz4 or zstd is expected".to_owned());
        }
    })
}

fn level(value: &str, compression: Compression) -> Result<i32, String> {
    let level = within(value, i32::MIN, i32::MAX)?;
    let is_default = compression == Compression::Gzip && level == -1;
    let checked = compression.check_level(Some(level).filter(|_| !is_default));
    checked.map(|()| level).map_err(|error| error.to_string())
}

fn timestamp_type(value: &str) -> Result<TimestampType, String> {
    match value {
        "CreateTime" => Ok(TimestampType::CreateTime),
        "LogAppendTime" => Ok(TimestampType::LogAppendTime),
        _ => Err("CreateTime or LogAppendTime is expected".to_owned()),
    }
}
