//! The producer's background task: follows metadata, gives up overdue batches, and finishes what
//! was accepted when the last handle is dropped.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::limits::{EXPIRY_INTERVAL_MAX, EXPIRY_INTERVAL_MIN};
use super::shared::Shared;
use super::topic::{Topic, leader_of};
use crate::metadata::TopicMetadata;

/// Runs until the producer stops.
pub(super) async fn run(shared: Arc<Shared>) {
    let mut stop = shared.stop.subscribe();
    let mut metadata_versions = shared.client.metadata().subscribe();
    let mut abandoned = shared.abandoned.subscribe();
    let interval = expiry_interval(shared.config.delivery_timeout);
    loop {
        let resting = rest_if_idle(&shared);
        tokio::select! {
            _ = stop.changed() => return,
            changed = metadata_versions.changed() => match changed {
                Ok(()) => apply_metadata(&shared),
                Err(_client_gone) => return,
            },
            () = shared.keeper.notified() => shared.fail_with_transaction(),
            () = tokio::time::sleep(interval), if !resting => expire(&shared),
            _ = abandoned.wait_for(|abandoned| *abandoned) => break,
        }
    }
    // Nobody is left to ask for a result, but what was accepted still goes out.
    shared.close();
    shared.wake_all();
    let flush = shared.flush(shared.config.delivery_timeout);
    tokio::pin!(flush);
    loop {
        tokio::select! {
            _settled = &mut flush => break,
            () = tokio::time::sleep(interval) => expire(&shared),
            changed = metadata_versions.changed() => match changed {
                Ok(()) => apply_metadata(&shared),
                Err(_client_gone) => break,
            },
        }
    }
    shared.shut_down();
}

fn expiry_interval(delivery_timeout: Duration) -> Duration {
    (delivery_timeout / 20).clamp(EXPIRY_INTERVAL_MIN, EXPIRY_INTERVAL_MAX)
}

/// Marks the producer as resting when it buffers nothing: the next batch wakes the keeper.
fn rest_if_idle(shared: &Shared) -> bool {
    if !shared.buffers.budget.is_unused() {
        return false;
    }
    shared.resting.store(true, Ordering::SeqCst);
    // A batch may have been opened before it could see the mark.
    let idle = shared.buffers.budget.is_unused();
    if !idle {
        shared.resting.store(false, Ordering::SeqCst);
    }
    idle
}

fn expire(shared: &Arc<Shared>) {
    let now = Instant::now();
    for topic in shared.topics() {
        for partition in topic.partitions().iter() {
            partition.expire(now, shared.config.delivery_timeout, |error| {
                if let Some(gate) = &shared.gate {
                    gate.on_record_failed(error);
                }
            });
        }
    }
    shared.fail_with_transaction();
}

/// Takes leaders and new partitions from the newest metadata. A topic missing from it keeps what
/// is known (pitfall 3): its batches wait, and give up at their delivery timeout.
fn apply_metadata(shared: &Arc<Shared>) {
    let snapshot = shared.client.metadata().snapshot();
    for topic in shared.topics() {
        if let Some(metadata) = snapshot.topics.get(&topic.name) {
            apply_topic(shared, &topic, metadata);
        }
    }
}

fn apply_topic(shared: &Arc<Shared>, topic: &Topic, metadata: &TopicMetadata) {
    let known = topic.partitions();
    for partition in known.iter() {
        if partition.set_leader(leader_of(metadata, partition.index)) && partition.has_unsent() {
            // A pause after an error was for the former leader.
            partition.window().end_pause();
            partition.clear_queued();
            shared.reroute(partition);
        }
    }
    if metadata.partitions.len() > known.len() {
        topic.grow(shared.new_partitions(metadata, known.len()));
    }
}
