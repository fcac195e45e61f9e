//! A producer takes over a transactional id, or asks for a new epoch (KIP-360).

use milena_wire::batch::control::TransactionEnd;
use milena_wire::error_code::ErrorCode;

use super::{Identity, State, Transaction};

/// What InitProducerId says.
#[derive(Debug, Clone, Copy)]
pub(crate) struct InitRequest {
    pub(crate) timeout_ms: i32,
    /// Who the producer is so far; `None` of one that has just started.
    pub(crate) current: Option<Identity>,
}

/// What follows from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Initialized {
    /// The producer's identity from now on.
    As(Identity),
    /// A transaction is going on. It is to be aborted now, which shuts its producer
    /// out; then the request is to be repeated.
    AfterAbort,
}

impl Transaction {
    /// Gives the producer an identity that shuts former ones out. `fresh_id` is asked
    /// for an id that was never used, when one is needed.
    pub(crate) fn init(
        &mut self,
        request: InitRequest,
        fresh_id: impl FnOnce() -> Result<i64, ErrorCode>,
        now_ms: i64,
    ) -> Result<Initialized, ErrorCode> {
        if !self.recognises(request.current) {
            return Err(ErrorCode::ProducerFenced);
        }
        match self.state {
            State::Preparing(_) => return Err(ErrorCode::ConcurrentTransactions),
            State::Ongoing => {
                self.check_epoch(request.current)?;
                self.shut_out(now_ms);
                return Ok(Initialized::AfterAbort);
            }
            State::Empty | State::Complete(_) => {}
        }
        let is_current = request
            .current
            .is_none_or(|current| current.epoch == self.identity.epoch);
        if self.identity == Identity::NONE || (self.identity.is_exhausted() && is_current) {
            self.id_before = self.identity.id;
            self.epoch_before = request.current.map_or(-1, |current| current.epoch);
            self.identity = Identity {
                id: fresh_id()?,
                epoch: 0,
            };
        } else if !self.is_repeated(request.current) {
            self.check_epoch(request.current)?;
            self.epoch_before = request.current.map_or(-1, |_| self.identity.epoch);
            self.identity = self.identity.bumped();
        }
        self.timeout_ms = request.timeout_ms;
        self.state = State::Empty;
        self.updated_ms = now_ms;
        Ok(Initialized::As(self.identity))
    }

    /// Decides to abort a transaction whose producer is to be heard no more.
    pub(crate) fn shut_out(&mut self, now_ms: i64) {
        self.identity = self.identity.bumped();
        self.epoch_before = -1;
        self.state = State::Preparing(TransactionEnd::Abort);
        self.updated_ms = now_ms;
    }

    /// An id that belongs here now, or did so until its epochs were used up.
    fn recognises(&self, current: Option<Identity>) -> bool {
        let Some(current) = current else {
            return true;
        };
        self.identity == Identity::NONE
            || current.id == self.identity.id
            || (current.id == self.id_before && current.is_exhausted())
    }

    /// The request was answered before, and the answer was lost.
    fn is_repeated(&self, current: Option<Identity>) -> bool {
        current.is_some_and(|current| {
            let is_same_id = current.id == self.identity.id && current.epoch == self.epoch_before;
            let is_former_id = current.id == self.id_before && current.is_exhausted();
            is_same_id || is_former_id
        })
    }

    fn check_epoch(&self, current: Option<Identity>) -> Result<(), ErrorCode> {
        match current {
            Some(current) if current.epoch != self.identity.epoch => Err(ErrorCode::ProducerFenced),
            _ => Ok(()),
        }
    }
}
