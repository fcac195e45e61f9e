//! Tests of fetch sessions.

use std::collections::BTreeMap;

use uuid::Uuid;

use super::{FetchParams, FetchPlan, FetchSession, SessionOutcome};
use crate::topology::TopicPartition;
use crate::wire::ErrorCode;

fn params(fetch_offset: i64) -> FetchParams {
    FetchParams {
        topic_id: Uuid::from_u128(1),
        fetch_offset,
        current_leader_epoch: 0,
        last_fetched_epoch: -1,
        partition_bytes_max: 1024,
    }
}

/// Partitions of topic `t` with the offsets to fetch from.
fn wanted(offsets: &[(i32, i64)]) -> BTreeMap<TopicPartition, FetchParams> {
    offsets
        .iter()
        .map(|(partition, offset)| (TopicPartition::new("t", *partition), params(*offset)))
        .collect()
}

fn named(plan: &FetchPlan) -> Vec<(i32, i64)> {
    plan.partitions
        .iter()
        .map(|(name, params)| (name.partition, params.fetch_offset))
        .collect()
}

fn forgotten(plan: &FetchPlan) -> Vec<i32> {
    plan.forgotten
        .iter()
        .map(|(name, _)| name.partition)
        .collect()
}

/// A session with id 7 that knows partitions 0 and 1 at offset 0.
fn established() -> FetchSession {
    let mut session = FetchSession::new();
    let plan = session.plan(wanted(&[(0, 0), (1, 0)]));
    assert_eq!((plan.session_id, plan.session_epoch), (0, 0));
    assert_eq!(named(&plan), [(0, 0), (1, 0)]);
    let outcome = session.on_response(ErrorCode::None, 7);
    assert_eq!(outcome, SessionOutcome::Accepted);
    session
}

#[test]
fn only_changes_are_named() {
    let mut session = established();
    let plan = session.plan(wanted(&[(0, 5), (1, 0)]));
    assert_eq!((plan.session_id, plan.session_epoch), (7, 1));
    assert_eq!(named(&plan), [(0, 5)]);
    assert_eq!(forgotten(&plan), [0; 0]);
    session.on_response(ErrorCode::None, 7);
    let plan = session.plan(wanted(&[(0, 5), (1, 0)]));
    assert_eq!((plan.session_epoch, named(&plan)), (2, vec![]));
}

#[test]
fn pitfall_21_partitions_no_longer_wanted_are_forgotten() {
    let mut session = established();
    let plan = session.plan(wanted(&[(1, 0)]));
    assert_eq!((named(&plan), forgotten(&plan)), (vec![], vec![0]));
    session.on_response(ErrorCode::None, 7);
    // Back again: the broker must be told anew.
    let plan = session.plan(wanted(&[(0, 0), (1, 0)]));
    assert_eq!((named(&plan), forgotten(&plan)), (vec![(0, 0)], vec![]));
}

#[test]
fn pitfall_21_session_id_0_means_full_requests_and_is_no_error() {
    let mut session = FetchSession::new();
    for _ in 0..3 {
        let plan = session.plan(wanted(&[(0, 0)]));
        assert_eq!((plan.session_id, plan.session_epoch), (0, 0));
        assert_eq!(named(&plan), [(0, 0)]);
        let outcome = session.on_response(ErrorCode::None, 0);
        assert_eq!(outcome, SessionOutcome::Accepted);
    }
}

#[test]
fn pitfall_21_a_lost_session_is_asked_for_anew_once() {
    let mut session = established();
    session.plan(wanted(&[(0, 5)]));
    let code = ErrorCode::FetchSessionIdNotFound;
    assert_eq!(session.on_response(code, 0), SessionOutcome::Restarted);
    let plan = session.plan(wanted(&[(0, 5)]));
    assert_eq!((plan.session_id, plan.session_epoch), (0, 0));
    // The same again in answer to a full request must not spin.
    assert_eq!(session.on_response(code, 0), SessionOutcome::Failed(code));
}

#[test]
fn a_wrong_epoch_closes_the_old_session() {
    let mut session = established();
    session.plan(wanted(&[(0, 5)]));
    let code = ErrorCode::InvalidFetchSessionEpoch;
    assert_eq!(session.on_response(code, 0), SessionOutcome::Restarted);
    let plan = session.plan(wanted(&[(0, 5)]));
    assert_eq!((plan.session_id, plan.session_epoch), (7, 0));
    assert_eq!(
        session.on_response(ErrorCode::None, 8),
        SessionOutcome::Accepted
    );
    let plan = session.plan(wanted(&[(0, 6)]));
    assert_eq!((plan.session_id, plan.session_epoch), (8, 1));
}

#[test]
fn a_recreated_topic_replaces_the_old_one() {
    let mut session = established();
    let mut again = wanted(&[(0, 0), (1, 0)]);
    for params in again.values_mut() {
        params.topic_id = Uuid::from_u128(2);
    }
    let plan = session.plan(again);
    assert_eq!(named(&plan), [(0, 0), (1, 0)]);
    assert_eq!(forgotten(&plan), [0, 1]);
    assert!(
        plan.forgotten
            .iter()
            .all(|(_, id)| *id == Uuid::from_u128(1))
    );
}

#[test]
fn epochs_wrap_to_1() {
    let mut session = established();
    session.epoch = i32::MAX;
    session.on_response(ErrorCode::None, 7);
    assert_eq!(session.plan(wanted(&[])).session_epoch, 1);
}

#[test]
fn no_answer_starts_over() {
    let mut session = established();
    session.plan(wanted(&[(0, 5)]));
    session.on_failure();
    let plan = session.plan(wanted(&[(0, 5), (1, 0)]));
    assert_eq!((plan.session_id, plan.session_epoch), (0, 0));
    assert_eq!(named(&plan), [(0, 5), (1, 0)]);
}
