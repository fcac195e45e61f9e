//! What the suites in `tests/` stand on: brokers to test against, trouble by a seed, the history
//! checker.
//!
//! Sits on top of all crates; nothing depends on it. Holds no test of its own but those of the
//! checker.

pub mod history;
pub mod load;
pub mod ports;
pub mod program;
pub mod proxy;
pub mod raw;
pub mod readers;
pub mod schedule;
pub mod secured;
pub mod target;
pub mod transactions;
