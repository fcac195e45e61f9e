//! Tests of positions, in virtual time.

use std::time::Duration;

use tokio::time::Instant;

use super::{
    FetchErrorAction, Incarnation, OffsetAndEpoch, OffsetQuery, Position, Question,
    TruncationAction,
};
use crate::consumer::OffsetReset;
use crate::consumer::validation::{EpochEnd, EpochQuery};
use crate::topology::NodeId;
use crate::wire::ErrorCode;

const BACKOFF: Duration = Duration::from_millis(100);
const BACKOFF_MAX: Duration = Duration::from_secs(1);
const LEADER: NodeId = NodeId(1);

fn unknown() -> Position {
    Position::unknown(Question::Committed, BACKOFF, BACKOFF_MAX)
}

/// A position that fetches from `offset` on, from `LEADER`.
fn at(offset: i64) -> Position {
    let mut position = unknown();
    let (_, asked) = position.take_question(Instant::now()).expect("a question");
    assert!(position.on_committed(asked, Some(behind(offset, -1)), OffsetReset::None));
    position.set_leader(Some(LEADER), 3);
    position
}

fn behind(offset: i64, leader_epoch: i32) -> OffsetAndEpoch {
    OffsetAndEpoch {
        offset,
        leader_epoch,
    }
}

/// Handed out up to offset 20, fetched up to 30, all of it of epoch 3.
fn reading() -> Position {
    let mut position = at(10);
    position.on_fetched(position.incarnation(), 10, 30, 3);
    position.hand_out(20, 3);
    position
}

/// Asks what a new leader makes necessary to ask, and has this for an answer.
fn epoch_end(position: &mut Position, end: (i32, i64), policy: OffsetReset) -> TruncationAction {
    let now = Instant::now();
    let (question, asked) = position.take_question(now).expect("a question");
    let Question::EpochEnd(query) = question else {
        panic!("{question:?}");
    };
    let (epoch, offset) = end;
    position.on_epoch_end(asked, query, EpochEnd { epoch, offset }, policy, now)
}

fn fetch_error(position: &mut Position, code: ErrorCode, policy: OffsetReset) -> FetchErrorAction {
    let (asked, from) = (position.incarnation(), position.fetch_offset());
    position.on_fetch_error(asked, from, code, policy, Instant::now())
}

#[test]
fn pitfall_16_nothing_is_fetched_before_the_committed_offset_is_known() {
    let now = Instant::now();
    let mut position = unknown();
    position.set_leader(Some(LEADER), 0);
    let (question, asked) = position.take_question(now).expect("a question");
    assert_eq!(question, Question::Committed);
    assert!(!position.wants_fetch_from(LEADER, now));
    assert_eq!(position.take_question(now), None, "asked once at a time");
    // The answer gets lost: ask again, do not assume anything.
    position.on_question_failed(asked, now);
    assert!(!position.wants_fetch_from(LEADER, now));
    assert_eq!(
        position.take_question(now),
        None,
        "not before the pause ends"
    );
    let later = position.wake_at().expect("a pause");
    assert!(later > now && later <= now + BACKOFF * 2);
    let (question, asked) = position.take_question(later).expect("asked again");
    assert_eq!(question, Question::Committed);
    position.on_committed(asked, Some(behind(42, -1)), OffsetReset::Latest);
    assert!(position.wants_fetch_from(LEADER, later));
    assert_eq!(position.fetch_offset(), 42);
}

#[test]
fn without_a_committed_offset_the_policy_decides() {
    let cases = [
        (OffsetReset::Earliest, Some(OffsetQuery::Earliest)),
        (OffsetReset::Latest, Some(OffsetQuery::Latest)),
        (OffsetReset::None, None),
    ];
    for (policy, expected) in cases {
        let mut position = unknown();
        let (_, asked) = position.take_question(Instant::now()).expect("a question");
        let is_answered = position.on_committed(asked, None, policy);
        assert_eq!(is_answered, expected.is_some(), "{policy:?}");
        let question = position.take_question(Instant::now());
        let question = question.map(|(question, _)| question);
        assert_eq!(question, expected.map(Question::Offset), "{policy:?}");
    }
}

#[test]
fn pitfall_10_failures_pause_and_never_reset() {
    let codes = [
        ErrorCode::NotLeaderOrFollower,
        ErrorCode::LeaderNotAvailable,
        ErrorCode::FencedLeaderEpoch,
        ErrorCode::UnknownLeaderEpoch,
        ErrorCode::OffsetNotAvailable,
        ErrorCode::UnknownTopicId,
        ErrorCode::UnknownTopicOrPartition,
        ErrorCode::KafkaStorageError,
        ErrorCode::UnknownServerError,
        ErrorCode::TopicAuthorizationFailed,
    ];
    for code in codes {
        let mut position = at(42);
        let action = fetch_error(&mut position, code, OffsetReset::Earliest);
        assert_ne!(action, FetchErrorAction::Reset, "{code:?}");
        assert_eq!(position.position(), Some(42), "{code:?}");
        assert!(
            !position.wants_fetch_from(LEADER, Instant::now()),
            "{code:?}"
        );
        let later = position.wake_at().expect("a pause");
        assert!(position.wants_fetch_from(LEADER, later), "{code:?}");
    }
}

#[test]
fn errors_of_leadership_refresh_metadata() {
    for code in [
        ErrorCode::NotLeaderOrFollower,
        ErrorCode::FencedLeaderEpoch,
        ErrorCode::UnknownTopicId,
        ErrorCode::InconsistentTopicId,
    ] {
        let action = fetch_error(&mut at(0), code, OffsetReset::None);
        assert_eq!(action, FetchErrorAction::RefreshMetadata, "{code:?}");
    }
    let action = fetch_error(&mut at(0), ErrorCode::UnknownLeaderEpoch, OffsetReset::None);
    assert_eq!(action, FetchErrorAction::Retry);
}

#[test]
fn a_new_leader_ends_the_pause() {
    let mut position = at(0);
    fetch_error(
        &mut position,
        ErrorCode::NotLeaderOrFollower,
        OffsetReset::None,
    );
    assert!(position.set_leader(Some(NodeId(2)), 4));
    assert!(position.wants_fetch_from(NodeId(2), Instant::now()));
    assert!(!position.wants_fetch_from(LEADER, Instant::now()));
    assert!(!position.set_leader(Some(NodeId(2)), 4), "no news");
}

#[test]
fn an_offset_out_of_range_follows_the_policy() {
    let code = ErrorCode::OffsetOutOfRange;
    let mut position = at(42);
    let action = fetch_error(&mut position, code, OffsetReset::Earliest);
    assert_eq!(action, FetchErrorAction::Reset);
    assert_eq!(position.position(), None);
    let now = Instant::now();
    assert_eq!(position.take_question(now), None, "not in a loop");
    let later = position.wake_at().expect("a pause");
    let (question, asked) = position.take_question(later).expect("a question");
    assert_eq!(question, Question::Offset(OffsetQuery::Earliest));
    position.on_offset(asked, 50);
    assert_eq!(position.position(), Some(50));

    let mut position = at(42);
    let action = fetch_error(&mut position, code, OffsetReset::None);
    assert_eq!(action, FetchErrorAction::SurfaceAndStop);
    assert_eq!(position.take_question(Instant::now()), None);
    position.seek(7);
    assert!(position.wants_fetch_from(LEADER, Instant::now()));
}

#[test]
fn answers_from_before_a_seek_are_dropped() {
    let mut position = at(42);
    let (old, from) = (position.incarnation(), position.fetch_offset());
    position.seek(10);
    assert!(!position.on_fetched(old, from, 50, 3));
    let code = ErrorCode::OffsetOutOfRange;
    let action = position.on_fetch_error(old, from, code, OffsetReset::Latest, Instant::now());
    assert_eq!(action, FetchErrorAction::Ignore);
    position.on_offset(old, 99);
    assert_eq!(
        (position.position(), position.fetch_offset()),
        (Some(10), 10)
    );
}

#[test]
fn pitfall_23_offsets_without_records_are_passed() {
    let mut position = at(10);
    // Offsets 10 to 19 are an emptied batch: there is nothing to hand out.
    assert!(position.on_fetched(position.incarnation(), 10, 20, 3));
    position.on_drained();
    assert_eq!(
        (position.position(), position.fetch_offset()),
        (Some(20), 20)
    );
    assert_eq!(position.processed_to_commit(), Some(20));
}

#[test]
fn drained_does_not_pass_what_is_in_hand() {
    let mut position = at(10);
    position.on_fetched(position.incarnation(), 10, 20, 3);
    position.hand_out(15, 3);
    position.on_drained();
    assert_eq!(
        position.processed_to_commit(),
        None,
        "still at the committed 10"
    );
    position.mark_all_processed();
    assert_eq!(position.processed_to_commit(), Some(20));
}

#[test]
fn processed_follows_handed_out() {
    let mut position = at(10);
    position.hand_out(15, 3);
    assert_eq!(position.offset_to_commit(), Some(15));
    assert_eq!(position.processed_to_commit(), None);
    position.mark_processed(12);
    assert_eq!(position.processed_to_commit(), Some(12));
    position.mark_processed(99);
    assert_eq!(
        position.processed_to_commit(),
        Some(15),
        "not past what was handed out"
    );
    position.on_commit_stored(15);
    assert_eq!(
        (position.offset_to_commit(), position.processed_to_commit()),
        (None, None)
    );
}

#[test]
fn a_partition_being_given_up_or_paused_is_left_alone() {
    let now = Instant::now();
    let mut position = at(0);
    position.pause();
    assert!(!position.can_hand_out() && !position.wants_fetch_from(LEADER, now));
    position.resume();
    assert!(position.can_hand_out());
    position.start_revoking();
    assert!(!position.can_hand_out() && !position.wants_fetch_from(LEADER, now));
    assert!(
        !position.on_fetched(position.incarnation(), 0, 5, 3),
        "too late"
    );
    assert_eq!(position.offset_to_commit(), None, "committed is 0 already");
}

#[test]
fn a_time_in_the_future_leads_to_the_end() {
    let mut position = at(0);
    position.seek_to(OffsetQuery::Timestamp(1));
    let (question, asked) = position.take_question(Instant::now()).expect("a question");
    assert_eq!(question, Question::Offset(OffsetQuery::Timestamp(1)));
    position.on_timestamp_too_new(asked);
    let (question, asked) = position.take_question(Instant::now()).expect("a question");
    assert_eq!(question, Question::Offset(OffsetQuery::Latest));
    position.on_timestamp_too_new(Incarnation::default());
    position.on_offset(asked, 8);
    assert_eq!(position.position(), Some(8));
}

#[test]
fn a_committed_epoch_is_checked_before_the_first_fetch() {
    let now = Instant::now();
    let mut position = unknown();
    let (_, asked) = position.take_question(now).expect("a question");
    position.on_committed(asked, Some(behind(42, 2)), OffsetReset::None);
    assert_eq!(position.take_question(now), None, "nobody to ask");
    position.set_leader(Some(LEADER), 3);
    assert_eq!(position.position(), Some(42));
    assert!(!position.wants_fetch_from(LEADER, now));
    let action = epoch_end(&mut position, (2, 42), OffsetReset::None);
    assert_eq!(action, TruncationAction::GoOn);
    assert!(position.wants_fetch_from(LEADER, now));
    assert_eq!(position.last_epoch(), 2, "to be committed again");
    assert_eq!(position.fetch_from(now).last_fetched_epoch, 2);
}

#[test]
fn metadata_older_than_the_committed_epoch_is_not_asked_about() {
    let now = Instant::now();
    let mut position = unknown();
    let (_, asked) = position.take_question(now).expect("a question");
    position.set_leader(Some(LEADER), 3);
    position.on_committed(asked, Some(behind(42, 4)), OffsetReset::None);
    assert_eq!(position.take_question(now), None);
    assert!(position.needs_newer_metadata());
    position.set_leader(Some(LEADER), 4);
    assert!(!position.needs_newer_metadata());
    let action = epoch_end(&mut position, (4, 50), OffsetReset::None);
    assert_eq!(action, TruncationAction::GoOn);

    // A topic that was created anew: nothing newer ever comes.
    let mut position = at(0);
    position.seek_behind(behind(42, 4));
    assert_eq!(position.take_question(now), None);
    let later = now + Duration::from_secs(10);
    assert!(position.take_question(later).is_some());
}

#[test]
fn pitfall_10_a_new_leader_is_asked_and_nothing_is_fetched_meanwhile() {
    let now = Instant::now();
    let mut position = reading();
    position.set_leader(Some(NodeId(2)), 4);
    assert!(!position.wants_fetch_from(NodeId(2), now));
    assert!(position.can_hand_out(), "what is there goes on");
    // A late answer of the former leader.
    assert!(!position.on_fetched(position.incarnation(), 30, 40, 3));
    let (_, asked) = position.take_question(now).expect("a question");
    position.on_question_failed(asked, now);
    assert_eq!(position.take_question(now), None, "not in a loop");
    let later = position.wake_at().expect("a pause");
    let (question, asked) = position.take_question(later).expect("asked again");
    let query = EpochQuery {
        epoch: 3,
        leader_epoch: 4,
    };
    assert_eq!(question, Question::EpochEnd(query));
    let end = EpochEnd {
        epoch: 3,
        offset: 30,
    };
    let action = position.on_epoch_end(asked, query, end, OffsetReset::None, later);
    assert_eq!(action, TruncationAction::GoOn);
    assert!(position.wants_fetch_from(NodeId(2), later));
}

#[test]
fn truncated_records_are_told_or_passed_as_the_policy_says() {
    let gone = |end, policy| {
        let mut position = reading();
        position.set_leader(Some(NodeId(2)), 4);
        let action = epoch_end(&mut position, end, policy);
        (action, position)
    };
    let (action, position) = gone((2, 25), OffsetReset::None);
    assert_eq!(action, TruncationAction::Refetch, "nobody has seen them");
    assert_eq!(
        (position.position(), position.fetch_offset()),
        (Some(20), 20)
    );
    let (action, position) = gone((2, 15), OffsetReset::None);
    let expected = TruncationAction::SurfaceAndStop {
        position: 20,
        gone_from: Some(15),
    };
    assert_eq!((action, position.position()), (expected, None));
    for policy in [OffsetReset::Earliest, OffsetReset::Latest] {
        let (action, mut position) = gone((2, 15), policy);
        let expected = TruncationAction::Move {
            from: 20,
            to: Some(15),
        };
        assert_eq!((action, position.position()), (expected, Some(15)));
        assert!(position.wants_fetch_from(NodeId(2), Instant::now()));
        assert_eq!(position.take_question(Instant::now()), None, "asked before");
        assert_eq!(position.last_epoch(), 2);
        assert_eq!(position.processed_to_commit(), Some(15));
    }
    let (action, mut position) = gone((-1, -1), OffsetReset::Latest);
    let expected = TruncationAction::Move { from: 20, to: None };
    assert_eq!((action, position.position()), (expected, None));
    let later = position.wake_at().expect("a pause");
    let question = position.take_question(later).map(|(question, _)| question);
    assert_eq!(question, Some(Question::Offset(OffsetQuery::Latest)));
}

#[test]
fn a_fetch_tells_of_truncated_records_too() {
    let now = Instant::now();
    let mut position = reading();
    let end = EpochEnd {
        epoch: 2,
        offset: 12,
    };
    let (asked, policy) = (position.incarnation(), OffsetReset::Earliest);
    let stale = position.on_diverging(asked, 29, end, policy, now);
    assert_eq!(stale, TruncationAction::GoOn);
    let action = position.on_diverging(asked, 30, end, policy, now);
    let expected = TruncationAction::Move {
        from: 20,
        to: Some(12),
    };
    assert_eq!((action, position.position()), (expected, Some(12)));
    assert_eq!(position.fetch_from(now).last_fetched_epoch, 2);
}

#[test]
fn a_recommended_replica_is_read_until_another_leader_or_its_failure() {
    let now = Instant::now();
    let (replica, age) = (NodeId(2), Duration::from_secs(300));
    let mut position = at(0);
    assert!(
        !position.on_recommended(NodeId(3), replica, now, age),
        "not the leader"
    );
    assert!(position.on_recommended(LEADER, replica, now, age));
    assert_eq!(position.read_replica(now), Some(replica));
    assert!(position.wants_fetch_from(replica, now));
    assert!(!position.wants_fetch_from(LEADER, now));
    assert_eq!(position.replica_ends_at(), Some(now + age));
    assert!(position.wants_fetch_from(LEADER, now + age));
    assert!(position.on_replica_failed(replica, now));
    assert!(position.wants_fetch_from(LEADER, now));
    assert!(position.fetch_from(now).wants_leader);
    position.on_recommended(LEADER, replica, now, age);
    position.set_leader(Some(LEADER), 4);
    assert_eq!(position.read_replica(now), Some(LEADER));
    assert!(!position.fetch_from(now).wants_leader);
}
