//! librdkafka's property names for the settings that all clients share.

use crate::load::{BATCH_BYTES, BUFFER_BYTES, LINGER_MS, Load};
use rdkafka::ClientConfig;

pub(super) fn producer(load: &Load) -> ClientConfig {
    let mut config = ClientConfig::new();
    config
        .set("bootstrap.servers", &load.brokers)
        .set("acks", "all")
        .set("enable.idempotence", "true")
        .set("linger.ms", LINGER_MS.to_string())
        .set("compression.type", load.codec.name())
        .set("batch.size", BATCH_BYTES.to_string())
        // Bytes alone decide when a batch is full, as they do for the others.
        .set("batch.num.messages", "1000000")
        .set(
            "queue.buffering.max.kbytes",
            (BUFFER_BYTES / 1024).to_string(),
        )
        .set("queue.buffering.max.messages", "1000000");
    config
}

pub(super) fn consumer(load: &Load) -> ClientConfig {
    let mut config = ClientConfig::new();
    config
        .set("bootstrap.servers", &load.brokers)
        .set("group.id", "bench")
        .set("enable.auto.commit", "false")
        .set("auto.offset.reset", "earliest");
    config
}
