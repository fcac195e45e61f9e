//! The named bounds of reliable publishing.

/// Failed messages that may wait for a retry or a dead letter before publishing waits too.
pub(super) const WAITING_MAX_DEFAULT: usize = 100_000;
/// Failed attempts that a message remembers: the first and the latest, as dead letters do.
pub(super) const FAILURES_KEPT_MAX: usize = 10;
/// Retries and dead letters that are on their way to the producer at once.
pub(super) const AT_WORK_MAX: usize = 512;

const _: () = assert!(FAILURES_KEPT_MAX >= 2);
const _: () = assert!(AT_WORK_MAX > 0);
