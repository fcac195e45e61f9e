//! How much of a retry topic is held at once, and how long.

/// Records of one partition that wait in memory, due or not.
pub(super) const WAITING_MAX: usize = 10_000;
/// Bytes of them.
pub(super) const WAITING_BYTES_MAX: usize = 16 << 20;
/// How long a record may wait here and hold others up before it is written again, and how
/// far its due time must be for that.
pub(super) const HOLDING_MS_MAX: i64 = 30_000;
/// Records that are written again at once.
pub(super) const MOVED_AT_ONCE_MAX: usize = 10_000;
/// Records of one partition and one topic that are handled at once.
pub(super) const HANDLED_AT_ONCE_MAX: usize = 8;
/// How long to wait at most before due times are compared with the clock again, which may
/// have been set.
pub(super) const LOOK_INTERVAL_MS_MAX: i64 = 1_000;
/// What a record costs in memory beyond its bytes.
pub(super) const RECORD_OVERHEAD_BYTES: usize = 256;

const _: () = assert!(WAITING_MAX <= MOVED_AT_ONCE_MAX);
