//! Tests of a member of a share group, in virtual time.

use super::*;
use uuid::Uuid;

const INTERVAL: Duration = Duration::from_secs(2);

fn topics(names: &[&str]) -> BTreeSet<Arc<str>> {
    names.iter().map(|name| Arc::from(*name)).collect()
}

fn member(now: Instant) -> ShareMember {
    let backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(1));
    ShareMember::new(backoff, now)
}

fn welcome(epoch: i32) -> ShareBeat {
    ShareBeat {
        epoch,
        interval: INTERVAL,
        assigned: Some([(Uuid::from_u128(1), 0)].into()),
    }
}

#[test]
fn it_joins_stays_and_says_only_what_is_new() {
    let now = Instant::now();
    let mut member = member(now);
    assert_eq!(member.take_call(now), None);
    member.subscribe(topics(&["t"]), now);
    let call = member.take_call(now).expect("it joins");
    assert_eq!((call.epoch, call.topics), (0, Some(topics(&["t"]))));
    assert_eq!(member.take_call(now), None, "one at a time");
    member.on_beat(welcome(1), now);
    assert!(member.is_member());
    assert_eq!(member.assigned().len(), 1);
    assert_eq!(member.take_call(now), None);
    let call = member.take_call(now + INTERVAL).expect("it stays");
    assert_eq!((call.epoch, call.topics), (1, None));
    member.subscribe(topics(&["u"]), now + INTERVAL);
    member.on_beat(welcome(2), now + INTERVAL);
    let call = member.take_call(now + INTERVAL).expect("it has news");
    assert_eq!((call.epoch, call.topics), (2, Some(topics(&["u"]))));
}

#[test]
fn failures_have_their_consequences() {
    let now = Instant::now();
    let code = ShareFailure::Code;
    for (failure, consequence, is_member) in [
        (
            ShareFailure::Unreachable,
            Consequence::FindCoordinator,
            true,
        ),
        (
            code(ErrorCode::NotCoordinator),
            Consequence::FindCoordinator,
            true,
        ),
        (
            code(ErrorCode::CoordinatorLoadInProgress),
            Consequence::TryAgain,
            true,
        ),
        (
            code(ErrorCode::UnknownMemberId),
            Consequence::TryAgain,
            false,
        ),
        (
            code(ErrorCode::FencedMemberEpoch),
            Consequence::TryAgain,
            false,
        ),
        (
            code(ErrorCode::GroupIdNotFound),
            Consequence::TryAgain,
            false,
        ),
        (
            code(ErrorCode::GroupAuthorizationFailed),
            Consequence::Fatal,
            false,
        ),
        (
            ShareFailure::Unusable(String::new()),
            Consequence::Fatal,
            false,
        ),
    ] {
        let mut member = member(now);
        member.subscribe(topics(&["t"]), now);
        member.take_call(now);
        member.on_beat(welcome(1), now);
        member.take_call(now + INTERVAL);
        assert_eq!(member.on_failure(&failure, now), consequence, "{failure:?}");
        assert_eq!(member.is_member(), is_member, "{failure:?}");
        assert_eq!(member.assigned().is_empty(), !is_member);
        let again = member.take_call(now + INTERVAL);
        match consequence {
            Consequence::Fatal => assert_eq!(again, None),
            _ => assert!(
                again.is_some_and(|call| call.topics.is_some()),
                "it says everything"
            ),
        }
    }
}
