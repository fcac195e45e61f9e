//! Tests of a classic member, in virtual time.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::{Action, ClassicMember, Identity, JoinCall, Joined, MemberConfig, Trouble};
use crate::group::action::GroupFailure;
use crate::group::assignor::{Assignments, Assignor, MemberSubscription};
use crate::topology::TopicPartition;
use crate::wire::ErrorCode;

const HEARTBEAT: Duration = Duration::from_secs(3);
const SESSION: Duration = Duration::from_secs(45);

/// A member with a clock that only tests move.
struct Rig {
    member: ClassicMember,
    now: Instant,
}

impl Rig {
    fn new() -> Self {
        Self::with(false)
    }

    fn with(is_static: bool) -> Self {
        let now = Instant::now();
        let config = MemberConfig {
            is_static,
            assignors: vec![Assignor::CooperativeSticky, Assignor::Range],
            session_timeout: SESSION,
            heartbeat_interval: HEARTBEAT,
            retry_backoff: Duration::from_millis(100),
            retry_backoff_max: Duration::from_secs(1),
        };
        Self {
            member: ClassicMember::new(config, now),
            now,
        }
    }

    /// A stable member of generation 1 with these partitions of `t`.
    fn stable(assignor: Assignor, partitions: &[i32]) -> Self {
        let mut rig = Self::new();
        rig.subscribe(&["t"]);
        rig.expect_join();
        rig.joined(assignor, 1);
        rig.synced(partitions);
        rig.member.take_actions();
        rig
    }

    fn subscribe(&mut self, topics: &[&str]) {
        self.member.subscribe(names(topics), self.now);
        self.tick(Duration::ZERO);
    }

    fn tick(&mut self, step: Duration) {
        self.now += step;
        self.member.tick(self.now);
    }

    /// Moves time to the next thing the member waits for.
    fn wait(&mut self) {
        let at = self.member.wake_at().expect("waits for something");
        self.now = self.now.max(at);
        self.member.tick(self.now);
    }

    fn actions(&mut self) -> Vec<Action> {
        self.member.take_actions()
    }

    fn expect_join(&mut self) -> JoinCall {
        match self.actions().pop() {
            Some(Action::Join(call)) => call,
            other => panic!("expected a join, not {other:?}"),
        }
    }

    /// JoinGroup answers: member `m`, not the leader.
    fn joined(&mut self, assignor: Assignor, generation: i32) {
        self.member
            .on_joined(joined(assignor, generation), self.now);
    }

    fn synced(&mut self, partitions: &[i32]) {
        self.member.on_synced(partitions_of_t(partitions), self.now);
    }

    fn heartbeat_answers(&mut self, result: Result<(), ErrorCode>) {
        let identity = self.member.identity().clone();
        let result = result.map_err(GroupFailure::Code);
        self.member.on_heartbeat(&identity, result, self.now);
    }

    fn given_up(&mut self) {
        self.member.on_given_up(self.now);
    }
}

fn names(topics: &[&str]) -> BTreeSet<Arc<str>> {
    topics.iter().map(|topic| Arc::from(*topic)).collect()
}

fn partitions_of_t(indexes: &[i32]) -> Vec<TopicPartition> {
    indexes
        .iter()
        .map(|index| TopicPartition::new("t", *index))
        .collect()
}

fn joined(assignor: Assignor, generation: i32) -> Joined {
    Joined {
        identity: Identity {
            member_id: "m".to_owned(),
            generation,
        },
        assignor,
        is_leader: false,
        skips_assignment: false,
        members: Vec::new(),
    }
}

/// The answer to the member that is to assign.
fn elected(assignor: Assignor, generation: i32) -> Joined {
    Joined {
        is_leader: true,
        members: vec![MemberSubscription::default()],
        ..joined(assignor, generation)
    }
}

fn has_sync(actions: &[Action]) -> bool {
    actions
        .iter()
        .any(|action| matches!(action, Action::Sync(_)))
}

#[test]
fn a_newcomer_joins_syncs_and_heartbeats() {
    let mut rig = Rig::new();
    assert_eq!(rig.actions(), []);
    rig.subscribe(&["t"]);
    let call = rig.expect_join();
    assert_eq!((call.identity, call.owned), (Identity::default(), vec![]));
    rig.member.on_member_id_required("m".to_owned());
    assert_eq!(rig.expect_join().identity.member_id, "m");
    rig.joined(Assignor::CooperativeSticky, 1);
    assert!(has_sync(&rig.actions()));
    rig.synced(&[0, 1]);
    assert_eq!(rig.actions(), [Action::Start(partitions_of_t(&[0, 1]))]);
    assert!(rig.member.is_settled());
    rig.wait();
    assert!(matches!(rig.actions()[..], [Action::Heartbeat(_)]));
    rig.tick(HEARTBEAT);
    assert_eq!(rig.actions(), [], "one heartbeat at a time");
    rig.heartbeat_answers(Ok(()));
    rig.wait();
    assert!(matches!(rig.actions()[..], [Action::Heartbeat(_)]));
}

#[test]
fn the_leader_assigns() {
    let mut rig = Rig::new();
    rig.subscribe(&["t"]);
    rig.expect_join();
    rig.member.on_joined(elected(Assignor::Range, 1), rig.now);
    assert!(matches!(rig.actions()[..], [Action::Assign { .. }]));
    let assignments = Assignments::from([("m".to_owned(), partitions_of_t(&[0]))]);
    rig.member.on_assigned(Assignor::Range, assignments.clone());
    match &rig.actions()[..] {
        [Action::Sync(call)] => assert_eq!(call.assignments, assignments),
        other => panic!("expected a sync, not {other:?}"),
    }
}

/// The answer to a heartbeat that was sent while the leader assigned may come while it waits for
/// SyncGroup: the next heartbeat is sent nevertheless.
#[test]
fn the_leader_heartbeats_after_an_answer_during_its_sync() {
    let mut rig = Rig::new();
    rig.subscribe(&["t"]);
    rig.expect_join();
    rig.member.on_joined(elected(Assignor::Range, 1), rig.now);
    rig.actions();
    rig.tick(HEARTBEAT);
    assert!(matches!(rig.actions()[..], [Action::Heartbeat(_)]));
    rig.member.on_assigned(Assignor::Range, Assignments::new());
    rig.heartbeat_answers(Ok(()));
    rig.synced(&[0]);
    rig.actions();
    rig.tick(HEARTBEAT);
    assert!(matches!(rig.actions()[..], [Action::Heartbeat(_)]));
}

#[test]
fn a_cooperative_member_keeps_what_it_has_through_a_rebalance() {
    let mut rig = Rig::stable(Assignor::CooperativeSticky, &[0, 1]);
    rig.wait();
    rig.heartbeat_answers(Err(ErrorCode::RebalanceInProgress));
    let call = rig.expect_join();
    assert_eq!(call.owned, partitions_of_t(&[0, 1]));
    assert_eq!(call.identity.generation, 1);
    rig.joined(Assignor::CooperativeSticky, 2);
    rig.actions();
    rig.synced(&[0]);
    // 1 goes to somebody else: revoke it, then join again so that they get it.
    assert_eq!(rig.actions(), [Action::Revoke(partitions_of_t(&[1]))]);
    assert_eq!(rig.member.owned().len(), 1);
    rig.given_up();
    let actions = rig.actions();
    assert!(matches!(actions[0], Action::Start(ref added) if added.is_empty()));
    assert!(matches!(actions[1], Action::Join(ref call) if call.owned == partitions_of_t(&[0])));
}

#[test]
fn an_eager_member_gives_everything_up_before_it_joins() {
    let mut rig = Rig::stable(Assignor::Range, &[0, 1]);
    rig.wait();
    rig.actions();
    rig.heartbeat_answers(Err(ErrorCode::RebalanceInProgress));
    assert_eq!(rig.actions(), [Action::Revoke(partitions_of_t(&[0, 1]))]);
    // The revocation takes long: heartbeats go on meanwhile.
    rig.wait();
    assert!(matches!(rig.actions()[..], [Action::Heartbeat(_)]));
    rig.heartbeat_answers(Err(ErrorCode::RebalanceInProgress));
    rig.given_up();
    assert_eq!(rig.expect_join().owned, []);
}

#[test]
fn falling_back_to_an_eager_assignor_gives_up_before_the_assignment() {
    let mut rig = Rig::stable(Assignor::CooperativeSticky, &[0, 1]);
    rig.member.request_rejoin();
    rig.expect_join();
    rig.joined(Assignor::Range, 2);
    assert_eq!(rig.actions(), [Action::Revoke(partitions_of_t(&[0, 1]))]);
    rig.given_up();
    assert!(has_sync(&rig.actions()));
    rig.synced(&[1]);
    // Whoever led may have withheld what this member claimed: once more.
    let actions = rig.actions();
    assert!(matches!(actions[0], Action::Start(_)));
    assert_eq!(actions[1], Action::Revoke(partitions_of_t(&[1])));
    rig.given_up();
    assert_eq!(rig.expect_join().owned, []);
}

#[test]
fn an_unsubscribed_topic_is_given_up_before_joining() {
    let mut rig = Rig::stable(Assignor::CooperativeSticky, &[0]);
    rig.subscribe(&["u"]);
    assert_eq!(rig.actions(), [Action::Revoke(partitions_of_t(&[0]))]);
    rig.given_up();
    let call = rig.expect_join();
    assert_eq!((call.topics, call.owned), (vec![Arc::from("u")], vec![]));
}

#[test]
fn a_change_during_a_rebalance_brings_another_one() {
    let mut rig = Rig::new();
    rig.subscribe(&["t"]);
    rig.expect_join();
    rig.subscribe(&["t", "u"]);
    assert_eq!(rig.actions(), []);
    rig.joined(Assignor::CooperativeSticky, 1);
    rig.actions();
    rig.synced(&[0]);
    assert_eq!(rig.expect_join().topics.len(), 2);
}

#[test]
fn pitfall_28_a_member_the_group_went_on_without_loses_its_partitions() {
    for (code, keeps_id) in [
        (ErrorCode::UnknownMemberId, false),
        (ErrorCode::IllegalGeneration, true),
    ] {
        let mut rig = Rig::stable(Assignor::CooperativeSticky, &[0]);
        rig.wait();
        rig.actions();
        rig.heartbeat_answers(Err(code));
        assert_eq!(
            rig.actions(),
            [Action::Lose(partitions_of_t(&[0]))],
            "{code:?}"
        );
        assert!(!rig.member.is_settled());
        rig.given_up();
        rig.wait();
        let call = rig.expect_join();
        assert_eq!(call.owned, []);
        assert_eq!(call.identity.member_id.is_empty(), !keeps_id, "{code:?}");
        assert_eq!(call.identity.generation, -1);
    }
}

#[test]
fn pitfall_28_being_fenced_is_final_and_told_at_once() {
    let mut rig = Rig::stable(Assignor::CooperativeSticky, &[0]);
    rig.wait();
    rig.actions();
    rig.heartbeat_answers(Err(ErrorCode::FencedInstanceId));
    let failure = GroupFailure::Code(ErrorCode::FencedInstanceId);
    let expected = [
        Action::Lose(partitions_of_t(&[0])),
        Action::Report(Trouble::Fatal(failure)),
    ];
    assert_eq!(rig.actions(), expected);
    assert!(rig.member.is_over() && !rig.member.is_alive());
    assert_eq!(rig.member.wake_at(), None);
}

#[test]
fn pitfall_28_a_silent_coordinator_ends_the_session() {
    let mut rig = Rig::stable(Assignor::CooperativeSticky, &[0]);
    let joined_at = rig.now;
    let mut told = Vec::new();
    while told.is_empty() {
        rig.wait();
        for action in rig.actions() {
            match action {
                Action::Heartbeat(identity) => {
                    let result = Err(GroupFailure::Unreachable);
                    rig.member.on_heartbeat(&identity, result, rig.now);
                }
                Action::FindCoordinator => {}
                other => told.push(other),
            }
        }
    }
    assert_eq!(rig.now, joined_at + SESSION);
    assert_eq!(told[0], Action::Report(Trouble::SessionExpired));
    assert_eq!(told[1], Action::Lose(partitions_of_t(&[0])));
    rig.given_up();
    assert_eq!(rig.expect_join().owned, []);
}

#[test]
fn an_application_that_does_not_poll_loses_its_place_until_it_does() {
    let mut rig = Rig::stable(Assignor::CooperativeSticky, &[0]);
    assert!(rig.member.on_poll_overdue());
    let expected = [
        Action::Report(Trouble::PollOverdue),
        Action::Lose(partitions_of_t(&[0])),
    ];
    assert_eq!(rig.actions(), expected);
    rig.given_up();
    assert!(matches!(rig.actions()[..], [Action::Leave(_)]));
    rig.member.on_left(rig.now);
    assert!(rig.member.is_stalled());
    assert_eq!(rig.member.wake_at(), None, "nothing to wait for but a poll");
    assert!(!rig.member.on_poll_overdue(), "told once");
    rig.member.on_polled(rig.now);
    rig.wait();
    assert_eq!(rig.expect_join().identity, Identity::default());
}

#[test]
fn pitfall_28_a_poll_while_a_stalled_member_still_leaves_is_not_missed() {
    for polls_before_given_up in [true, false] {
        let mut rig = Rig::stable(Assignor::CooperativeSticky, &[0]);
        assert!(rig.member.on_poll_overdue());
        rig.actions();
        if polls_before_given_up {
            rig.member.on_polled(rig.now);
        }
        rig.given_up();
        assert!(matches!(rig.actions()[..], [Action::Leave(_)]));
        if !polls_before_given_up {
            rig.member.on_polled(rig.now);
        }
        rig.member.on_left(rig.now);
        assert!(!rig.member.is_stalled());
        rig.wait();
        assert_eq!(rig.expect_join().identity, Identity::default());
    }
}

#[test]
fn a_lost_coordinator_is_looked_for_with_pauses() {
    let mut rig = Rig::new();
    rig.subscribe(&["t"]);
    rig.expect_join();
    for _ in 0..5 {
        rig.member
            .on_join_failed(GroupFailure::Unreachable, rig.now);
        assert_eq!(rig.actions(), [Action::FindCoordinator]);
        let before = rig.now;
        rig.wait();
        assert!(rig.now >= before + Duration::from_millis(80));
        rig.expect_join();
    }
}

#[test]
fn pitfall_13_a_sync_in_the_next_rebalance_joins_again_with_what_it_has() {
    let mut rig = Rig::stable(Assignor::CooperativeSticky, &[0]);
    rig.member.request_rejoin();
    rig.expect_join();
    rig.joined(Assignor::CooperativeSticky, 2);
    rig.actions();
    let failure = GroupFailure::Code(ErrorCode::RebalanceInProgress);
    rig.member.on_sync_failed(failure, rig.now);
    let call = rig.expect_join();
    assert_eq!(
        (call.identity.generation, call.owned),
        (2, partitions_of_t(&[0]))
    );
}

#[test]
fn answers_that_come_too_late_change_nothing() {
    let mut rig = Rig::stable(Assignor::CooperativeSticky, &[0]);
    let old = Identity {
        member_id: "m".to_owned(),
        generation: 0,
    };
    let failure = Err(GroupFailure::Code(ErrorCode::UnknownMemberId));
    rig.member.on_heartbeat(&old, failure, rig.now);
    rig.member.on_joined(joined(Assignor::Range, 9), rig.now);
    rig.member.on_synced(vec![], rig.now);
    rig.given_up();
    rig.member.on_left(rig.now);
    assert_eq!(rig.actions(), []);
    assert_eq!(rig.member.owned().len(), 1);
}

#[test]
fn closing_gives_up_then_leaves() {
    let mut rig = Rig::stable(Assignor::CooperativeSticky, &[0]);
    rig.member.close();
    assert_eq!(rig.actions(), [Action::Revoke(partitions_of_t(&[0]))]);
    rig.given_up();
    assert!(matches!(rig.actions()[..], [Action::Leave(_)]));
    assert!(!rig.member.is_closed());
    rig.member.on_left(rig.now);
    assert!(rig.member.is_closed());
}

#[test]
fn closing_does_not_wait_for_a_rebalance() {
    let mut rig = Rig::stable(Assignor::CooperativeSticky, &[0]);
    rig.member.request_rejoin();
    rig.expect_join();
    rig.member.close();
    assert_eq!(rig.actions(), [Action::Revoke(partitions_of_t(&[0]))]);
    rig.joined(Assignor::CooperativeSticky, 2);
    assert_eq!(rig.actions(), [], "too late");
    rig.given_up();
    assert!(matches!(rig.actions()[..], [Action::Leave(_)]));
}

#[test]
fn a_static_member_does_not_leave() {
    let mut rig = Rig::with(true);
    rig.subscribe(&["t"]);
    rig.expect_join();
    rig.joined(Assignor::CooperativeSticky, 1);
    rig.synced(&[0]);
    rig.actions();
    rig.member.close();
    assert_eq!(rig.actions(), [Action::Revoke(partitions_of_t(&[0]))]);
    rig.given_up();
    assert_eq!(rig.actions(), []);
    assert!(rig.member.is_closed());
}

#[test]
fn pitfall_17_a_static_leader_that_comes_back_with_more_topics_rebalances() {
    for (topics, expects_rejoin) in [(&["t"][..], false), (&["t", "u"], true)] {
        let mut rig = Rig::with(true);
        rig.subscribe(topics);
        rig.expect_join();
        let mut answer = elected(Assignor::CooperativeSticky, 4);
        answer.skips_assignment = true;
        rig.member.on_joined(answer, rig.now);
        assert!(has_sync(&rig.actions()), "no assignment to make");
        rig.synced(&[0]);
        let actions = rig.actions();
        assert!(matches!(actions[0], Action::Start(_)));
        let has_joined = matches!(actions.get(1), Some(Action::Join(_)));
        assert_eq!(has_joined, expects_rejoin, "{topics:?}");
    }
}

#[test]
fn an_assignment_of_a_topic_that_is_no_longer_wanted_is_refused() {
    let mut rig = Rig::stable(Assignor::CooperativeSticky, &[]);
    rig.member.request_rejoin();
    rig.expect_join();
    rig.joined(Assignor::CooperativeSticky, 2);
    rig.actions();
    rig.member
        .on_synced(vec![TopicPartition::new("other", 0)], rig.now);
    let actions = rig.actions();
    assert_eq!(actions[0], Action::Start(vec![]));
    assert!(matches!(actions[1], Action::Join(_)));
}
