//! What a partition's log tells those who look at it.
//!
//! Plain values: how much a reader is to see, where the log begins and ends, who
//! produces to it.

/// Which records a reader is to see.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Isolation {
    /// All of them.
    Uncommitted,
    /// Those before the last stable offset, and a list of what was aborted.
    Committed,
}

impl Isolation {
    /// From the number in a request.
    pub(crate) fn of(level: i8) -> Self {
        match level {
            0 => Isolation::Uncommitted,
            _ => Isolation::Committed,
        }
    }
}

/// Where a reader goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ReadFrom {
    pub(crate) offset: i64,
    /// The leader epoch that the reader believes in; −1 asks nothing.
    pub(crate) leader_epoch: i32,
    /// The epoch of the last record that the reader has; −1 asks nothing.
    pub(crate) last_fetched_epoch: i32,
}

impl ReadFrom {
    /// Wherever the log comes from.
    #[cfg(test)]
    pub(crate) fn offset(offset: i64) -> Self {
        ReadFrom {
            offset,
            leader_epoch: -1,
            last_fetched_epoch: -1,
        }
    }
}

/// Where a log begins and ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Offsets {
    pub(crate) start: i64,
    pub(crate) last_stable: i64,
    pub(crate) end: i64,
}

impl Offsets {
    /// The end for a reader of this isolation.
    pub(crate) fn end_for(self, isolation: Isolation) -> i64 {
        match isolation {
            Isolation::Uncommitted => self.end,
            Isolation::Committed => self.last_stable,
        }
    }
}

/// What is known of one producer, for an administrator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ActiveProducer {
    pub(crate) id: i64,
    pub(crate) epoch: i16,
    /// −1 when the epoch has no batch yet.
    pub(crate) last_sequence: i32,
    pub(crate) last_timestamp: i64,
    pub(crate) coordinator_epoch: i32,
    pub(crate) transaction_start: Option<i64>,
}
