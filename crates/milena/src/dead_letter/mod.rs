//! Dead letters: a record that could not be handled, with everything known about why.
//!
//! Owns the form of a dead letter (`DEAD_LETTERS.md` in words: original key, value,
//! headers and timestamp untouched, diagnostics as text headers) and its size budget.
//! Builds records; sends nothing and reads no clock.

mod budget;
mod fingerprint;
mod history;
mod host;
mod limits;
mod names;
mod record;

pub(crate) use self::history::History;
pub(crate) use self::host::host_name;
pub(crate) use self::names::is_diagnostic;
pub use self::names::*;
pub(crate) use self::record::{DeadLetter, Origin};
