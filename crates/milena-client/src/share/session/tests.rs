//! Tests of share sessions.

use super::*;

fn partitions(indexes: &[i32]) -> BTreeSet<PartitionId> {
    let ids = indexes.iter().map(|index| (Uuid::from_u128(1), *index));
    ids.collect()
}

#[test]
fn a_session_opens_then_says_only_what_changes() {
    let mut session = ShareSession::default();
    let plan = session.plan_fetch(&partitions(&[0, 1]));
    assert_eq!((plan.epoch, plan.added.len()), (0, 2));
    session.on_success(&plan);
    let plan = session.plan_fetch(&partitions(&[1, 2]));
    assert_eq!(plan.epoch, 1);
    assert_eq!(plan.added, partitions(&[2]));
    assert_eq!(plan.forgotten, partitions(&[0]));
    session.on_success(&plan);
    let plan = session.plan_fetch(&partitions(&[1, 2]));
    assert_eq!(
        (plan.epoch, plan.added.len(), plan.forgotten.len()),
        (2, 0, 0)
    );
}

#[test]
fn verdicts_are_told_in_runs_and_once() {
    let mut session = ShareSession::default();
    let partition = (Uuid::from_u128(1), 0);
    assert_eq!(session.plan_acknowledge(), None, "there is no session");
    let plan = session.plan_fetch(&partitions(&[0]));
    session.on_success(&plan);
    for (offset, verdict) in [
        (7, Verdict::Accept),
        (5, Verdict::Accept),
        (6, Verdict::Accept),
        (8, Verdict::Reject),
        (10, Verdict::Reject),
    ] {
        session.acknowledge(partition, offset, verdict);
    }
    let plan = session
        .plan_acknowledge()
        .expect("there is something to tell");
    let run = |first, last, verdict| Run {
        first,
        last,
        verdict,
    };
    let expected = vec![
        run(5, 7, Verdict::Accept),
        run(8, 8, Verdict::Reject),
        run(10, 10, Verdict::Reject),
    ];
    assert_eq!(plan.runs, Runs::from([(partition, expected)]));
    session.on_success(&plan);
    assert_eq!(session.plan_acknowledge(), None);
    assert_eq!(session.plan_fetch(&partitions(&[0])).epoch, 2);
}

#[test]
fn the_request_that_opens_a_session_tells_nothing() {
    let mut session = ShareSession::default();
    session.acknowledge((Uuid::from_u128(1), 0), 1, Verdict::Accept);
    assert!(session.plan_fetch(&partitions(&[0])).runs.is_empty());
    assert!(session.has_waiting());
}

#[test]
fn closing_tells_the_rest_and_is_done_once() {
    let mut session = ShareSession::default();
    assert_eq!(session.plan_close(), None);
    let plan = session.plan_fetch(&partitions(&[0]));
    session.on_success(&plan);
    session.acknowledge((Uuid::from_u128(1), 0), 1, Verdict::Release);
    let plan = session.plan_close().expect("there is a session");
    assert_eq!((plan.epoch, plan.runs.len()), (-1, 1));
    assert_eq!(session.plan_close(), None);
}

#[test]
fn epochs_wrap_past_those_with_a_meaning() {
    let mut session = ShareSession {
        epoch: i32::MAX,
        ..ShareSession::default()
    };
    let plan = session.plan_fetch(&partitions(&[]));
    session.on_success(&plan);
    assert_eq!(session.plan_fetch(&partitions(&[])).epoch, 1);
}

#[test]
fn a_session_that_is_lost_is_opened_again_with_everything() {
    let mut session = ShareSession::default();
    let plan = session.plan_fetch(&partitions(&[0, 1]));
    session.on_success(&plan);
    session.reset();
    let plan = session.plan_fetch(&partitions(&[0, 1]));
    assert_eq!((plan.epoch, plan.added.len()), (0, 2));
    session.on_success(&plan);
    session.forget(&(Uuid::from_u128(1), 1));
    assert_eq!(
        session.plan_fetch(&partitions(&[0, 1])).added,
        partitions(&[1])
    );
}
