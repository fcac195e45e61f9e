//! Tests of a member of the new protocol, in virtual time.

use super::*;
use crate::group::action::GroupFailure;
use crate::wire::ErrorCode;

const HEARTBEAT: Duration = Duration::from_secs(5);
const SESSION: Duration = Duration::from_secs(45);
const TOPIC: u128 = 1;

/// A member with a clock that only tests move.
struct Rig {
    member: ConsumerProtocolMember,
    now: Instant,
    actions: std::collections::VecDeque<Action>,
}

fn ids(topic: u128, indexes: &[i32]) -> BTreeSet<PartitionId> {
    let topic = Uuid::from_u128(topic);
    indexes.iter().map(|index| (topic, *index)).collect()
}

fn partitions(topic: &str, indexes: &[i32]) -> Vec<TopicPartition> {
    let named = indexes
        .iter()
        .map(|index| TopicPartition::new(topic, *index));
    named.collect()
}

fn topics(names: &[&str]) -> Subscribed {
    Subscribed {
        topics: names.iter().map(|name| Arc::from(*name)).collect(),
        pattern: None,
    }
}

fn welcome(epoch: i32, assigned: Option<BTreeSet<PartitionId>>) -> Beat {
    Beat {
        member_id: None,
        epoch,
        interval: HEARTBEAT,
        assigned,
    }
}

impl Rig {
    fn new(is_static: bool) -> Self {
        let config = ConsumerMemberConfig {
            is_static,
            session_timeout: SESSION,
            heartbeat_interval: HEARTBEAT,
            retry_backoff: Duration::from_millis(100),
            retry_backoff_max: Duration::from_secs(1),
        };
        let now = Instant::now();
        let mut member = ConsumerProtocolMember::new(config, "m".to_owned(), now);
        member.names.insert(Uuid::from_u128(TOPIC), Arc::from("t"));
        Rig {
            member,
            now,
            actions: std::collections::VecDeque::new(),
        }
    }

    /// A member that has partitions 0, 1 and 2 of its topic in epoch 1.
    fn joined(is_static: bool) -> Self {
        let mut rig = Rig::new(is_static);
        rig.member.subscribe(topics(&["t"]), rig.now);
        let call = rig.expect_beat();
        rig.answer(&call, welcome(1, Some(ids(TOPIC, &[0, 1, 2]))));
        assert_eq!(rig.next(), Some(Action::Start(partitions("t", &[0, 1, 2]))));
        let acknowledgement = rig.expect_beat();
        assert_eq!(acknowledgement.owned, Some(ids(TOPIC, &[0, 1, 2])));
        rig.answer(&acknowledgement, welcome(1, None));
        assert_eq!(rig.next(), None);
        rig
    }

    fn next(&mut self) -> Option<Action> {
        self.member.tick(self.now);
        self.actions.extend(self.member.take_actions());
        self.actions.pop_front()
    }

    fn expect_beat(&mut self) -> BeatCall {
        match self.next() {
            Some(Action::Beat(call)) => call,
            other => panic!("no heartbeat but {other:?}"),
        }
    }

    /// The heartbeat that is due next, whenever that is.
    fn later_beat(&mut self) -> BeatCall {
        assert_eq!(self.next(), None);
        self.now = self.member.wake_at().expect("a heartbeat is due");
        self.expect_beat()
    }

    fn answer(&mut self, call: &BeatCall, beat: Beat) {
        self.member.on_beat(call.number, beat, self.now);
    }

    fn fail(&mut self, call: &BeatCall, code: ErrorCode) {
        let failure = GroupFailure::Code(code);
        self.member.on_beat_failed(call.number, failure, self.now);
    }
}

#[test]
fn it_joins_with_everything_and_then_says_only_what_is_new() {
    let mut rig = Rig::new(false);
    assert_eq!(rig.next(), None, "nothing to say before a subscription");
    rig.member.subscribe(topics(&["t"]), rig.now);
    let call = rig.expect_beat();
    assert_eq!((call.epoch, call.is_full), (0, true));
    assert_eq!(call.subscribed, Some(topics(&["t"])));
    assert_eq!(call.owned, Some(BTreeSet::new()));
    assert!(!rig.member.is_settled());
    rig.answer(&call, welcome(3, Some(BTreeSet::new())));
    assert_eq!(rig.next(), Some(Action::Start(Vec::new())));
    assert!(rig.member.is_settled());
    let call = rig.later_beat();
    let silent = (
        call.epoch,
        call.is_full,
        call.subscribed.clone(),
        call.owned.clone(),
    );
    assert_eq!(silent, (3, false, None, None));
}

#[test]
fn pitfall_18_a_revocation_is_acknowledged_at_once() {
    let mut rig = Rig::joined(false);
    let call = rig.later_beat();
    rig.answer(&call, welcome(1, Some(ids(TOPIC, &[0]))));
    assert_eq!(rig.next(), Some(Action::Revoke(partitions("t", &[1, 2]))));
    // Heartbeats go on while that takes its time, and acknowledge nothing yet.
    let call = rig.later_beat();
    assert_eq!((call.epoch, call.owned.clone()), (1, None));
    rig.answer(&call, welcome(1, None));
    assert_eq!(rig.next(), None);
    rig.member.on_given_up(rig.now);
    let call = rig.expect_beat();
    assert_eq!(call.owned, Some(ids(TOPIC, &[0])), "in the same instant");
    rig.answer(&call, welcome(2, Some(ids(TOPIC, &[0, 5]))));
    assert_eq!(rig.next(), Some(Action::Start(partitions("t", &[5]))));
}

#[test]
fn a_new_target_in_the_middle_of_a_revocation_waits_for_it() {
    let mut rig = Rig::joined(false);
    let call = rig.later_beat();
    rig.answer(&call, welcome(1, Some(ids(TOPIC, &[0]))));
    assert_eq!(rig.next(), Some(Action::Revoke(partitions("t", &[1, 2]))));
    let call = rig.later_beat();
    rig.answer(&call, welcome(1, Some(ids(TOPIC, &[1]))));
    assert_eq!(rig.next(), None);
    rig.member.on_given_up(rig.now);
    assert_eq!(rig.next(), Some(Action::Revoke(partitions("t", &[0]))));
}

#[test]
fn a_lost_answer_makes_it_say_everything_again() {
    let mut rig = Rig::joined(false);
    let call = rig.later_beat();
    rig.member
        .on_beat_failed(call.number, GroupFailure::Unreachable, rig.now);
    assert_eq!(rig.next(), Some(Action::FindCoordinator));
    let call = rig.later_beat();
    assert_eq!((call.epoch, call.is_full), (1, true));
    assert_eq!(call.owned, Some(ids(TOPIC, &[0, 1, 2])));
    // An answer to the former one comes too late to count.
    rig.member
        .on_beat(call.number - 1, welcome(9, None), rig.now);
    assert_eq!(rig.member.identity().generation, 1);
}

#[test]
fn fenced_it_loses_everything_and_joins_under_its_id() {
    for code in [
        ErrorCode::FencedMemberEpoch,
        ErrorCode::UnknownMemberId,
        ErrorCode::GroupIdNotFound,
    ] {
        let mut rig = Rig::joined(false);
        let call = rig.later_beat();
        rig.fail(&call, code);
        assert_eq!(rig.next(), Some(Action::Lose(partitions("t", &[0, 1, 2]))));
        assert_eq!(rig.next(), None, "it waits until the application knows");
        rig.member.on_given_up(rig.now);
        let call = rig.later_beat();
        assert_eq!((call.epoch, call.member_id.as_str()), (0, "m"));
        assert_eq!(call.owned, Some(BTreeSet::new()));
    }
}

#[test]
fn fenced_while_revoking_it_waits_for_that_as_well() {
    let mut rig = Rig::joined(false);
    let call = rig.later_beat();
    rig.answer(&call, welcome(1, Some(ids(TOPIC, &[0]))));
    assert_eq!(rig.next(), Some(Action::Revoke(partitions("t", &[1, 2]))));
    let call = rig.later_beat();
    rig.fail(&call, ErrorCode::FencedMemberEpoch);
    assert_eq!(rig.next(), Some(Action::Lose(partitions("t", &[0]))));
    rig.member.on_given_up(rig.now);
    assert_eq!(rig.next(), None);
    rig.member.on_given_up(rig.now);
    assert_eq!(rig.later_beat().epoch, 0);
}

#[test]
fn without_a_word_for_a_session_the_partitions_are_lost() {
    let mut rig = Rig::joined(false);
    let call = rig.later_beat();
    rig.now += SESSION;
    assert_eq!(rig.next(), Some(Action::Report(Trouble::SessionExpired)));
    assert_eq!(rig.next(), Some(Action::FindCoordinator));
    assert_eq!(rig.next(), Some(Action::Lose(partitions("t", &[0, 1, 2]))));
    rig.answer(&call, welcome(1, None));
    assert!(
        !rig.member.is_settled(),
        "that answer does not count any more"
    );
}

#[test]
fn it_says_goodbye_when_everything_is_given_up() {
    for (is_static, epoch) in [(false, -1), (true, -2)] {
        let mut rig = Rig::joined(is_static);
        rig.member.close(rig.now);
        assert_eq!(
            rig.next(),
            Some(Action::Revoke(partitions("t", &[0, 1, 2])))
        );
        let call = rig.later_beat();
        assert_eq!(call.epoch, 1, "it lives until then");
        rig.member.on_given_up(rig.now);
        let goodbye = Identity {
            member_id: "m".to_owned(),
            generation: epoch,
        };
        assert_eq!(rig.next(), Some(Action::Leave(goodbye)));
        rig.answer(&call, welcome(1, Some(ids(TOPIC, &[4]))));
        assert_eq!(rig.next(), None);
        rig.member.on_left(rig.now);
        assert!(rig.member.is_closed());
    }
}

#[test]
fn closing_ends_whatever_the_coordinator_says() {
    for code in [
        ErrorCode::FencedMemberEpoch,
        ErrorCode::GroupAuthorizationFailed,
    ] {
        let mut rig = Rig::joined(false);
        rig.member.close(rig.now);
        assert_eq!(
            rig.next(),
            Some(Action::Revoke(partitions("t", &[0, 1, 2])))
        );
        let call = rig.later_beat();
        rig.fail(&call, code);
        rig.member.on_given_up(rig.now);
        assert!(rig.member.is_closed(), "{code:?}");
    }
    let mut rig = Rig::new(false);
    rig.member.subscribe(topics(&["t"]), rig.now);
    rig.expect_beat();
    rig.member.close(rig.now);
    assert!(rig.member.is_closed(), "it never got in");
}

#[test]
fn a_stalled_application_leaves_and_comes_back() {
    let mut rig = Rig::joined(false);
    assert!(rig.member.on_poll_overdue(rig.now));
    assert_eq!(rig.next(), Some(Action::Report(Trouble::PollOverdue)));
    assert_eq!(rig.next(), Some(Action::Lose(partitions("t", &[0, 1, 2]))));
    rig.member.on_given_up(rig.now);
    assert!(matches!(rig.next(), Some(Action::Leave(_))));
    rig.member.on_left(rig.now);
    assert!(rig.member.is_stalled());
    rig.member.on_polled(rig.now);
    assert_eq!(rig.expect_beat().epoch, 0);
}

#[test]
fn pitfall_28_a_poll_while_a_stalled_member_still_leaves_is_not_missed() {
    let mut rig = Rig::joined(false);
    assert!(rig.member.on_poll_overdue(rig.now));
    assert_eq!(rig.next(), Some(Action::Report(Trouble::PollOverdue)));
    while let Some(Action::Lose(_)) = rig.next() {
        rig.member.on_given_up(rig.now);
    }
    rig.member.on_polled(rig.now);
    rig.member.on_left(rig.now);
    assert!(!rig.member.is_stalled());
    assert_eq!(rig.expect_beat().epoch, 0);
}

#[test]
fn topics_are_taken_over_as_soon_as_they_have_names() {
    let mut rig = Rig::joined(false);
    let call = rig.later_beat();
    let both: BTreeSet<_> = ids(TOPIC, &[0, 1, 2])
        .union(&ids(7, &[0]))
        .copied()
        .collect();
    rig.answer(&call, welcome(2, Some(both)));
    let unknown = BTreeSet::from([Uuid::from_u128(7)]);
    assert_eq!(rig.next(), Some(Action::NameTopics(unknown.clone())));
    rig.member.on_names(BTreeMap::new(), rig.now);
    assert_eq!(rig.next(), None);
    rig.now = rig.member.wake_at().expect("it asks again");
    assert_eq!(rig.next(), Some(Action::NameTopics(unknown)));
    let name = BTreeMap::from([(Uuid::from_u128(7), Arc::from("new"))]);
    rig.member.on_names(name, rig.now);
    assert_eq!(rig.next(), Some(Action::Start(partitions("new", &[0]))));
    assert!(rig.expect_beat().owned.is_some());
}

#[test]
fn a_topic_that_was_created_again_is_another() {
    let mut rig = Rig::joined(false);
    rig.member.names.insert(Uuid::from_u128(2), Arc::from("t"));
    let call = rig.later_beat();
    rig.answer(&call, welcome(1, Some(ids(2, &[0]))));
    assert_eq!(
        rig.next(),
        Some(Action::Revoke(partitions("t", &[0, 1, 2])))
    );
    rig.member.on_given_up(rig.now);
    let anew = Action::StartAnew(partitions("t", &[0]));
    assert_eq!(
        rig.next(),
        Some(anew),
        "offsets of the former one mean nothing"
    );
    let call = rig.expect_beat();
    let more = ids(2, &[0, 1]);
    rig.answer(&call, welcome(2, Some(more)));
    let added = Action::Start(partitions("t", &[1]));
    assert_eq!(rig.next(), Some(added), "those of this one do");
}

#[test]
fn a_pattern_is_told_and_taken_back() {
    let mut rig = Rig::new(false);
    let pattern = Subscribed {
        pattern: Some(Arc::from("t.*")),
        ..Subscribed::default()
    };
    rig.member.subscribe(pattern.clone(), rig.now);
    let call = rig.expect_beat();
    assert_eq!(
        (call.subscribed.clone(), call.takes_pattern_back),
        (Some(pattern), false)
    );
    rig.answer(&call, welcome(1, Some(BTreeSet::new())));
    rig.member.subscribe(topics(&["t"]), rig.now);
    assert_eq!(rig.next(), Some(Action::Start(Vec::new())));
    let call = rig.expect_beat();
    assert_eq!(call.subscribed, Some(topics(&["t"])));
    assert!(call.takes_pattern_back);
    rig.answer(&call, welcome(2, None));
    rig.member.subscribe(Subscribed::default(), rig.now);
    assert!(
        matches!(rig.next(), Some(Action::Leave(_))),
        "it subscribes to nothing"
    );
}

#[test]
fn an_instance_id_that_is_taken_is_waited_for_but_not_for_ever() {
    let mut rig = Rig::new(true);
    rig.member.subscribe(topics(&["t"]), rig.now);
    let started = rig.now;
    let mut call = rig.expect_beat();
    while rig.now - started < SESSION {
        rig.fail(&call, ErrorCode::UnreleasedInstanceId);
        call = rig.later_beat();
    }
    rig.fail(&call, ErrorCode::UnreleasedInstanceId);
    let failure = GroupFailure::Code(ErrorCode::UnreleasedInstanceId);
    assert_eq!(rig.next(), Some(Action::Report(Trouble::Fatal(failure))));
    assert!(rig.member.is_over());
}

#[test]
fn what_cannot_work_ends_it() {
    for code in [
        ErrorCode::FencedInstanceId,
        ErrorCode::UnsupportedAssignor,
        ErrorCode::InvalidRegularExpression,
        ErrorCode::GroupAuthorizationFailed,
    ] {
        let mut rig = Rig::joined(false);
        let call = rig.later_beat();
        rig.fail(&call, code);
        assert_eq!(rig.next(), Some(Action::Lose(partitions("t", &[0, 1, 2]))));
        let failure = GroupFailure::Code(code);
        assert_eq!(rig.next(), Some(Action::Report(Trouble::Fatal(failure))));
        assert!(rig.member.is_over());
        assert_eq!(rig.member.wake_at(), None);
    }
    // A newcomer that is told so has met a classic group.
    let mut rig = Rig::new(false);
    rig.member.subscribe(topics(&["t"]), rig.now);
    let call = rig.expect_beat();
    rig.fail(&call, ErrorCode::GroupIdNotFound);
    assert!(rig.member.is_over());
}

#[test]
fn a_refused_commit_asks_for_the_epoch() {
    let mut rig = Rig::joined(false);
    rig.member.on_commit_refused(rig.now);
    assert_eq!(rig.expect_beat().epoch, 1);
}
