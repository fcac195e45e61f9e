//! Dead letters: a record that could not be handled, with everything known about why.
//!
//! Owns the form of a dead letter (`DEAD_LETTERS.md` in words: original key, value,
//! headers and timestamp untouched, diagnostics as text headers), its size budget, what can be
//! read back of letters that others wrote, and what operators do with them: browse, redrive and
//! purge with a [`DeadLetterAdmin`]. The sending of new letters is the publisher's.

mod admin;
mod browse;
mod budget;
mod dialect;
mod error;
mod filter;
mod fingerprint;
mod history;
mod host;
mod ledger;
mod letter;
mod limits;
mod names;
mod own_names;
mod purge;
mod ranges;
mod record;
mod redrive;
mod scan;

pub use self::admin::DeadLetterAdmin;
pub use self::browse::{Example, Group, Summary};
pub use self::dialect::Dialect;
pub use self::error::DeadLetterError;
pub use self::filter::Filter;
pub use self::history::Attempt;
pub(crate) use self::history::History;
pub(crate) use self::host::host_name;
pub use self::letter::{DeadLetter, Failure, Origin, RedriveMark};
pub use self::names::*;
pub(crate) use self::names::{is_diagnostic, topic_default};
pub use self::purge::{PurgeBefore, PurgedPartition};
pub(crate) use self::record::{FailurePlace, NewDeadLetter};
pub use self::redrive::{
    Redrive, RedrivePlan, RedriveProgress, RedriveReport, Refusal, SkipReason,
};
