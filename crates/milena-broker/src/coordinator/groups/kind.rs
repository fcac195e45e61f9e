//! The two kinds of groups, and what they have in common.

use std::sync::Arc;

use tokio::time::Instant;

use crate::coordinator::consumer_group::ConsumerGroup;
use crate::coordinator::group::{Action, Group};
use crate::storage::GroupRecord;

/// A group of either protocol.
#[derive(Debug)]
pub(crate) enum Kind {
    /// JoinGroup and SyncGroup; a member assigns.
    Classic(Group),
    /// ConsumerGroupHeartbeat; the coordinator assigns (KIP-848).
    Consumer(ConsumerGroup),
}

impl Kind {
    /// Apache Kafka's name for the kind, as ListGroups tells it.
    pub(crate) fn type_name(&self) -> &'static str {
        match self {
            Kind::Classic(_) => "classic",
            Kind::Consumer(_) => "consumer",
        }
    }

    pub(crate) fn state_name(&self) -> &'static str {
        match self {
            Kind::Classic(group) => group.state().name(),
            Kind::Consumer(group) => group.state_name(),
        }
    }

    pub(crate) fn protocol_type(&self) -> Option<Arc<str>> {
        match self {
            Kind::Classic(group) => group.protocol_type().cloned(),
            Kind::Consumer(_) => Some(Arc::from("consumer")),
        }
    }

    /// Whether anyone is in the group or about to be.
    pub(crate) fn is_inhabited(&self) -> bool {
        match self {
            Kind::Classic(group) => group.is_inhabited(),
            Kind::Consumer(group) => !group.is_empty(),
        }
    }

    pub(super) fn tick(&mut self, now: Instant, actions: &mut Vec<Action>) {
        match self {
            Kind::Classic(group) => group.tick(now, actions),
            Kind::Consumer(group) => {
                group.tick(now);
                if group.take_changed() {
                    actions.push(Action::Persist);
                }
            }
        }
    }

    pub(super) fn next_deadline(&self) -> Option<Instant> {
        match self {
            Kind::Classic(group) => group.next_deadline(),
            Kind::Consumer(group) => group.next_deadline(),
        }
    }

    /// What is to be written down of it.
    pub(super) fn record(&self, group: &Arc<str>) -> GroupRecord {
        let id = group.clone();
        match self {
            Kind::Classic(group) => GroupRecord::Members {
                group: id,
                snapshot: group.snapshot(),
            },
            Kind::Consumer(group) => GroupRecord::ConsumerMembers {
                group: id,
                snapshot: group.snapshot(),
            },
        }
    }
}
