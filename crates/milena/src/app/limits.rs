//! How much an application holds at once.

use std::time::Duration;

/// Batches that wait for one worker, whatever their size; their bytes are bounded by the
/// setting `partition.buffer.bytes`.
pub(super) const QUEUED_BATCHES_MAX: u32 = 1024;
/// Rebalance events that wait for the dispatcher; the group's task waits for each.
pub(super) const QUEUED_COMMANDS_MAX: usize = 4;
/// Failures that wait for the dispatcher; the first one stops the application, so what
/// does not fit is only logged.
pub(super) const QUEUED_FAILURES_MAX: usize = 16;
/// Records of a batch, unless its handler says otherwise.
pub(super) const BATCH_RECORDS_DEFAULT: usize = 25;
/// How long a batch waits for more records, unless its handler says otherwise.
pub(super) const BATCH_WAIT_DEFAULT: Duration = Duration::from_secs(5);
