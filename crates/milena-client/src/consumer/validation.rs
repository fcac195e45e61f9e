//! Whether a position still lies on the log that it was read from (KIP-320).
//!
//! Owns the epochs of what was fetched and handed out, and what follows from where a leader says
//! that an epoch ends; must not know requests, queues or reset policies.

/// The end of an epoch, as a leader tells it; both numbers are −1 when it knows no such epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct EpochEnd {
    /// The epoch asked for, or the last one before it that wrote anything.
    pub(crate) epoch: i32,
    /// The offset behind its last record.
    pub(crate) offset: i64,
}

/// What a leader is asked: where does `epoch` end?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct EpochQuery {
    /// Of the last record fetched.
    pub(crate) epoch: i32,
    /// Of the leader that is asked, as metadata has it.
    pub(crate) leader_epoch: i32,
}

/// What became of the records before a position.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// They are all there.
    Intact,
    /// Some that were fetched are gone, none that were handed out.
    FetchedGone,
    /// Some that were handed out are gone: all from this offset on.
    GoneFrom(i64),
    /// Some that were handed out are gone, and nobody knows from where on.
    Gone,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Check {
    Passed,
    Due,
    Asked(EpochQuery),
}

/// What is known of the epochs before one position; −1 is unknown.
#[derive(Debug)]
pub(crate) struct Validation {
    /// Of the last record before the offset to fetch.
    fetched: i32,
    /// Of the last record handed out.
    handed_out: i32,
    check: Check,
}

impl Validation {
    pub(crate) fn new() -> Self {
        Self {
            fetched: -1,
            handed_out: -1,
            check: Check::Passed,
        }
    }

    /// The position jumped to a place behind a record of `epoch`, which nobody has checked yet.
    pub(crate) fn start_unchecked(&mut self, epoch: i32) {
        *self = Self {
            fetched: epoch,
            handed_out: epoch,
            check: if epoch >= 0 {
                Check::Due
            } else {
                Check::Passed
            },
        };
    }

    /// The same where a leader itself said that its log has the record.
    pub(crate) fn start_checked(&mut self, epoch: i32) {
        self.start_unchecked(epoch);
        self.check = Check::Passed;
    }

    pub(crate) fn fetched(&self) -> i32 {
        self.fetched
    }

    pub(crate) fn handed_out(&self) -> i32 {
        self.handed_out
    }

    /// Records up to one of this epoch were fetched.
    pub(crate) fn on_fetched(&mut self, epoch: i32) {
        self.fetched = epoch;
    }

    /// Records up to one of this epoch were handed out.
    #[inline]
    pub(crate) fn on_handed_out(&mut self, epoch: i32) {
        self.handed_out = epoch;
    }

    /// All that was fetched counts as handed out.
    pub(crate) fn on_drained(&mut self) {
        self.handed_out = self.fetched;
    }

    /// What was fetched and not handed out is fetched again.
    pub(crate) fn on_refetch(&mut self) {
        self.fetched = self.handed_out;
        if self.fetched < 0 {
            self.check = Check::Passed;
        }
        // Whoever answers the question under way is not heard any more.
        self.on_query_failed();
    }

    /// Another leader may lack what was fetched.
    pub(crate) fn on_new_leader(&mut self) {
        if self.fetched >= 0 {
            self.check = Check::Due;
        }
    }

    /// Whether the answer is awaited before anything else is fetched.
    pub(crate) fn is_open(&self) -> bool {
        self.check != Check::Passed
    }

    /// The question to ask a leader of this epoch, if there is one that is not asked yet. A leader
    /// without an epoch cannot be asked.
    pub(crate) fn take_query(&mut self, leader_epoch: i32) -> Option<EpochQuery> {
        if self.check != Check::Due {
            return None;
        }
        let query = EpochQuery {
            epoch: self.fetched,
            leader_epoch,
        };
        self.check = Check::Asked(query);
        Some(query)
    }

    /// Whether this is the question under way; if so, it no longer is.
    pub(crate) fn take_asked(&mut self, query: EpochQuery) -> bool {
        let is_it = self.check == Check::Asked(query);
        if is_it {
            self.check = Check::Passed;
        }
        is_it
    }

    /// The question got no answer: it is to be asked again.
    pub(crate) fn on_query_failed(&mut self) {
        if let Check::Asked(_) = self.check {
            self.check = Check::Due;
        }
    }

    /// What it means that a leader's log has the epoch of what was fetched end there.
    pub(crate) fn judge(&self, end: EpochEnd, handed_out: i64, fetched: i64) -> Verdict {
        if end.epoch < 0 || end.offset < 0 {
            return Verdict::Gone;
        }
        if end.epoch >= self.fetched && end.offset >= fetched {
            return Verdict::Intact;
        }
        if end.offset < handed_out {
            return Verdict::GoneFrom(end.offset);
        }
        if handed_out < fetched {
            // With its own epoch the next fetch finds out about the position itself.
            return Verdict::FetchedGone;
        }
        Verdict::Gone
    }
}

#[cfg(test)]
mod tests;
