//! Dead letters: a record that could not be handled, with everything known about why.
//!
//! Owns the form of a dead letter (`DEAD_LETTERS.md` in words: original key, value,
//! headers and timestamp untouched, diagnostics as text headers), its size budget, and
//! what can be read back of letters that others wrote. Sends nothing and reads no clock.

mod budget;
mod dialect;
mod fingerprint;
mod history;
mod host;
mod letter;
mod limits;
mod names;
mod record;

pub use self::dialect::Dialect;
pub use self::history::Attempt;
pub(crate) use self::history::History;
pub(crate) use self::host::host_name;
pub use self::letter::{DeadLetter, Failure, Origin, RedriveMark};
pub(crate) use self::names::is_diagnostic;
pub use self::names::*;
pub(crate) use self::record::{FailurePlace, NewDeadLetter};
