use super::Reaction::{Abort, Break, Ended, Forgotten, Retry};
use super::*;

#[test]
fn each_code_has_its_reaction() {
    use ErrorCode as E;
    let cases = [
        (Request::Commit, E::ConcurrentTransactions, Retry),
        (Request::Commit, E::NotCoordinator, Retry),
        (Request::Commit, E::CoordinatorLoadInProgress, Retry),
        (Request::Commit, E::RequestTimedOut, Retry),
        (Request::Commit, E::TransactionAbortable, Abort),
        (Request::Commit, E::InvalidTxnState, Break),
        (Request::Commit, E::ProducerFenced, Break),
        (Request::Commit, E::InvalidProducerEpoch, Break),
        (Request::Abort, E::InvalidTxnState, Ended),
        (Request::Abort, E::InvalidProducerIdMapping, Forgotten),
        (Request::Abort, E::ProducerFenced, Break),
        (Request::AddPartitions, E::UnknownTopicOrPartition, Retry),
        (Request::AddPartitions, E::TopicAuthorizationFailed, Abort),
        (Request::AddPartitions, E::InvalidProducerIdMapping, Abort),
        (Request::AddOffsets, E::GroupAuthorizationFailed, Abort),
        (Request::CommitOffsets, E::IllegalGeneration, Abort),
        (Request::CommitOffsets, E::FencedInstanceId, Abort),
        (Request::CommitOffsets, E::ProducerFenced, Break),
        (Request::Init, E::TransactionalIdAuthorizationFailed, Break),
        (Request::Init, E::InvalidTransactionTimeout, Break),
    ];
    for (request, code, expected) in cases {
        assert_eq!(react(request, code), expected, "{request} {code}");
    }
}
