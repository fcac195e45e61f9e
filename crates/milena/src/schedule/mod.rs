//! Jobs: async functions that run by the clock instead of for a message.
//!
//! Owns when a job runs (`timetable` and `planner`, plain state machines), that it does
//! (`runner`), and the handle that shows and steers it (`jobs`). Must not know topics,
//! consumers or brokers.

mod clock;
mod cron;
mod desk;
mod entry;
mod function;
mod job;
mod jobs;
mod limits;
mod planner;
mod runner;
mod tick;
mod timetable;

pub(crate) use self::clock::Clock;
pub(crate) use self::entry::JobEntry;
pub use self::function::JobFunction;
pub use self::job::{IntoJob, Job, job};
pub use self::jobs::{JobError, JobStatus, Jobs};
pub use self::planner::MissedTicks;
pub(crate) use self::runner::{JobFailed, OnFatal, Scheduler};
pub use self::tick::{FromTick, Tick, TickCause};
