//! How much an application holds at once.

/// Batches that wait for one worker, whatever their size; their bytes are bounded by the
/// setting `partition.buffer.bytes`.
pub(super) const QUEUED_BATCHES_MAX: u32 = 1024;
/// Rebalance events that wait for the dispatcher; the group's task waits for each.
pub(super) const QUEUED_COMMANDS_MAX: usize = 4;
/// Failures that wait for the dispatcher; the first one stops the application, so what
/// does not fit is only logged.
pub(super) const QUEUED_FAILURES_MAX: usize = 16;
