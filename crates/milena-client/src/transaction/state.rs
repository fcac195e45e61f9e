//! What a transactional producer may do now, as a plain state machine.
//!
//! Calls, answers and failures go in; what to send and whom to let through comes out.
//! Owns no socket, reads no clock, and knows no batches. Its rules, and what they prevent:
//!
//! - A commit that was sent is repeated as a commit until its outcome is known: an abort in
//!   its place could undo a part of what is committed already (PITFALLS 19).
//! - Whatever bumps the epoch ends the transaction first: nothing enters a transaction under
//!   an identity other than the one it began with (PITFALLS 4).
//! - With version 1, no batch of a partition leaves before the coordinator knows the
//!   partition; with version 2 (KIP-890) its first batch tells.
//! - Nothing leaves once something has failed: the transaction can only be aborted.
//!
//! ```text
//!           begin            commit, abort         answered
//!   Idle ─────────▶ Open ───────────────▶ Ending ───────────▶ Idle
//!                     │  nothing was sent                       ▲
//!                     └─────────────────────────────────────────┘
//!   fenced, or refused for good: Broken, for ever
//! ```

use std::collections::BTreeSet;

use super::error::TransactionError;
use crate::producer::ProducerIdentity;
use crate::topology::TopicPartition;

/// How the cluster knows transactions: its finalized `transaction.version`, never what its
/// requests' versions suggest (PITFALLS 20).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Version {
    /// KIP-98: one epoch for many transactions, partitions are added by request.
    V1,
    /// KIP-890: an epoch for each transaction, partitions are added by their first batch.
    V2,
}

impl Version {
    /// From the finalized level of `transaction.version`; 0 without one.
    pub(crate) fn of_level(level: i16) -> Self {
        if level >= 2 { Version::V2 } else { Version::V1 }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    Commit,
    Abort,
}

/// What EndTxn is to say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct EndCall {
    pub(crate) identity: ProducerIdentity,
    pub(crate) version: Version,
    pub(crate) end: End,
}

/// What became of an EndTxn.
#[derive(Debug, Clone)]
pub(crate) enum EndAnswer {
    /// Ended as asked; with version 2 the producer goes on as this.
    Done(Option<ProducerIdentity>),
    /// No answer, or one that says to try again: it may have ended.
    Unknown,
    /// Certainly not committed, and the transaction is still there to be aborted.
    Refused(TransactionError),
    /// Not known to the coordinator: aborted long ago, and the epoch is of no use any more.
    Forgotten,
    /// This producer may not go on.
    Broken(TransactionError),
}

/// What has to be done before a transaction may begin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Unfinished {
    Nothing,
    /// A transaction was dropped or has failed.
    Open,
    /// An EndTxn has no known outcome yet.
    Ending(EndCall),
    /// The epoch has to be bumped (KIP-360).
    Bump(ProducerIdentity),
}

/// Whether a batch may leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Admission {
    /// Within this transaction, under this identity.
    Admitted {
        serial: u64,
        identity: ProducerIdentity,
    },
    /// The coordinator has to know the partition first.
    Unregistered,
    /// No transaction is open, or it has failed.
    Closed,
}

#[derive(Debug)]
enum Phase {
    Idle,
    Open(Open),
    Ending(EndCall),
    Broken(TransactionError),
}

#[derive(Debug)]
struct Open {
    version: Version,
    registered: BTreeSet<TopicPartition>,
    /// To be registered; those being asked for stay in it.
    wanted: BTreeSet<TopicPartition>,
    /// The coordinator may know of this transaction.
    is_touched: bool,
    failure: Option<TransactionError>,
}

/// The transactions of one producer, one after the other.
#[derive(Debug)]
pub(crate) struct Machine {
    identity: ProducerIdentity,
    phase: Phase,
    /// Counts transactions.
    serial: u64,
    needs_bump: bool,
    /// How the last transaction ended.
    last_end: Option<End>,
}

impl Machine {
    pub(crate) fn new(identity: ProducerIdentity) -> Self {
        Self {
            identity,
            phase: Phase::Idle,
            serial: 0,
            needs_bump: false,
            last_end: None,
        }
    }

    /// The number of the transaction that was begun last.
    pub(crate) fn serial(&self) -> u64 {
        self.serial
    }

    /// How the last transaction that is over ended.
    pub(crate) fn last_end(&self) -> Option<End> {
        self.last_end
    }

    /// What stands in the way of a new transaction.
    pub(crate) fn unfinished(&self) -> Result<Unfinished, TransactionError> {
        match &self.phase {
            Phase::Idle if self.needs_bump => Ok(Unfinished::Bump(self.identity)),
            Phase::Idle => Ok(Unfinished::Nothing),
            Phase::Open(_) => Ok(Unfinished::Open),
            Phase::Ending(call) => Ok(Unfinished::Ending(*call)),
            Phase::Broken(error) => Err(error.clone()),
        }
    }

    /// Begins a transaction; `false` while something is unfinished.
    pub(crate) fn begin(&mut self, version: Version) -> bool {
        if !matches!(self.unfinished(), Ok(Unfinished::Nothing)) {
            return false;
        }
        self.serial += 1;
        self.phase = Phase::Open(Open {
            version,
            registered: BTreeSet::new(),
            wanted: BTreeSet::new(),
            is_touched: false,
            failure: None,
        });
        true
    }

    /// Whether a batch of `partition` may leave now.
    pub(crate) fn admit(&mut self, partition: &TopicPartition) -> Admission {
        let Phase::Open(open) = &mut self.phase else {
            return Admission::Closed;
        };
        if open.failure.is_some() {
            return Admission::Closed;
        }
        if open.version == Version::V2 {
            open.is_touched = true;
        } else if !open.registered.contains(partition) {
            open.wanted.insert(partition.clone());
            return Admission::Unregistered;
        }
        Admission::Admitted {
            serial: self.serial,
            identity: self.identity,
        }
    }

    /// The partitions to be registered, all in one request; none when nothing waits.
    pub(crate) fn wanted_partitions(&mut self) -> Option<(ProducerIdentity, Vec<TopicPartition>)> {
        let Phase::Open(open) = &mut self.phase else {
            return None;
        };
        if open.wanted.is_empty() || open.failure.is_some() {
            return None;
        }
        open.is_touched = true;
        let wanted = open.wanted.iter().cloned().collect();
        Some((self.identity, wanted))
    }

    /// The coordinator knows these now.
    pub(crate) fn registered(&mut self, partitions: &[TopicPartition]) {
        if let Phase::Open(open) = &mut self.phase {
            for partition in partitions {
                open.wanted.remove(partition);
                open.registered.insert(partition.clone());
            }
        }
    }

    /// Offsets are about to be added: who says so, and how. The failure of the transaction
    /// if it has failed.
    pub(crate) fn touch(&mut self) -> Result<(ProducerIdentity, Version), TransactionError> {
        match &mut self.phase {
            Phase::Open(open) => {
                if let Some(failure) = &open.failure {
                    return Err(failure.clone());
                }
                open.is_touched = true;
                Ok((self.identity, open.version))
            }
            Phase::Broken(error) => Err(error.clone()),
            Phase::Idle | Phase::Ending(_) => Err(TransactionError::not_open()),
        }
    }

    /// The version of the open transaction.
    pub(crate) fn version(&self) -> Option<Version> {
        match &self.phase {
            Phase::Open(open) => Some(open.version),
            Phase::Ending(call) => Some(call.version),
            Phase::Idle | Phase::Broken(_) => None,
        }
    }

    /// Something of the open transaction has failed: it can only be aborted. The first
    /// failure counts.
    pub(crate) fn fail(&mut self, error: TransactionError) {
        if let Phase::Open(open) = &mut self.phase {
            open.failure.get_or_insert(error);
        }
    }

    /// Why the transaction can only be aborted, or the producer not go on at all.
    pub(crate) fn failure(&self) -> Option<&TransactionError> {
        match &self.phase {
            Phase::Open(open) => open.failure.as_ref(),
            Phase::Broken(error) => Some(error),
            Phase::Idle | Phase::Ending(_) => None,
        }
    }

    /// The producer may not go on, whatever it was doing.
    pub(crate) fn break_down(&mut self, error: TransactionError) {
        if !matches!(self.phase, Phase::Broken(_)) {
            self.phase = Phase::Broken(error);
        }
    }

    /// A sequence was used that the broker may never see: with version 1 only another epoch
    /// starts sequences anew.
    pub(crate) fn note_gap(&mut self) {
        if let Phase::Open(open) = &self.phase {
            self.needs_bump |= open.version == Version::V1;
        }
    }

    /// Ends the open transaction; what to send, or nothing when the coordinator has never
    /// heard of it. Commits only when nothing has failed.
    pub(crate) fn end(&mut self, end: End) -> Result<Option<EndCall>, TransactionError> {
        let Phase::Open(open) = &self.phase else {
            return match &self.phase {
                Phase::Broken(error) => Err(error.clone()),
                _ => Err(TransactionError::not_open()),
            };
        };
        if let (End::Commit, Some(failure)) = (end, &open.failure) {
            return Err(failure.clone());
        }
        if !open.is_touched {
            self.phase = Phase::Idle;
            self.last_end = Some(end);
            return Ok(None);
        }
        let call = EndCall {
            identity: self.identity,
            version: open.version,
            end,
        };
        self.phase = Phase::Ending(call);
        Ok(Some(call))
    }

    /// Takes the answer to the EndTxn under way.
    pub(crate) fn ended(&mut self, answer: EndAnswer) {
        let Phase::Ending(call) = &self.phase else {
            return;
        };
        let call = *call;
        match answer {
            EndAnswer::Unknown => {}
            EndAnswer::Done(identity) => {
                if let Some(identity) = identity {
                    self.identity = identity;
                    self.needs_bump = false;
                }
                self.phase = Phase::Idle;
                self.last_end = Some(call.end);
            }
            EndAnswer::Forgotten => {
                self.needs_bump = true;
                self.phase = Phase::Idle;
                self.last_end = Some(End::Abort);
            }
            EndAnswer::Refused(error) => {
                self.phase = Phase::Open(Open {
                    version: call.version,
                    registered: BTreeSet::new(),
                    wanted: BTreeSet::new(),
                    is_touched: true,
                    failure: Some(error),
                });
            }
            EndAnswer::Broken(error) => self.phase = Phase::Broken(error),
        }
    }

    /// Takes a bumped epoch, or another id.
    pub(crate) fn bumped(&mut self, identity: ProducerIdentity) {
        if matches!(self.phase, Phase::Idle) {
            self.identity = identity;
            self.needs_bump = false;
        }
    }
}

#[cfg(test)]
mod tests;
