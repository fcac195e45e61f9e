//! Why a transaction did not happen, and what can be done about it.

use std::sync::Arc;

use crate::error::Error;
use crate::producer::ProduceError;
use crate::wire::ErrorClass;

/// Why a call on a transaction or its producer failed. Cheap to clone.
///
/// The three kinds ask for three reactions, whatever the reason.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum TransactionError {
    /// Nothing of this transaction counts. It is aborted before the next one begins: begin
    /// one and do the work again.
    #[error("the transaction is aborted: {reason}")]
    Aborted {
        /// What failed.
        reason: Reason,
    },
    /// The commit was sent and its outcome is not known yet. It is never aborted;
    /// [`resolve`](super::TransactionalProducer::resolve) asks again until it is known, and
    /// so does the next `begin`.
    #[error("it is not known yet whether the transaction is committed: {reason}")]
    OutcomeUnknown {
        /// What became of the last attempt.
        reason: Reason,
    },
    /// This producer cannot go on, such as fenced by another with its transactional id.
    #[error("the transactional producer cannot go on: {reason}")]
    Fatal {
        /// What ended it.
        reason: Reason,
    },
}

/// What is behind a [`TransactionError`].
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Reason {
    /// A record was not written.
    #[error(transparent)]
    Record(ProduceError),
    /// A request to the cluster failed, or a coordinator refused it.
    #[error(transparent)]
    Request(Arc<Error>),
}

impl TransactionError {
    /// Whether the next transaction may succeed.
    #[must_use]
    pub fn is_aborted(&self) -> bool {
        matches!(self, Self::Aborted { .. })
    }

    /// Whether the transaction may be committed all the same.
    #[must_use]
    pub fn is_outcome_unknown(&self) -> bool {
        matches!(self, Self::OutcomeUnknown { .. })
    }

    /// Whether another producer is needed.
    #[must_use]
    pub fn is_fatal(&self) -> bool {
        matches!(self, Self::Fatal { .. })
    }

    /// Whether doing the work again, in another transaction, can help.
    #[must_use]
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::Aborted { .. } => ErrorClass::NonRetriable,
            Self::OutcomeUnknown { .. } => ErrorClass::Retriable,
            Self::Fatal { .. } => ErrorClass::Terminal,
        }
    }

    /// What is behind it.
    #[must_use]
    pub fn reason(&self) -> &Reason {
        match self {
            Self::Aborted { reason } | Self::OutcomeUnknown { reason } | Self::Fatal { reason } => {
                reason
            }
        }
    }

    pub(crate) fn aborted(reason: impl Into<Reason>) -> Self {
        Self::Aborted {
            reason: reason.into(),
        }
    }

    pub(crate) fn unknown(reason: impl Into<Reason>) -> Self {
        Self::OutcomeUnknown {
            reason: reason.into(),
        }
    }

    pub(crate) fn fatal(reason: impl Into<Reason>) -> Self {
        Self::Fatal {
            reason: reason.into(),
        }
    }

    /// A call that only an open transaction can serve.
    pub(crate) fn not_open() -> Self {
        Self::aborted(Error::InvalidState {
            what: "no transaction is open".to_owned(),
        })
    }
}

impl From<Error> for Reason {
    fn from(error: Error) -> Self {
        Self::Request(Arc::new(error))
    }
}

impl From<ProduceError> for Reason {
    fn from(error: ProduceError) -> Self {
        Self::Record(error)
    }
}
