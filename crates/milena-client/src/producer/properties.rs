//! Kafka's and librdkafka's names for the producer's settings.

use milena_wire::compression::Compression;

use super::config::{Acks, ProducerConfig};
use crate::config::{Configurable, Property};
use crate::error::Error;
use crate::partitioner::{KeyHash, Keyless, Partitioning};

impl Configurable for ProducerConfig {
    const PROPERTIES: &'static [Property<Self>] = &[
        Property::new(&["acks", "request.required.acks"], |config, value| {
            let words = [
                ("all", Acks::All),
                ("-1", Acks::All),
                ("1", Acks::Leader),
                ("0", Acks::None),
            ];
            config.acks = value.one_of(&words)?;
            Ok(())
        }),
        Property::new(&["enable.idempotence"], |config, value| {
            config.enable_idempotence = Some(value.boolean()?);
            Ok(())
        }),
        Property::new(&["linger.ms", "queue.buffering.max.ms"], |config, value| {
            config.linger = value.milliseconds()?;
            Ok(())
        }),
        Property::new(&["batch.size"], |config, value| {
            config.batch_bytes_max = value.bytes()?;
            Ok(())
        }),
        Property::new(
            &["max.request.size", "message.max.bytes"],
            |config, value| {
                config.request_bytes_max = value.bytes()?;
                Ok(())
            },
        ),
        Property::new(&["buffer.memory"], |config, value| {
            config.buffer_bytes_max = value.bytes()?;
            Ok(())
        }),
        Property::new(&["queue.buffering.max.kbytes"], |config, value| {
            let kilobytes: usize = value.number()?;
            config.buffer_bytes_max = kilobytes.saturating_mul(1024);
            Ok(())
        }),
        Property::new(&["max.block.ms"], |config, value| {
            config.max_block = value.milliseconds()?;
            Ok(())
        }),
        Property::new(
            &["delivery.timeout.ms", "message.timeout.ms"],
            |config, value| {
                config.delivery_timeout = value.milliseconds()?;
                Ok(())
            },
        ),
        Property::new(&["transactional.id"], |config, value| {
            config.transactional_id = Some(value.text().to_owned());
            Ok(())
        }),
        Property::new(&["transaction.timeout.ms"], |config, value| {
            config.transaction_timeout = value.milliseconds()?;
            Ok(())
        }),
        Property::new(&["request.timeout.ms"], |config, value| {
            config.request_timeout = value.milliseconds()?;
            Ok(())
        }),
        Property::new(
            &["max.in.flight.requests.per.connection", "max.in.flight"],
            |config, value| {
                config.in_flight_per_partition_max = value.number()?;
                Ok(())
            },
        ),
        Property::new(&["partitioner.class"], |config, value| {
            config.partitioning = value.one_of(&[
                ("RoundRobinPartitioner", Partitioning::RoundRobin),
                (
                    "org.apache.kafka.clients.producer.RoundRobinPartitioner",
                    Partitioning::RoundRobin,
                ),
            ])?;
            Ok(())
        }),
        Property::new(&["partitioner"], |config, value| {
            let by = |hash, keyless| Partitioning::Hash { hash, keyless };
            config.partitioning = value.one_of(&[
                ("murmur2_random", by(KeyHash::Murmur2, Keyless::Sticky)),
                ("murmur2", by(KeyHash::Murmur2, Keyless::Hashed)),
                ("consistent_random", by(KeyHash::Crc32, Keyless::Sticky)),
                ("consistent", by(KeyHash::Crc32, Keyless::Hashed)),
                ("fnv1a_random", by(KeyHash::Fnv1a, Keyless::Sticky)),
                ("fnv1a", by(KeyHash::Fnv1a, Keyless::Hashed)),
                ("random", Partitioning::Sticky),
            ])?;
            Ok(())
        }),
        Property::new(&["partitioner.ignore.keys"], |config, value| {
            if value.boolean()? {
                config.partitioning = Partitioning::Sticky;
            }
            Ok(())
        }),
        Property::new(
            &["partitioner.adaptive.partitioning.enable"],
            |config, value| {
                config.adaptive_partitioning = value.boolean()?;
                Ok(())
            },
        ),
        Property::new(&["partitioner.availability.timeout.ms"], |config, value| {
            let timeout = value.milliseconds()?;
            config.availability_timeout = Some(timeout).filter(|timeout| !timeout.is_zero());
            Ok(())
        }),
        Property::new(
            &["compression.type", "compression.codec"],
            |config, value| {
                let text = value.text();
                config.compression = text
                    .parse::<Compression>()
                    .map_err(|_| value.error("expected none, gzip, snappy, lz4 or zstd"))?;
                Ok(())
            },
        ),
        Property::new(
            &[
                "compression.level",
                "compression.gzip.level",
                "compression.lz4.level",
                "compression.zstd.level",
            ],
            |config, value| -> Result<(), Error> {
                config.compression_level = Some(value.number()?);
                Ok(())
            },
        ),
    ];
}
