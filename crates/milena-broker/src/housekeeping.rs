//! What a broker does by itself from time to time: retention, expiry, flushing.
//!
//! Owns the timers only; what is done is known to the logs and coordinators.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Interval, MissedTickBehavior};

use crate::clock;
use crate::log::FlushDepth;
use crate::node::Node;
use crate::server::stopped;

/// Far enough away for any process.
const NEVER: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

/// Runs until the broker stops.
pub(crate) async fn run(node: Arc<Node>, mut stop: watch::Receiver<bool>) {
    let mut cleaning = every(node.config.retention_check_interval);
    let mut compactions = every(node.config.compaction_interval);
    let mut checkpoints = every(node.config.checkpoint_interval);
    let mut flushes = every(node.config.flush_interval.unwrap_or(NEVER));
    loop {
        tokio::select! {
            _ = cleaning.tick() => clean(&node),
            _ = compactions.tick() => compact_in_background(&node).await,
            _ = checkpoints.tick() => flush_in_background(&node, FlushDepth::Checkpoint).await,
            _ = flushes.tick() => flush_in_background(&node, FlushDepth::Records).await,
            () = stopped(&mut stop) => return,
        }
    }
}

/// A timer whose first tick is a period away.
fn every(period: Duration) -> Interval {
    let mut interval = tokio::time::interval_at(clock::now() + period, period);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    interval
}

/// Runs the timers of the groups until the broker stops.
pub(crate) async fn run_groups(node: Arc<Node>, stop: watch::Receiver<bool>) {
    node.groups.run(stop).await;
}

/// Runs the timers of the transactions until the broker stops.
pub(crate) async fn run_transactions(node: Arc<Node>, stop: watch::Receiver<bool>) {
    node.transactions.run(&node, stop).await;
}

fn clean(node: &Node) {
    let now_ms = clock::wall_ms();
    let config = &node.config;
    let expiration = i64::try_from(config.producer_id_expiration.as_millis()).unwrap_or(i64::MAX);
    let producers_oldest_ms = now_ms.saturating_sub(expiration);
    let offsets_retention = i64::try_from(config.offsets_retention.as_millis()).unwrap_or(i64::MAX);
    node.groups.expire(now_ms.saturating_sub(offsets_retention));
    let ids_retention = i64::try_from(config.transactional_id_expiration.as_millis());
    node.transactions
        .expire(now_ms.saturating_sub(ids_retention.unwrap_or(i64::MAX)));
    for topic in node.topics.all() {
        let config = topic.config();
        let deletes = config.cleanup.deletes;
        let keep_ms = config.retention_ms.filter(|_| deletes);
        let before_ms = keep_ms.map(|keep| now_ms.saturating_sub(keep));
        let bytes_max = config.retention_bytes.filter(|_| deletes);
        for partition in topic.partitions() {
            let cleaned = partition
                .log
                .clean(before_ms, bytes_max, producers_oldest_ms);
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

/// Compacts what is due, one log after the other. Blocks for the disk.
fn compact_all(node: &Node) {
    let now_ms = clock::wall_ms();
    for topic in node.topics.all() {
        let config = topic.config();
        if !config.cleanup.compacts {
            continue;
        }
        for partition in topic.partitions() {
            match partition.log.compact(&config, now_ms) {
                Ok(false) => {}
                Ok(true) => tracing::debug!(
                    event = "compacted",
                    topic = %partition.topic,
                    partition = partition.index,
                ),
                Err(error) => tracing::error!(
                    event = "compaction_failed",
                    topic = %partition.topic,
                    partition = partition.index,
                    error = %error,
                ),
            }
        }
    }
}

async fn compact_in_background(node: &Arc<Node>) {
    let node = node.clone();
    let compacted = tokio::task::spawn_blocking(move || compact_all(&node)).await;
    if let Err(error) = compacted {
        tracing::error!(event = "compaction_failed", error = %error);
    }
}

/// Flushes what is not on disk yet, one log after the other. Blocks for the disk.
pub(crate) fn flush_all(node: &Node, depth: FlushDepth) {
    for topic in node.topics.all() {
        for partition in topic.partitions() {
            if !partition.log.needs_flush(depth) {
                continue;
            }
            if let Err(error) = partition.log.flush(depth) {
                tracing::error!(
                    event = "flush_failed",
                    topic = %partition.topic,
                    partition = partition.index,
                    error = %error,
                );
            }
        }
    }
    if let Err(error) = node.storage.flush_journals() {
        tracing::error!(event = "flush_failed", error = %error);
    }
}

async fn flush_in_background(node: &Arc<Node>, depth: FlushDepth) {
    let node = node.clone();
    let flushed = tokio::task::spawn_blocking(move || flush_all(&node, depth)).await;
    if let Err(error) = flushed {
        tracing::error!(event = "flush_failed", error = %error);
    }
}
