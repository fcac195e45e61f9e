//! A transaction is committed or aborted: decided once, then made known.

use milena_wire::batch::control::TransactionEnd;
use milena_wire::error_code::ErrorCode;

use super::{Identity, Protocol, State, Transaction};

/// What EndTxn says.
#[derive(Debug, Clone, Copy)]
pub(crate) struct EndRequest {
    pub(crate) who: Identity,
    pub(crate) end: TransactionEnd,
    pub(crate) protocol: Protocol,
}

/// What follows from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended {
    /// It was ended like this before; the answer was lost.
    Already(Identity),
    /// Decided now, to be made known; the producer goes on as this.
    Decided(Identity),
}

impl Transaction {
    /// Decides how the transaction ends. `fresh_id` is asked for an id that was never
    /// used, when the epochs of the current one are used up.
    pub(crate) fn end(
        &mut self,
        request: EndRequest,
        fresh_id: impl FnOnce() -> Result<i64, ErrorCode>,
        now_ms: i64,
    ) -> Result<Ended, ErrorCode> {
        let is_repeated = self.is_end_repeated(request.who);
        if request.who.id != self.identity.id && !is_repeated {
            return Err(ErrorCode::InvalidProducerIdMapping);
        }
        if request.who.epoch != self.identity.epoch && !is_repeated {
            return Err(ErrorCode::ProducerFenced);
        }
        let is_v2 = request.protocol == Protocol::V2;
        match self.state {
            State::Ongoing => {}
            State::Preparing(end) if end == request.end => {
                return Err(ErrorCode::ConcurrentTransactions);
            }
            State::Complete(end) if is_repeated && end == request.end => {
                return Ok(Ended::Already(self.identity));
            }
            // Without epochs of their own, the same request says the same as before.
            State::Complete(end) if self.protocol == Protocol::V1 && end == request.end => {
                return Ok(Ended::Already(self.identity));
            }
            // The producer may not know whether anything of it has arrived here.
            State::Empty | State::Complete(_)
                if is_v2 && !is_repeated && request.end == TransactionEnd::Abort => {}
            _ => return Err(ErrorCode::InvalidTxnState),
        }
        if is_v2 {
            self.id_next = match self.identity.is_exhausted() {
                true => Some(fresh_id()?),
                false => None,
            };
            self.epoch_before = -1;
            self.identity = self.identity.bumped();
        }
        self.protocol = request.protocol;
        self.state = State::Preparing(request.end);
        self.updated_ms = now_ms;
        Ok(Ended::Decided(self.identity_next()))
    }

    /// Everyone knows how it ended.
    pub(crate) fn complete(&mut self, now_ms: i64) {
        let State::Preparing(end) = self.state else {
            return;
        };
        if self.id_next.is_some() {
            self.id_before = self.identity.id;
        }
        self.identity = self.identity_next();
        self.id_next = None;
        self.state = State::Complete(end);
        self.partitions.clear();
        self.groups.clear();
        self.started_ms = -1;
        self.updated_ms = now_ms;
    }

    /// Who the producer is after the transaction that is being ended.
    fn identity_next(&self) -> Identity {
        self.id_next
            .map_or(self.identity, |id| Identity { id, epoch: 0 })
    }

    /// With an epoch for each transaction, the epoch before the current one asks about
    /// the transaction that is ending or has just ended.
    fn is_end_repeated(&self, who: Identity) -> bool {
        if self.protocol == Protocol::V1
            || !matches!(self.state, State::Preparing(_) | State::Complete(_))
        {
            return false;
        }
        let is_epoch_before =
            who.id == self.identity.id && who.epoch.checked_add(1) == Some(self.identity.epoch);
        let is_id_before =
            who.id == self.id_before && who.is_exhausted() && self.identity.epoch == 0;
        is_epoch_before || is_id_before
    }
}
