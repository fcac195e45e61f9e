//! Exactly once: what handlers publish and the offsets of their records, in one transaction.
//!
//! Handlers fill outboxes in memory; only when a number of records is handled, or some time
//! has passed, one transaction writes everything ([`transactor`]). So no transaction is open
//! while a handler runs, and one that is aborted is written again without calling handlers
//! again.
//!
//! Each partition has a transactional id of its own, the same for whichever member has the
//! partition: taking it over ends what the former owner left open and shuts it out. Offsets
//! are read after that, so that what the former owner still committed is skipped, and what
//! it tries to commit later is refused. Nothing else is needed for safety: no names of
//! instances, and no generation of the group.

mod ledger;
mod limits;
mod transactor;
mod worker;

pub(super) use self::transactor::Transactions;
pub(super) use self::worker::one_by_one;

use milena_client::consumer::IsolationLevel;

use super::TopicEntry;
use super::concurrency::Concurrency;
use super::topic::{Counting, Retries, TopicOptions};

/// Who counts records exactly once must not count those that count not at all.
pub(super) fn isolation(topics: &[TopicEntry]) -> Option<IsolationLevel> {
    let is_exact = |entry: &TopicEntry| entry.options.counting == Counting::ExactlyOnce;
    topics
        .iter()
        .any(is_exact)
        .then_some(IsolationLevel::ReadCommitted)
}

/// What keeps a topic's records from counting exactly once, if they are to.
pub(super) fn problem(options: &TopicOptions) -> Option<&'static str> {
    if options.counting == Counting::AtLeastOnce {
        return None;
    }
    if options.concurrency != Concurrency::Partition {
        return Some("records that count exactly once are handled one after the other");
    }
    if options.retries == Retries::ThroughTopic {
        return Some("records that count exactly once are tried again in place");
    }
    None
}
