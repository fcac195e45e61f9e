//! Whether a consumer is as alive as it should be.
//!
//! Owns the public picture of its state; what the state is, others know.

use std::time::Duration;

use super::Consumer;
use crate::error::Error;

/// The state of a consumer at one moment.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ConsumerHealth {
    /// Whether it is a member of its group, or needs none.
    pub is_member: bool,
    /// Whether it left the group because the application did not poll.
    pub is_stalled: bool,
    /// How long ago the coordinator last answered; none outside of groups.
    pub last_heard: Option<Duration>,
    /// The group's generation, of a member.
    pub generation: Option<i32>,
    /// The member id the coordinator gave, of a member.
    pub member_id: Option<String>,
    /// How many partitions it consumes.
    pub partitions_count: usize,
    /// The error that ended it, if one did.
    pub fatal: Option<Error>,
}

impl Consumer {
    /// Whether records can come: it is not closed, not ended by an error, and,
    /// when it subscribes, a member of its group that hears of its coordinator.
    pub fn is_alive(&self) -> bool {
        let health = self.health();
        let is_heard = health
            .last_heard
            .is_none_or(|ago| ago < self.shared.config.session_timeout);
        !self.shared.is_closed() && health.fatal.is_none() && health.is_member && is_heard
    }

    /// How it stands with this consumer.
    pub fn health(&self) -> ConsumerHealth {
        let membership = self.group.as_ref().and_then(|group| group.status());
        let partitions_count = self.shared.partitions().names().count();
        let fatal = self.shared.fatal();
        let Some(status) = membership else {
            return ConsumerHealth {
                is_member: true,
                is_stalled: false,
                last_heard: None,
                generation: None,
                member_id: None,
                partitions_count,
                fatal,
            };
        };
        let is_member = status.identity.is_member();
        ConsumerHealth {
            is_member,
            is_stalled: status.is_stalled,
            last_heard: Some(status.last_heard.elapsed()),
            generation: is_member.then_some(status.identity.generation),
            member_id: is_member.then_some(status.identity.member_id),
            partitions_count,
            fatal,
        }
    }
}
