//! The named bounds of a spool.

use std::time::Duration;

/// Bytes of a spool's files together, unless told otherwise.
pub(super) const SPOOL_BYTES_DEFAULT: u64 = 1 << 30;
pub(super) const SPOOL_BYTES_MIN: u64 = 1 << 20;
/// The part that is kept for messages taken before the cluster went away.
pub(super) const RESERVED_SHARE: u64 = 8;
/// A file of accepted messages is this part of the limit, within bounds: a file is removed once
/// all of its messages are replayed.
pub(super) const SEGMENT_SHARE: u64 = 16;
pub(super) const SEGMENT_BYTES_MIN: u64 = 64 << 10;
pub(super) const SEGMENT_BYTES_MAX: u64 = 64 << 20;
/// What is kept of a batch's buffer for the next one.
pub(super) const BATCH_BYTES_KEPT_MAX: usize = 1 << 20;
pub(super) const SYNC_INTERVAL_DEFAULT: Duration = Duration::from_secs(1);

const _: () = assert!(SPOOL_BYTES_MIN / SEGMENT_SHARE >= SEGMENT_BYTES_MIN);
const _: () = assert!(RESERVED_SHARE > 1);
