use std::time::Duration;

use milena_client::TopicPartition;
use tokio::time::Instant;

use super::{Judge, MembershipSeen, Observed, Patience, StageSeen, WorkSeen};
use crate::health::{HealthProblem, HealthReport};

const PATIENCE: Patience = Patience {
    stuck: Duration::from_secs(300),
    grace: Duration::from_secs(60),
    session_timeout: Duration::from_secs(45),
    interval: Duration::from_secs(5),
};

/// A judge and the time it is.
struct Case {
    judge: Judge,
    began: Instant,
}

impl Case {
    fn new() -> Case {
        let began = Instant::now();
        Case {
            judge: Judge::new(PATIENCE, began),
            began,
        }
    }

    fn at(&self, seconds: u64) -> Instant {
        self.began + Duration::from_secs(seconds)
    }

    fn work(&mut self, seconds: u64, done: i64, given: i64, lag: u64) {
        let work = WorkSeen {
            partition: partition(),
            done: Some(done),
            given: Some(given),
            lag,
            is_paused: false,
        };
        let now = self.at(seconds);
        self.judge.see_work(vec![work], now);
    }

    fn report(&mut self, seconds: u64, membership: Option<MembershipSeen>) -> HealthReport {
        let now = self.at(seconds);
        self.judge.report(Observed {
            now,
            stage: StageSeen::Running,
            membership,
            dead_jobs: Vec::new(),
            paused_topics: Vec::new(),
        })
    }

    fn member(&mut self, seconds: u64) -> HealthReport {
        self.report(seconds, Some(MEMBER))
    }
}

const MEMBER: MembershipSeen = MembershipSeen {
    is_member: true,
    unheard: Duration::from_secs(1),
    fatal: None,
};

fn partition() -> TopicPartition {
    TopicPartition::new("orders", 0)
}

/// Live, ready, started.
#[track_caller]
fn check(report: &HealthReport, expected: (bool, bool, bool)) {
    let seen = (report.is_live, report.is_ready, report.is_started);
    assert_eq!(seen, expected, "{report:?}");
    assert_eq!(report.problems.is_empty(), report.is_ready, "{report:?}");
}

#[test]
fn a_member_at_work_is_well() {
    let mut case = Case::new();
    case.work(0, 5, 9, 100);
    check(&case.member(1), (true, true, true));
}

#[test]
fn joining_is_not_ready_and_not_live_when_it_lasts() {
    let mut case = Case::new();
    let joining = MembershipSeen {
        is_member: false,
        ..MEMBER
    };
    check(&case.report(0, Some(joining.clone())), (true, false, false));
    case.work(59, 0, 0, 0);
    check(
        &case.report(59, Some(joining.clone())),
        (true, false, false),
    );
    check(
        &case.report(60, Some(joining.clone())),
        (false, false, false),
    );
    check(&case.member(61), (true, true, true));
    // Thrown out: the time begins anew, and it was started once.
    check(&case.report(62, Some(joining.clone())), (true, false, true));
    check(&case.report(122, Some(joining)), (false, false, true));
}

#[test]
fn silence_of_the_cluster_counts_from_half_the_session_on() {
    for (unheard, expected) in [
        (22, (true, true, true)),
        (23, (true, false, true)),
        (104, (true, false, true)),
        (105, (false, false, true)),
    ] {
        let unheard = MembershipSeen {
            unheard: Duration::from_secs(unheard),
            ..MEMBER
        };
        check(&Case::new().report(0, Some(unheard)), expected);
    }
}

#[test]
fn a_handler_without_an_end_is_stuck() {
    let mut case = Case::new();
    for seconds in (0..300).step_by(5) {
        case.work(seconds, 7, 9, 0);
        check(&case.member(seconds), (true, true, true));
    }
    case.work(300, 7, 9, 0);
    let report = case.member(300);
    check(&report, (false, false, true));
    assert_eq!(
        report.problems,
        [HealthProblem::Stuck {
            partition: partition(),
            offset: 7,
            since: Duration::from_secs(300),
        }]
    );
    assert_eq!(
        report.problems[0].to_string(),
        "orders-0 is stuck at offset 7 for 300 s"
    );
    case.work(301, 8, 9, 0);
    check(&case.member(301), (true, true, true));
}

#[test]
fn idle_is_not_stuck_and_work_after_it_has_its_own_time() {
    let mut case = Case::new();
    case.work(0, 9, 9, 0);
    case.work(1000, 9, 9, 0);
    check(&case.member(1000), (true, true, true));
    case.work(1005, 9, 10, 0);
    case.work(1300, 9, 10, 0);
    check(&case.member(1300), (true, true, true));
    case.work(1305, 9, 10, 0);
    check(&case.member(1305), (false, false, true));
}

#[test]
fn lag_that_nobody_works_off_counts() {
    let mut case = Case::new();
    case.work(0, 9, 9, 40);
    case.work(200, 9, 9, 50);
    case.work(300, 9, 9, 60);
    let report = case.member(300);
    check(&report, (false, false, true));
    assert_eq!(
        report.problems[0].to_string(),
        "orders-0 has 60 records waiting and made no progress for 300 s"
    );
    // Revoked: it is somebody else's matter.
    let now = case.at(301);
    case.judge.see_work(Vec::new(), now);
    check(&case.member(301), (true, true, true));
}

#[test]
fn a_pause_is_not_ready_and_never_stuck() {
    let mut case = Case::new();
    let paused = WorkSeen {
        partition: partition(),
        done: Some(1),
        given: Some(5),
        lag: 9,
        is_paused: true,
    };
    for seconds in [0, 500, 1000] {
        let now = case.at(seconds);
        case.judge.see_work(vec![paused.clone()], now);
    }
    let now = case.at(1000);
    let report = case.judge.report(Observed {
        now,
        stage: StageSeen::Paused,
        membership: Some(MEMBER),
        dead_jobs: Vec::new(),
        paused_topics: Vec::new(),
    });
    check(&report, (true, false, true));
    assert_eq!(report.problems, [HealthProblem::Paused]);
}

#[test]
fn a_silent_dispatcher_a_dead_job_and_the_end_are_not_live() {
    let mut case = Case::new();
    check(&case.member(299), (true, true, true));
    check(&case.member(300), (false, false, true));
    let mut report = |stage, dead_jobs: &[&str]| {
        case.judge.report(Observed {
            now: case.began,
            stage,
            membership: None,
            dead_jobs: dead_jobs.iter().map(ToString::to_string).collect(),
            paused_topics: Vec::new(),
        })
    };
    check(&report(StageSeen::Running, &[]), (true, true, true));
    check(&report(StageSeen::Running, &["a"]), (false, false, true));
    check(&report(StageSeen::Stopping, &[]), (true, false, true));
    let ended = StageSeen::Ended { failure: None };
    check(&report(ended, &[]), (false, false, true));
}

#[test]
fn a_verdict_is_news_once() {
    let mut case = Case::new();
    let joining = MembershipSeen {
        is_member: false,
        ..MEMBER
    };
    for (seconds, membership, expected) in [
        (0, joining.clone(), false),
        (1, MEMBER, true),
        (2, MEMBER, false),
        (3, joining.clone(), true),
        (4, joining.clone(), false),
        (63, joining, true),
        (64, MEMBER, true),
    ] {
        let report = case.report(seconds, Some(membership));
        assert_eq!(case.judge.is_news(&report), expected, "at {seconds} s");
    }
    let stopping = case.judge.report(Observed {
        now: case.at(65),
        stage: StageSeen::Stopping,
        membership: Some(MEMBER),
        dead_jobs: Vec::new(),
        paused_topics: Vec::new(),
    });
    assert!(!stopping.is_ready && !case.judge.is_news(&stopping));
}
