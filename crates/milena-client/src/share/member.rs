//! A member of a share group: joining, staying, starting over.
//!
//! Owns the member's epoch, its assignment and the timing of heartbeats; must not
//! know sockets or clocks.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::session::PartitionId;
use crate::backoff::Backoff;
use crate::wire::ErrorCode;

/// The epoch that asks to be taken in.
const EPOCH_JOIN: i32 = 0;
/// Until the coordinator says otherwise.
const INTERVAL_DEFAULT: Duration = Duration::from_secs(5);

/// A heartbeat to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ShareBeatCall {
    pub(super) epoch: i32,
    /// None when the coordinator knows.
    pub(super) topics: Option<BTreeSet<Arc<str>>>,
}

/// What the coordinator answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ShareBeat {
    pub(super) epoch: i32,
    pub(super) interval: Duration,
    /// None when it stays the same.
    pub(super) assigned: Option<BTreeSet<PartitionId>>,
}

/// Why it did not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ShareFailure {
    Code(ErrorCode),
    Unreachable,
    /// The cluster cannot do it at all.
    Unusable(String),
}

/// What follows from a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Consequence {
    TryAgain,
    FindCoordinator,
    Fatal,
}

/// The state of one member.
#[derive(Debug)]
pub(super) struct ShareMember {
    epoch: i32,
    topics: BTreeSet<Arc<str>>,
    told: Option<BTreeSet<Arc<str>>>,
    sending: Option<BTreeSet<Arc<str>>>,
    assigned: BTreeSet<PartitionId>,
    interval: Duration,
    next_beat: Instant,
    backoff: Backoff,
    is_over: bool,
}

impl ShareMember {
    pub(super) fn new(backoff: Backoff, now: Instant) -> Self {
        Self {
            epoch: EPOCH_JOIN,
            topics: BTreeSet::new(),
            told: None,
            sending: None,
            assigned: BTreeSet::new(),
            interval: INTERVAL_DEFAULT,
            next_beat: now,
            backoff,
            is_over: false,
        }
    }

    pub(super) fn assigned(&self) -> &BTreeSet<PartitionId> {
        &self.assigned
    }

    pub(super) fn is_member(&self) -> bool {
        self.epoch > EPOCH_JOIN
    }

    pub(super) fn subscribe(&mut self, topics: BTreeSet<Arc<str>>, now: Instant) {
        if topics != self.topics {
            self.topics = topics;
            self.next_beat = now;
        }
    }

    /// When there is something to send.
    pub(super) fn wake_at(&self) -> Option<Instant> {
        let wants = !self.is_over && (!self.topics.is_empty() || self.is_member());
        (wants && self.sending.is_none()).then_some(self.next_beat)
    }

    /// The heartbeat that is due, if one is.
    pub(super) fn take_call(&mut self, now: Instant) -> Option<ShareBeatCall> {
        if self.wake_at().is_none_or(|at| at > now) {
            return None;
        }
        let is_news = self.told.as_ref() != Some(&self.topics) || !self.is_member();
        self.sending = Some(self.topics.clone());
        Some(ShareBeatCall {
            epoch: self.epoch,
            topics: is_news.then(|| self.topics.clone()),
        })
    }

    /// The heartbeat was answered.
    pub(super) fn on_beat(&mut self, beat: ShareBeat, now: Instant) {
        self.backoff.reset();
        self.told = self.sending.take();
        self.epoch = beat.epoch;
        self.interval = beat.interval;
        if let Some(assigned) = beat.assigned {
            self.assigned = assigned;
        }
        let has_news = self.told.as_ref() != Some(&self.topics);
        self.next_beat = match has_news {
            true => now,
            false => now + self.interval,
        };
    }

    /// The heartbeat failed.
    pub(super) fn on_failure(&mut self, failure: &ShareFailure, now: Instant) -> Consequence {
        self.sending = None;
        self.told = None;
        self.next_beat = now + self.backoff.next_delay();
        let code = match failure {
            ShareFailure::Unreachable => return Consequence::FindCoordinator,
            ShareFailure::Unusable(_) => return self.end(),
            ShareFailure::Code(code) => *code,
        };
        match code {
            ErrorCode::NotCoordinator | ErrorCode::CoordinatorNotAvailable => {
                Consequence::FindCoordinator
            }
            ErrorCode::UnknownMemberId | ErrorCode::FencedMemberEpoch => self.start_over(),
            ErrorCode::GroupIdNotFound if self.is_member() => self.start_over(),
            code if code.is_retriable() => Consequence::TryAgain,
            _ => self.end(),
        }
    }

    fn start_over(&mut self) -> Consequence {
        self.epoch = EPOCH_JOIN;
        self.assigned.clear();
        Consequence::TryAgain
    }

    fn end(&mut self) -> Consequence {
        self.epoch = EPOCH_JOIN;
        self.assigned.clear();
        self.is_over = true;
        Consequence::Fatal
    }
}

#[cfg(test)]
mod tests;
