//! The named bounds of reliable publishing.

use std::time::Duration;

/// Failed attempts that a message remembers: the first and the latest, as dead letters do.
pub(super) const FAILURES_KEPT_MAX: usize = 10;
/// Retries and dead letters that are on their way to the producer at once.
pub(super) const AT_WORK_MAX: usize = 512;

/// Failed messages that may wait for a retry or a dead letter, unless told otherwise.
pub(super) const WAITING_MAX_DEFAULT: usize = 100_000;
/// Bytes of them, likewise.
pub(super) const WAITING_BYTES_DEFAULT: usize = 256 << 20;

/// What was found among all waiting messages counts for so many times as long as it took to look:
/// whoever asks often holds up those that fail for a hundredth of the time.
pub(super) const LOOK_SHARE: u32 = 100;

/// How long a publisher that is closed waits for observers to hear of everything.
pub(super) const STOP_TIMEOUT: Duration = Duration::from_secs(5);

/// Messages that are written to the spool at once.
pub(super) const SPOOLED_AT_ONCE_MAX: usize = 4096;
/// Messages of the spool that are on their way at once.
pub(super) const REPLAY_MESSAGES_MAX: usize = 4096;
/// Bytes of them; a larger message goes alone.
pub(super) const REPLAY_BYTES_MAX: u64 = 1 << 20;
/// With so few left in the spool, new messages wait until those are replayed.
pub(super) const HANDOVER_MESSAGES_MAX: u64 = 1024;
/// How many failed attempts in a row open the breaker of a publisher with a spool and no
/// breaker of its own.
pub(super) const SPOOL_BREAKER_FAILURES: u32 = 10;

const _: () = assert!(HANDOVER_MESSAGES_MAX <= REPLAY_MESSAGES_MAX as u64);
const _: () = assert!(FAILURES_KEPT_MAX >= 2);
const _: () = assert!(AT_WORK_MAX > 0);
