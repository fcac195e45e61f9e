//! What a classic leader does for its group.
//!
//! Owns the watch over the topics that the assignment is based on, and the running
//! of the assignor.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tokio::time::Instant;

use super::Driver;
use crate::consumer::shared::Shared;
use crate::group::assignor::{Assignments, Assignor, MemberSubscription};

impl Driver {
    /// The leader's assignment is based on these.
    pub(super) fn watch(&mut self, watched: BTreeMap<Arc<str>, i32>) {
        self.shared.client.metadata().track(watched.keys().cloned());
        self.unwatch();
        self.watched = watched;
    }

    pub(super) fn unwatch(&mut self) {
        let watched = std::mem::take(&mut self.watched);
        self.shared
            .client
            .metadata()
            .untrack(watched.keys().map(AsRef::as_ref));
    }

    /// Topics that do not exist yet are asked for more often than metadata is
    /// refreshed otherwise.
    pub(super) fn look_for_missing(&mut self, now: Instant) {
        let is_missing = self.watched.values().any(|count| *count == 0);
        if !is_missing || !self.member.is_leader() {
            self.look_again_at = None;
        } else if self.look_again_at.is_none_or(|at| at <= now) {
            self.look_again_at = Some(now + self.shared.client.config().retry_backoff_max);
            self.shared.client.metadata().request_refresh();
        }
    }

    /// Partitions were added, or a topic has come or gone: assign anew.
    pub(super) fn check_watched(&mut self) {
        if self.watched.is_empty() || !self.member.is_leader() {
            return;
        }
        let topics: BTreeSet<Arc<str>> = self.watched.keys().cloned().collect();
        let current = partition_counts(&self.shared, &topics);
        if current != self.watched {
            // Not again for the same change.
            self.watched = current;
            self.member.request_rejoin();
        }
    }
}

/// Runs the assignor on what there is to assign; none when the cluster does not
/// tell.
pub(super) async fn assign(
    shared: &Shared,
    assignor: Assignor,
    members: &[MemberSubscription],
) -> Option<(Assignments, BTreeMap<Arc<str>, i32>)> {
    let topics: BTreeSet<Arc<str>> = members
        .iter()
        .flat_map(|member| member.topics.iter().cloned())
        .collect();
    let metadata = shared.client.metadata();
    metadata.track(topics.iter().cloned());
    let deadline = Instant::now() + shared.client.config().request_timeout;
    let refreshed = metadata.refreshed(deadline).await;
    let counts = partition_counts(shared, &topics);
    metadata.untrack(topics.iter().map(AsRef::as_ref));
    if let Err(error) = refreshed {
        tracing::warn!(event = "group_assign_failed", %error);
        return None;
    }
    let existing = counts.iter().filter(|(_, count)| **count > 0);
    let existing: BTreeMap<Arc<str>, i32> = existing
        .map(|(topic, count)| (Arc::clone(topic), *count))
        .collect();
    for topic in counts
        .iter()
        .filter(|(_, count)| **count == 0)
        .map(|(topic, _)| topic)
    {
        tracing::warn!(event = "group_topic_unknown", %topic);
    }
    Some((assignor.assign(members, &existing), counts))
}

/// The number of partitions of each topic; 0 of those that do not exist.
fn partition_counts(shared: &Shared, topics: &BTreeSet<Arc<str>>) -> BTreeMap<Arc<str>, i32> {
    let snapshot = shared.client.metadata().snapshot();
    let count_of = |topic: &Arc<str>| {
        let partitions = snapshot
            .topic(topic)
            .map_or(0, |topic| topic.partitions.len());
        (
            Arc::clone(topic),
            i32::try_from(partitions).unwrap_or(i32::MAX),
        )
    };
    topics.iter().map(count_of).collect()
}
