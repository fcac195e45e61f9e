//! What a position does when records before it are gone from the log (KIP-320).
//!
//! Owns when a leader is asked, and what follows from its answer; what an answer says is
//! `validation`'s.

use std::time::Duration;

use tokio::time::Instant;

use super::{Incarnation, OffsetAndEpoch, Position, Question};
use crate::consumer::config::OffsetReset;
use crate::consumer::validation::{EpochEnd, EpochQuery, Verdict};

/// How long metadata may lag behind a leader epoch that was committed: a broker that has not heard
/// of it would say that the log lacks it.
const METADATA_LAG_MAX: Duration = Duration::from_secs(10);

/// What a position does about records that are gone from the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TruncationAction {
    /// None are, or the answer is to an older question: nothing.
    GoOn,
    /// Only of what was fetched ahead: it is fetched again.
    Refetch,
    /// The policy says where to go on: at the first offset that is gone, if that is known.
    Move { from: i64, to: Option<i64> },
    /// The application must know; only a seek helps.
    SurfaceAndStop {
        position: i64,
        gone_from: Option<i64>,
    },
}

impl Position {
    /// The question about the epoch of what was fetched, if it is to be asked now.
    pub(super) fn take_epoch_query(&mut self, now: Instant) -> Option<(Question, Incarnation)> {
        if !self.is_checking() || self.leader.is_none() {
            return None;
        }
        if !self.needs_newer_metadata() {
            self.lags_since = None;
        } else if now < *self.lags_since.get_or_insert(now) + METADATA_LAG_MAX {
            return None;
        }
        let query = self.validation.take_query(self.leader_epoch)?;
        Some((Question::EpochEnd(query), self.incarnation))
    }

    /// Whether nothing can be asked about the position's epoch before newer metadata comes.
    pub(crate) fn needs_newer_metadata(&self) -> bool {
        self.is_checking() && self.validation.fetched() > self.leader_epoch
    }

    /// Whether the position is to be checked before anything is fetched. Leaders without an epoch
    /// cannot be asked.
    pub(super) fn is_checking(&self) -> bool {
        self.validation.is_open() && self.leader_epoch >= 0
    }

    /// Takes in where the epoch of what was fetched ends.
    pub(crate) fn on_epoch_end(
        &mut self,
        asked: Incarnation,
        query: EpochQuery,
        end: EpochEnd,
        policy: OffsetReset,
        now: Instant,
    ) -> TruncationAction {
        let is_answer = asked == self.incarnation && self.is_known();
        if !is_answer || !self.validation.take_asked(query) {
            return TruncationAction::GoOn;
        }
        self.on_success();
        self.on_checked(end, policy, now)
    }

    /// The leader cannot be asked: go on without.
    pub(crate) fn on_epoch_unsupported(&mut self, asked: Incarnation, query: EpochQuery) {
        if asked == self.incarnation {
            self.validation.take_asked(query);
        }
    }

    /// Takes in that the log of the broker that was asked for records parts from what was fetched.
    pub(crate) fn on_diverging(
        &mut self,
        asked: Incarnation,
        fetched_from: i64,
        end: EpochEnd,
        policy: OffsetReset,
        now: Instant,
    ) -> TruncationAction {
        if !self.expects(asked, fetched_from) || self.is_checking() {
            return TruncationAction::GoOn;
        }
        self.on_checked(end, policy, now)
    }

    fn on_checked(&mut self, end: EpochEnd, policy: OffsetReset, now: Instant) -> TruncationAction {
        let from = self.handed_out;
        let verdict = self.validation.judge(end, from, self.fetch_offset);
        let gone_from = match verdict {
            Verdict::Intact => return TruncationAction::GoOn,
            Verdict::FetchedGone => {
                self.refetch();
                if end.epoch < self.validation.handed_out() {
                    // What was handed out has an epoch that the leader does not know, either.
                    self.validation.on_new_leader();
                }
                return TruncationAction::Refetch;
            }
            Verdict::GoneFrom(offset) => Some(offset),
            Verdict::Gone => None,
        };
        match gone_from.filter(|_| policy != OffsetReset::None) {
            Some(offset) => {
                self.jump();
                let leader_epoch = end.epoch;
                self.start_at(OffsetAndEpoch {
                    offset,
                    leader_epoch,
                });
                self.validation.start_checked(leader_epoch);
            }
            None if !self.reset(policy) => {
                return TruncationAction::SurfaceAndStop {
                    position: from,
                    gone_from,
                };
            }
            // Not at once: the answer may stay the same (PITFALLS 10).
            None => self.pause_after_error(now),
        }
        TruncationAction::Move {
            from,
            to: gone_from,
        }
    }
}
