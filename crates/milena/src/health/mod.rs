//! Whether an application does what it is there for: live, ready, started.
//!
//! Owns the judgement (`judge`, a plain state machine over what was observed) and the
//! report. Must not know how partitions are consumed: it is told how far they are.

mod board;
mod judge;
mod report;
#[cfg(feature = "http")]
mod server;

pub(crate) use self::board::HealthBoard;
pub(crate) use self::judge::{MembershipSeen, Observed, Patience, StageSeen, WorkSeen};
pub use self::report::{HealthProblem, HealthReport};
#[cfg(feature = "http")]
pub(crate) use self::server::{HealthServer, HealthSource};
