//! The transactions of one transactional id as a plain state machine.
//!
//! Requests and times go in, answers and what has to be written come out. Owns the
//! rules of KIP-98, KIP-360 (epoch bumps on request) and KIP-890 (an epoch of its
//! own for each transaction). Reads no clock, owns no socket, knows no storage and
//! no log.
//!
//! ```text
//!            add              end           markers written
//!  Empty ─────────▶ Ongoing ─────▶ Prepare… ────────────────▶ Complete…
//!    ▲                 ▲                                      │   │
//!    │ init            └──────────────── add ─────────────────┘   │
//!    └────────────────────────────────── init ────────────────────┘
//! ```

mod end;
mod init;

use std::collections::BTreeSet;
use std::sync::Arc;

use milena_wire::batch::control::TransactionEnd;
use milena_wire::error_code::ErrorCode;

pub(crate) use end::{EndRequest, Ended};
pub(crate) use init::{InitRequest, Initialized};

/// What a producer calls itself by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) id: i64,
    pub(crate) epoch: i16,
}

impl Identity {
    /// Before the first InitProducerId is answered.
    pub(crate) const NONE: Identity = Identity { id: -1, epoch: -1 };
    /// An epoch above is only ever written by the coordinator itself, to shut out
    /// the producer that had the last one.
    const EPOCH_LAST: i16 = i16::MAX - 1;

    fn is_exhausted(self) -> bool {
        self.epoch >= Identity::EPOCH_LAST
    }

    fn bumped(self) -> Identity {
        Identity {
            id: self.id,
            epoch: self.epoch.saturating_add(1),
        }
    }
}

/// How a transaction is ended, as its producer knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Protocol {
    /// The epoch stays; partitions are added by request (KIP-98).
    V1,
    /// The epoch is bumped each time; partitions are added by their first batch (KIP-890).
    V2,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    /// There is a producer; it has not begun anything.
    Empty,
    Ongoing,
    /// How it ends is decided and cannot change any more; not all know.
    Preparing(TransactionEnd),
    Complete(TransactionEnd),
}

impl State {
    /// Apache Kafka's name for it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            State::Empty => "Empty",
            State::Ongoing => "Ongoing",
            State::Preparing(TransactionEnd::Commit) => "PrepareCommit",
            State::Preparing(TransactionEnd::Abort) => "PrepareAbort",
            State::Complete(TransactionEnd::Commit) => "CompleteCommit",
            State::Complete(TransactionEnd::Abort) => "CompleteAbort",
        }
    }

    pub(crate) const NAMES: [&'static str; 8] = [
        "Empty",
        "Ongoing",
        "PrepareCommit",
        "PrepareAbort",
        "CompleteCommit",
        "CompleteAbort",
        "Dead",
        "PrepareEpochFence",
    ];
}

/// A partition by topic name and index.
pub(crate) type TopicPartition = (Arc<str>, i32);

/// All that is known of a transactional id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Transaction {
    pub(crate) identity: Identity,
    /// The epoch before the last bump that its producer asked for; −1 if another
    /// producer was shut out by it.
    pub(crate) epoch_before: i16,
    /// The id before the current one, whose epochs are used up; −1 if there is none.
    pub(crate) id_before: i64,
    /// The id to go on with once the current transaction is complete.
    pub(crate) id_next: Option<i64>,
    pub(crate) timeout_ms: i32,
    pub(crate) state: State,
    /// Of the current or the last transaction.
    pub(crate) protocol: Protocol,
    pub(crate) partitions: BTreeSet<TopicPartition>,
    /// Groups that have offsets in the transaction.
    pub(crate) groups: BTreeSet<Arc<str>>,
    /// Wall clock, milliseconds; −1 when nothing is going on.
    pub(crate) started_ms: i64,
    /// When it last changed.
    pub(crate) updated_ms: i64,
}

/// What a transaction is about to contain.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Addition<'a> {
    Partition(&'a TopicPartition),
    Group(&'a Arc<str>),
}

impl Transaction {
    pub(crate) fn new() -> Self {
        Transaction {
            identity: Identity::NONE,
            epoch_before: -1,
            id_before: -1,
            id_next: None,
            timeout_ms: 0,
            state: State::Empty,
            protocol: Protocol::V1,
            partitions: BTreeSet::new(),
            groups: BTreeSet::new(),
            started_ms: -1,
            updated_ms: -1,
        }
    }

    /// Whether `who` may do something within an ongoing transaction, or start one.
    fn check_producer(&self, who: Identity) -> Result<(), ErrorCode> {
        if who.id != self.identity.id {
            return Err(ErrorCode::InvalidProducerIdMapping);
        }
        if who.epoch != self.identity.epoch {
            return Err(ErrorCode::ProducerFenced);
        }
        if let State::Preparing(_) = self.state {
            return Err(ErrorCode::ConcurrentTransactions);
        }
        Ok(())
    }

    fn contains(&self, addition: Addition<'_>) -> bool {
        self.state == State::Ongoing
            && match addition {
                Addition::Partition(partition) => self.partitions.contains(partition),
                Addition::Group(group) => self.groups.contains(group),
            }
    }

    /// Whether the transaction of `who` is going on and contains this.
    pub(crate) fn check(&self, who: Identity, what: Addition<'_>) -> Result<(), ErrorCode> {
        self.check_producer(who)?;
        if self.contains(what) {
            Ok(())
        } else {
            Err(ErrorCode::TransactionAbortable)
        }
    }

    /// Adds these to the transaction of `who`, which begins if none is going on;
    /// says whether anything has changed.
    pub(crate) fn add<'a>(
        &mut self,
        who: Identity,
        what: impl IntoIterator<Item = Addition<'a>>,
        protocol: Protocol,
        now_ms: i64,
    ) -> Result<bool, ErrorCode> {
        self.check_producer(who)?;
        let mut has_changed = false;
        for addition in what {
            if self.contains(addition) {
                continue;
            }
            if self.state != State::Ongoing {
                self.state = State::Ongoing;
                self.protocol = protocol;
                self.started_ms = now_ms;
            }
            match addition {
                Addition::Partition(partition) => self.partitions.insert(partition.clone()),
                Addition::Group(group) => self.groups.insert(group.clone()),
            };
            self.updated_ms = now_ms;
            has_changed = true;
        }
        Ok(has_changed)
    }

    /// A topic is deleted; nothing is left of it to be decided.
    pub(crate) fn forget_topic(&mut self, topic: &str) -> bool {
        let before = self.partitions.len();
        self.partitions.retain(|(name, _)| **name != *topic);
        self.partitions.len() != before
    }

    /// Whether nothing has happened since `oldest_ms` and nothing is going on.
    pub(crate) fn is_expired(&self, oldest_ms: i64) -> bool {
        let is_at_rest = matches!(self.state, State::Empty | State::Complete(_));
        is_at_rest && self.updated_ms < oldest_ms
    }
}

#[cfg(test)]
mod tests;
