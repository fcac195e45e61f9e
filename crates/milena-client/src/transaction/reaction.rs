//! What a coordinator's error code means for a transaction. One table; owns no state.

use std::fmt;

use crate::wire::ErrorCode;

/// What was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Request {
    Init,
    AddPartitions,
    AddOffsets,
    CommitOffsets,
    Commit,
    Abort,
}

/// What to do about the answer; the later, the worse.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Reaction {
    /// Ask the same again.
    Retry,
    /// There is nothing left to abort.
    Ended,
    /// There is nothing left to abort, and the coordinator does not know the producer.
    Forgotten,
    /// The transaction can only be aborted.
    Abort,
    /// The producer cannot go on.
    Break,
}

/// What `code` in answer to `request` leads to.
pub(super) fn react(request: Request, code: ErrorCode) -> Reaction {
    match (request, code) {
        // Nothing was committed under this epoch, which is still the current one.
        (Request::Abort, ErrorCode::InvalidTxnState) => Reaction::Ended,
        (Request::Abort, ErrorCode::InvalidProducerIdMapping) => Reaction::Forgotten,
        (Request::Init, ErrorCode::InvalidProducerIdMapping) => Reaction::Break,
        (
            _,
            ErrorCode::TransactionAbortable
            | ErrorCode::TopicAuthorizationFailed
            | ErrorCode::GroupAuthorizationFailed
            | ErrorCode::OperationNotAttempted
            | ErrorCode::InvalidProducerIdMapping
            | ErrorCode::UnknownProducerId
            | ErrorCode::OffsetMetadataTooLarge
            | ErrorCode::InvalidCommitOffsetSize
            | ErrorCode::UnknownMemberId
            | ErrorCode::IllegalGeneration
            | ErrorCode::FencedInstanceId
            | ErrorCode::FencedMemberEpoch
            | ErrorCode::StaleMemberEpoch
            | ErrorCode::RebalanceInProgress,
        ) => Reaction::Abort,
        (_, code) if code.is_retriable() => Reaction::Retry,
        _ => Reaction::Break,
    }
}

impl fmt::Display for Request {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Init => "InitProducerId",
            Self::AddPartitions => "AddPartitionsToTxn",
            Self::AddOffsets => "AddOffsetsToTxn",
            Self::CommitOffsets => "TxnOffsetCommit",
            Self::Commit => "EndTxn (commit)",
            Self::Abort => "EndTxn (abort)",
        })
    }
}

#[cfg(test)]
mod tests;
