//! Where one partition is: the offsets fetched, handed out and processed.
//!
//! Owns the life of a position from "unknown" over the group's offset and the
//! reset policy to fetching, and its answers to fetch errors; must not know
//! queues, sockets or clocks. `now` is handed in. Answers to questions that a
//! seek, a reset or a new assignment overtook are told by their incarnation.

mod reading;
mod truncation;

use std::time::Duration;

use tokio::time::Instant;
use uuid::Uuid;

use super::config::{IsolationLevel, OffsetReset};
use super::replica::ReadReplica;
use super::validation::{EpochQuery, Validation};
use crate::backoff::Backoff;
use crate::topology::NodeId;
use crate::wire::ErrorCode;

pub(crate) use truncation::TruncationAction;

/// Offsets of a partition as `ListOffsets` can be asked for them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OffsetQuery {
    Earliest,
    Latest,
    /// The first record at or after this time, in milliseconds since the epoch.
    Timestamp(i64),
    /// The first record that is not older than this when the question is asked.
    Ago(Duration),
}

/// What must be found out before fetching can start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Question {
    /// The offset the group has committed.
    Committed,
    /// An offset of the log.
    Offset(OffsetQuery),
    /// Where the epoch of the last record fetched ends. The position is known meanwhile.
    EpochEnd(EpochQuery),
}

/// An offset to start at, and the epoch of the record before it; -1 when not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct OffsetAndEpoch {
    pub(crate) offset: i64,
    pub(crate) leader_epoch: i32,
}

/// Tells an answer to the current question from one to an older question.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Incarnation(u64);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// The answer to a question is needed; `is_asked` while it is under way.
    Unknown {
        question: Question,
        is_asked: bool,
    },
    Fetching,
    /// Neither a committed offset nor a reset policy: only a seek helps.
    Failed,
}

/// What to do about a partition's error code in a fetch response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FetchErrorAction {
    /// An answer to an older question: nothing.
    Ignore,
    /// The leader may have moved; look it up, then go on.
    RefreshMetadata,
    /// Try again after the pause.
    Retry,
    /// The offset is gone and the policy says where to go on.
    Reset,
    /// The application must know; fetching goes on after the pause.
    Surface,
    /// The application must know; only a seek helps.
    SurfaceAndStop,
}

/// What to fetch next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FetchFrom {
    pub(crate) offset: i64,
    pub(crate) current_leader_epoch: i32,
    /// Of the last record fetched; -1 when not known.
    pub(crate) last_fetched_epoch: i32,
    pub(crate) incarnation: Incarnation,
    /// No other replica is to be recommended.
    pub(crate) wants_leader: bool,
}

/// The offsets and the state of one assigned partition.
#[derive(Debug)]
pub(crate) struct Position {
    phase: Phase,
    incarnation: Incarnation,
    /// Next offset to fetch.
    fetch_offset: i64,
    /// Next offset to hand out: the position.
    handed_out: i64,
    /// Everything below was handed out before the current `poll`.
    processed: i64,
    /// What the group is known to have committed.
    committed: Option<i64>,
    validation: Validation,
    replica: ReadReplica,
    /// Since when metadata is behind the epoch to ask for.
    lags_since: Option<Instant>,
    /// Nil when unknown.
    topic_id: Uuid,
    leader: Option<NodeId>,
    leader_epoch: i32,
    high_watermark: Option<i64>,
    last_stable_offset: Option<i64>,
    /// The end that the application was told of last.
    end_told: Option<i64>,
    is_paused: bool,
    /// Being given up: nothing is fetched or handed out any more.
    is_revoking: bool,
    /// New: the application may still want to seek.
    is_held: bool,
    backoff: Backoff,
    retry_at: Option<Instant>,
}

impl Position {
    /// A position that is to be found through `question`.
    pub(crate) fn unknown(question: Question, retry_backoff: Duration, cap: Duration) -> Self {
        Self {
            phase: Phase::Unknown {
                question,
                is_asked: false,
            },
            incarnation: Incarnation::default(),
            fetch_offset: 0,
            handed_out: 0,
            processed: 0,
            committed: None,
            validation: Validation::new(),
            replica: ReadReplica::default(),
            lags_since: None,
            topic_id: Uuid::nil(),
            leader: None,
            leader_epoch: -1,
            high_watermark: None,
            last_stable_offset: None,
            end_told: None,
            is_paused: false,
            is_revoking: false,
            is_held: false,
            backoff: Backoff::new(retry_backoff, cap),
            retry_at: None,
        }
    }

    pub(crate) fn incarnation(&self) -> Incarnation {
        self.incarnation
    }

    #[cfg(test)]
    pub(crate) fn fetch_offset(&self) -> i64 {
        self.fetch_offset
    }

    /// The next offset to hand out, once known.
    pub(crate) fn position(&self) -> Option<i64> {
        self.is_known().then_some(self.handed_out)
    }

    pub(crate) fn leader(&self) -> Option<NodeId> {
        self.leader
    }

    /// Leader epoch of the last record handed out, -1 when unknown.
    pub(crate) fn last_epoch(&self) -> i32 {
        self.validation.handed_out()
    }

    /// What to ask the broker for.
    pub(crate) fn fetch_from(&self, now: Instant) -> FetchFrom {
        FetchFrom {
            offset: self.fetch_offset,
            current_leader_epoch: self.leader_epoch,
            last_fetched_epoch: self.validation.fetched(),
            incarnation: self.incarnation,
            wants_leader: self.replica.wants_leader(now),
        }
    }

    /// The offset after the last record that can be read, as of the last fetch.
    pub(crate) fn end(&self, level: IsolationLevel) -> Option<i64> {
        match level {
            IsolationLevel::ReadUncommitted => self.high_watermark,
            IsolationLevel::ReadCommitted => self.last_stable_offset,
        }
    }

    /// How many offsets lie between the position and the end.
    pub(crate) fn lag(&self, level: IsolationLevel) -> Option<u64> {
        let behind = self.end(level)?.saturating_sub(self.position()?);
        Some(u64::try_from(behind).unwrap_or(0))
    }

    /// The end of the partition, if all before it was handed out and nobody was told yet.
    pub(crate) fn take_end(&mut self, level: IsolationLevel) -> Option<i64> {
        let position = self.handed_out;
        let reached = self.can_hand_out() && self.end(level).is_some_and(|end| position >= end);
        let is_news = reached && self.end_told != Some(position);
        is_news.then(|| {
            self.end_told = Some(position);
            position
        })
    }

    pub(crate) fn is_paused(&self) -> bool {
        self.is_paused
    }

    /// Whether queued records may be handed out.
    pub(crate) fn can_hand_out(&self) -> bool {
        self.is_known() && !self.is_paused && !self.is_revoking && !self.is_held
    }

    /// Whether this is the partition and the offset of an answer.
    pub(crate) fn expects(&self, asked: Incarnation, fetched_from: i64) -> bool {
        asked == self.incarnation && self.is_known() && fetched_from == self.fetch_offset
    }

    /// Whether the application is still being told of the partition.
    pub(crate) fn set_held(&mut self, is_held: bool) {
        self.is_held = is_held;
    }

    fn is_known(&self) -> bool {
        self.phase == Phase::Fetching
    }

    /// Takes in the topic's id. Returns whether this is another topic than before:
    /// it was deleted and created again, and offsets of the former one mean nothing.
    pub(crate) fn set_topic(&mut self, topic_id: Uuid) -> bool {
        let former = std::mem::replace(&mut self.topic_id, topic_id);
        !former.is_nil() && !topic_id.is_nil() && former != topic_id
    }

    /// Starts at the beginning of a topic that has taken the place of another:
    /// nothing of it was handed out.
    pub(crate) fn start_anew(&mut self) {
        self.committed = None;
        self.leader = None;
        self.leader_epoch = -1;
        self.validation = Validation::new();
        self.replica.on_new_leader();
        self.seek_to(OffsetQuery::Earliest);
    }

    /// Takes in the leader from metadata. Returns whether it changed.
    pub(crate) fn set_leader(&mut self, leader: Option<NodeId>, epoch: i32) -> bool {
        let has_changed = self.leader != leader || self.leader_epoch != epoch;
        if has_changed {
            self.replica.on_new_leader();
            if self.leader_epoch != epoch {
                self.validation.on_new_leader();
            }
            self.leader = leader;
            self.leader_epoch = epoch;
            // A pause after an error was for the old leader.
            if self.is_known() {
                self.retry_at = None;
            }
        }
        has_changed
    }

    /// The question to ask now, if any; it counts as asked until answered.
    pub(crate) fn take_question(&mut self, now: Instant) -> Option<(Question, Incarnation)> {
        if self.is_revoking || !self.is_due(now) {
            return None;
        }
        match &mut self.phase {
            Phase::Fetching => self.take_epoch_query(now),
            Phase::Unknown { question, is_asked } if !*is_asked => {
                *is_asked = true;
                Some((*question, self.incarnation))
            }
            _ => None,
        }
    }

    /// Takes in what the group has committed. Without an offset the policy
    /// decides; `false` means that there is neither.
    pub(crate) fn on_committed(
        &mut self,
        asked: Incarnation,
        committed: Option<OffsetAndEpoch>,
        policy: OffsetReset,
    ) -> bool {
        if asked != self.incarnation {
            return true;
        }
        self.on_success();
        self.committed = committed.map(|committed| committed.offset);
        match committed {
            Some(committed) => self.start_at(committed),
            None => return self.reset(policy),
        }
        true
    }

    /// Takes in the offset that was asked for.
    pub(crate) fn on_offset(&mut self, asked: Incarnation, offset: i64) {
        if asked == self.incarnation {
            self.on_success();
            self.start_at(unknown_epoch(offset));
        }
    }

    /// No record is as new as the time asked for: go on at the end of the log.
    pub(crate) fn on_timestamp_too_new(&mut self, asked: Incarnation) {
        if asked == self.incarnation {
            self.seek_to(OffsetQuery::Latest);
        }
    }

    /// The question got no answer; ask again after a pause. Never a reason to
    /// change the position (PITFALLS 10).
    pub(crate) fn on_question_failed(&mut self, asked: Incarnation, now: Instant) {
        if asked != self.incarnation {
            return;
        }
        if let Phase::Unknown { is_asked, .. } = &mut self.phase {
            *is_asked = false;
        }
        self.validation.on_query_failed();
        self.pause_after_error(now);
    }

    /// When the pause after an error ends, if something waits for it.
    pub(crate) fn wake_at(&self) -> Option<Instant> {
        match self.phase {
            Phase::Unknown { is_asked: true, .. } | Phase::Failed => None,
            Phase::Unknown { .. } | Phase::Fetching => self.retry_at,
        }
    }

    /// Whether `node` should be asked for records now.
    pub(crate) fn wants_fetch_from(&self, node: NodeId, now: Instant) -> bool {
        self.can_hand_out()
            && self.read_replica(now) == Some(node)
            && self.is_due(now)
            && !self.is_checking()
    }

    /// Takes in that everything below `next_offset` was fetched from
    /// `fetched_from` on, the last of it of `epoch`. Returns whether it fits what
    /// is expected.
    pub(crate) fn on_fetched(
        &mut self,
        asked: Incarnation,
        fetched_from: i64,
        next_offset: i64,
        epoch: i32,
    ) -> bool {
        let fits = self.expects(asked, fetched_from) && !self.is_revoking && !self.is_checking();
        if fits {
            if next_offset > self.fetch_offset {
                self.fetch_offset = next_offset;
                self.validation.on_fetched(epoch);
            }
            self.on_success();
        }
        fits
    }

    /// Takes in the end of the log as a fetch response tells it; -1 is unknown.
    pub(crate) fn set_watermarks(&mut self, high: i64, last_stable: i64) {
        let known = |offset: i64| (offset >= 0).then_some(offset);
        self.high_watermark = known(high).or(self.high_watermark);
        self.last_stable_offset = known(last_stable).or(self.last_stable_offset);
    }

    /// Decides about an error of this partition in a fetch response.
    pub(crate) fn on_fetch_error(
        &mut self,
        asked: Incarnation,
        fetched_from: i64,
        code: ErrorCode,
        policy: OffsetReset,
        now: Instant,
    ) -> FetchErrorAction {
        if !self.expects(asked, fetched_from) || self.is_checking() {
            return FetchErrorAction::Ignore;
        }
        match code {
            ErrorCode::OffsetOutOfRange => {
                if self.reset(policy) {
                    // Not at once: a log that answers so again must not be
                    // asked in a loop (PITFALLS 10).
                    self.pause_after_error(now);
                    FetchErrorAction::Reset
                } else {
                    FetchErrorAction::SurfaceAndStop
                }
            }
            ErrorCode::UnknownLeaderEpoch | ErrorCode::OffsetNotAvailable => {
                self.pause_after_error(now);
                FetchErrorAction::Retry
            }
            code if code.refreshes_metadata() || is_about_topic_identity(code) => {
                self.pause_after_error(now);
                FetchErrorAction::RefreshMetadata
            }
            code if code.is_retriable() => {
                self.pause_after_error(now);
                FetchErrorAction::Retry
            }
            _ => {
                self.pause_after_error(now);
                FetchErrorAction::Surface
            }
        }
    }

    /// The leader could not be reached, or sent what cannot be read: pause.
    pub(crate) fn pause_after_error(&mut self, now: Instant) {
        self.retry_at = Some(now + self.backoff.next_delay());
    }

    /// Records below `next_offset` were handed out.
    pub(crate) fn hand_out(&mut self, next_offset: i64, leader_epoch: i32) {
        self.handed_out = self.handed_out.max(next_offset);
        self.validation.on_handed_out(leader_epoch);
    }

    /// Nothing fetched waits to be handed out: whatever lies between was not
    /// for the application (control records, emptied batches).
    pub(crate) fn on_drained(&mut self) {
        let had_processed_all = self.processed == self.handed_out;
        self.handed_out = self.handed_out.max(self.fetch_offset);
        self.validation.on_drained();
        if had_processed_all {
            self.processed = self.handed_out;
        }
    }

    /// The application came back for more: what it got is processed.
    pub(crate) fn mark_processed(&mut self, below: i64) {
        self.processed = self.processed.max(below.min(self.handed_out));
    }

    /// Same for everything handed out.
    pub(crate) fn mark_all_processed(&mut self) {
        self.processed = self.handed_out;
    }

    /// Where what was handed out and not processed begins, if anything was.
    pub(crate) fn first_unprocessed(&self) -> Option<i64> {
        (self.is_known() && self.processed < self.handed_out).then_some(self.processed)
    }

    /// What an explicit commit commits, unless the group has it already.
    pub(crate) fn offset_to_commit(&self) -> Option<i64> {
        (self.is_known() && self.committed != Some(self.handed_out)).then_some(self.handed_out)
    }

    /// What an automatic commit commits, unless the group has it already.
    pub(crate) fn processed_to_commit(&self) -> Option<i64> {
        (self.is_known() && self.committed != Some(self.processed)).then_some(self.processed)
    }

    /// The group's coordinator has stored `offset`.
    pub(crate) fn on_commit_stored(&mut self, offset: i64) {
        self.committed = Some(offset);
    }

    /// Goes to `offset`; what was fetched or asked before no longer counts.
    pub(crate) fn seek(&mut self, offset: i64) {
        self.seek_behind(unknown_epoch(offset));
    }

    /// The same, once it is checked that the log has the record before it.
    pub(crate) fn seek_behind(&mut self, start: OffsetAndEpoch) {
        self.jump();
        self.start_at(start);
    }

    /// Goes where the answer to `query` says.
    pub(crate) fn seek_to(&mut self, query: OffsetQuery) {
        self.jump();
        self.phase = Phase::Unknown {
            question: Question::Offset(query),
            is_asked: false,
        };
    }

    /// Fetches again what was fetched but not handed out.
    pub(crate) fn refetch(&mut self) {
        self.incarnation.0 += 1;
        self.fetch_offset = self.handed_out;
        self.validation.on_refetch();
    }

    /// Fetches again from `offset` on, as if it had not been handed out.
    pub(crate) fn refetch_from(&mut self, offset: i64) {
        self.incarnation.0 += 1;
        self.fetch_offset = offset;
        self.handed_out = offset;
        self.processed = self.processed.min(offset);
        self.validation = Validation::new();
        self.end_told = None;
    }

    pub(crate) fn pause(&mut self) {
        self.is_paused = true;
    }

    pub(crate) fn resume(&mut self) {
        self.is_paused = false;
    }

    /// Stops fetching and handing out while the partition is given up.
    pub(crate) fn start_revoking(&mut self) {
        self.is_revoking = true;
    }

    fn is_due(&self, now: Instant) -> bool {
        self.retry_at.is_none_or(|at| at <= now)
    }

    fn on_success(&mut self) {
        self.backoff.reset();
        self.retry_at = None;
    }

    fn jump(&mut self) {
        self.incarnation.0 += 1;
        self.end_told = None;
        self.on_success();
    }

    fn start_at(&mut self, start: OffsetAndEpoch) {
        self.phase = Phase::Fetching;
        self.fetch_offset = start.offset;
        self.handed_out = start.offset;
        self.processed = start.offset;
        self.validation.start_unchecked(start.leader_epoch);
    }

    /// Asks where the policy points to; `false` when it points nowhere.
    fn reset(&mut self, policy: OffsetReset) -> bool {
        self.jump();
        let query = match policy {
            OffsetReset::Earliest => OffsetQuery::Earliest,
            OffsetReset::Latest => OffsetQuery::Latest,
            OffsetReset::ByDuration(age) => OffsetQuery::Ago(age),
            OffsetReset::None => {
                self.phase = Phase::Failed;
                return false;
            }
        };
        self.phase = Phase::Unknown {
            question: Question::Offset(query),
            is_asked: false,
        };
        true
    }
}

fn unknown_epoch(offset: i64) -> OffsetAndEpoch {
    OffsetAndEpoch {
        offset,
        leader_epoch: -1,
    }
}

/// Codes that say that the topic behind the name or the id is another one now.
fn is_about_topic_identity(code: ErrorCode) -> bool {
    matches!(
        code,
        ErrorCode::UnknownTopicId
            | ErrorCode::InconsistentTopicId
            | ErrorCode::UnknownTopicOrPartition
    )
}

#[cfg(test)]
mod tests;
