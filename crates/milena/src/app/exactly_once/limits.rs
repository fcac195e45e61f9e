//! How much goes into one transaction.

use std::time::Duration;

/// Records whose outcome one transaction commits.
pub(super) const RECORDS_MAX: usize = 1_000;
/// How long the first of them waits for that at most, its own handling not counted.
pub(super) const INTERVAL: Duration = Duration::from_millis(100);
/// How many heartbeats a worker waits to be told to stop, after another producer has taken its
/// transactional id: that is what happens when the group gives the partition away.
pub(super) const FENCED_HEARTBEATS: u32 = 2;
/// How long to wait before a transaction that was aborted is written again.
pub(super) const AGAIN_DELAY: Duration = Duration::from_millis(100);
