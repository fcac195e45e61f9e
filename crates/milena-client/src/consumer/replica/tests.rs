//! Tests of the choice between leader and follower, in virtual time.

use std::time::Duration;

use tokio::time::Instant;

use super::{FOLLOWERS_LEFT_ALONE, ReadReplica};
use crate::topology::NodeId;

const FOLLOWER: NodeId = NodeId(2);
const MAX_AGE: Duration = Duration::from_secs(300);

#[test]
fn a_recommendation_counts_until_it_is_too_old() {
    let now = Instant::now();
    let mut replica = ReadReplica::default();
    assert_eq!(replica.current(now), None);
    replica.recommend(FOLLOWER, now, MAX_AGE);
    assert_eq!(replica.current(now), Some(FOLLOWER));
    assert_eq!(replica.ends_at(), Some(now + MAX_AGE));
    assert_eq!(replica.current(now + MAX_AGE), None);
    assert!(!replica.wants_leader(now + MAX_AGE), "it recommends anew");
}

#[test]
fn after_a_followers_failure_the_leader_is_read_for_a_while() {
    let now = Instant::now();
    let mut replica = ReadReplica::default();
    replica.recommend(FOLLOWER, now, MAX_AGE);
    assert!(!replica.on_failed(NodeId(3), now), "it was not read");
    assert_eq!(replica.current(now), Some(FOLLOWER));
    assert!(replica.on_failed(FOLLOWER, now));
    assert_eq!(replica.current(now), None);
    assert!(replica.wants_leader(now));
    assert!(!replica.wants_leader(now + FOLLOWERS_LEFT_ALONE));
    replica.on_new_leader();
    assert!(!replica.wants_leader(now));
}
