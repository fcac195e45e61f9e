//! The producer's named bounds.

use std::time::Duration;

/// Room of a partition's first batch; later ones start at the size of the one before.
pub(super) const BATCH_BYTES_INITIAL: usize = 4 * 1024;
pub(super) const BATCH_BYTES_INITIAL_MIN: usize = 256;

/// A record without its key, value and headers: length, attributes, timestamp delta, offset delta,
/// key length, value length and header count, each varint at its longest.
pub(super) const RECORD_OVERHEAD_BYTES_MAX: usize = 5 + 1 + 10 + 5 + 5 + 5 + 5;

/// Requests of one sender that wait for answers, all partitions together.
pub(super) const REQUESTS_IN_FLIGHT_MAX: usize = 256;

/// How often overdue batches are looked for, at most and at least.
pub(super) const EXPIRY_INTERVAL_MIN: Duration = Duration::from_millis(10);
pub(super) const EXPIRY_INTERVAL_MAX: Duration = Duration::from_secs(1);

/// The kernel and the runtime need some slack: a linger is over this much early.
pub(super) const LINGER_SLACK: Duration = Duration::from_micros(200);

/// Buffers that a producer keeps for its next batches, on top of its budget.
pub(super) const SPARE_BUFFERS_MAX: usize = 64;

/// Bytes of those buffers together.
pub(super) const SPARE_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Room for what is kept of a batch's records for a sink, at first.
pub(super) const RUNS_AT_FIRST: usize = 4;
