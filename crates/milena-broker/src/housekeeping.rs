//! What a broker does by itself from time to time: retention, expiry, flushing.
//!
//! Owns the timers only; what is done is known to the logs and coordinators.

use std::sync::Arc;

use tokio::sync::watch;

use crate::clock;
use crate::node::Node;
use crate::server::stopped;

/// Runs until the broker stops.
pub(crate) async fn run(node: Arc<Node>, mut stop: watch::Receiver<bool>) {
    let period = node.config.retention_check_interval;
    let mut cleaning = tokio::time::interval_at(clock::now() + period, period);
    cleaning.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = cleaning.tick() => clean(&node),
            () = stopped(&mut stop) => return,
        }
    }
}

/// Runs the timers of the groups until the broker stops.
pub(crate) async fn run_groups(node: Arc<Node>, stop: watch::Receiver<bool>) {
    node.groups.run(stop).await;
}

fn clean(node: &Node) {
    let now_ms = clock::wall_ms();
    let config = &node.config;
    let before_ms = config.retention_ms.map(|keep| now_ms.saturating_sub(keep));
    let expiration = i64::try_from(config.producer_id_expiration.as_millis()).unwrap_or(i64::MAX);
    let producers_oldest_ms = now_ms.saturating_sub(expiration);
    let offsets_retention = i64::try_from(config.offsets_retention.as_millis()).unwrap_or(i64::MAX);
    node.groups.expire(now_ms.saturating_sub(offsets_retention));
    for topic in node.topics.all() {
        for partition in topic.partitions() {
            let cleaned =
                partition
                    .log
                    .clean(before_ms, config.retention_bytes, producers_oldest_ms);
            if let Err(error) = cleaned {
                tracing::error!(
                    event = "retention_failed",
                    topic = %partition.topic,
                    partition = partition.index,
                    error = %error,
                );
            }
        }
    }
}

/// Brings every log to disk.
pub(crate) fn flush_all(node: &Node) {
    for topic in node.topics.all() {
        for partition in topic.partitions() {
            if let Err(error) = partition.log.flush() {
                tracing::error!(
                    event = "flush_failed",
                    topic = %partition.topic,
                    partition = partition.index,
                    error = %error,
                );
            }
        }
    }
}
