//! How much goes into one transaction.

use std::time::Duration;

use crate::retry::Retry;

/// Records whose outcome one transaction commits.
pub(super) const RECORDS_MAX: usize = 1_000;
/// How long the first of them waits for that at most, its own handling not counted.
pub(super) const INTERVAL: Duration = Duration::from_millis(100);
/// How many heartbeats a worker waits to be told to stop, after another producer has taken its
/// transactional id: that is what happens when the group gives the partition away.
pub(super) const FENCED_HEARTBEATS: u32 = 2;
/// How often to look whether there was one.
pub(super) const HEARD_LOOK_INTERVAL: Duration = Duration::from_millis(50);
/// How long to wait before a transaction that was aborted is written again: until it is
/// committed, ever longer, and not all at the same moment.
pub(super) const AGAIN: Retry = Retry::exponential(Duration::from_millis(100))
    .cap(Duration::from_secs(15))
    .attempts(u32::MAX);
