//! How much a scheduler holds at once.

use std::time::Duration;

/// Runs of one job side by side, when it may overlap with itself.
pub(super) const OVERLAPPING_RUNS_MAX: usize = 64;
/// Missed ticks that one job makes up for; more than these stay missed.
pub(super) const OWED_RUNS_MAX: u32 = 1000;
/// Triggers that wait for one job to be free.
pub(super) const WAITING_TRIGGERS_MAX: usize = 16;
/// The shortest period: below it, the work is a loop rather than a schedule.
pub(super) const PERIOD_MIN: Duration = Duration::from_millis(1);
/// How long the wall clock is trusted to run on as it does: after so long it is looked at
/// again, as somebody may have set it.
pub(super) const WALL_CLOCK_TRUST: Duration = Duration::from_secs(30);

const _: () = assert!(WAITING_TRIGGERS_MAX <= OVERLAPPING_RUNS_MAX);
