use std::time::Duration;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::{FirstRun, MissedTicks, Overlap, Plan, Planner, Step};
use crate::schedule::clock::Moment;
use crate::schedule::cron::CronTable;
use crate::schedule::tick::TickCause;
use crate::schedule::timetable::Timetable;

const PLAN: Plan = Plan {
    missed: MissedTicks::Skip,
    overlap: Overlap::Never,
    jitter: Duration::ZERO,
    first: FirstRun::AtFirstTick,
    is_enabled: true,
};

/// The wall clock when the scheduler begins: midnight.
fn midnight() -> Timestamp {
    "2026-11-21T00:00:00Z".parse().unwrap()
}

/// So many seconds after the beginning, on both clocks.
fn at(seconds: i64) -> Moment {
    Moment {
        uptime: Duration::from_secs(seconds.unsigned_abs()),
        wall: midnight() + SignedDuration::from_secs(seconds),
    }
}

fn every(seconds: u64, plan: Plan) -> Planner {
    begun(Timetable::Every(Duration::from_secs(seconds)), plan)
}

fn cron(expression: &str, plan: Plan) -> Planner {
    let table = CronTable::parse(expression, TimeZone::UTC).unwrap();
    begun(Timetable::Cron(Box::new(table)), plan)
}

fn begun(timetable: Timetable, plan: Plan) -> Planner {
    let mut planner = Planner::new(timetable, plan);
    planner.begin(at(0), 0.0);
    planner
}

/// A run for so many seconds after the beginning.
fn run(seconds: i64) -> Step {
    Step::Run {
        scheduled_at: at(seconds).wall,
        cause: TickCause::Timetable,
    }
}

fn wait(seconds: u64) -> Step {
    Step::Wait(Duration::from_secs(seconds))
}

impl Planner {
    fn step_at(&mut self, seconds: i64) -> Step {
        self.next_step(at(seconds), 0.0)
    }
}

#[test]
fn a_period_keeps_its_grid() {
    let mut planner = every(30, PLAN);
    assert_eq!(planner.step_at(0), wait(30));
    assert_eq!(planner.step_at(29), wait(1));
    // Looked at late: the tick is that of 30, and the next one of 60.
    assert_eq!(planner.step_at(33), run(30));
    assert_eq!(planner.step_at(33), wait(27));
    planner.finish();
    assert_eq!(planner.step_at(60), run(60));
    assert_eq!(planner.missed(), 0);
}

#[test]
fn cron_goes_by_the_wall_clock_and_looks_at_it_often() {
    let mut planner = cron("0 */5 * * * *", PLAN);
    assert_eq!(planner.step_at(0), wait(30), "not 300: it may be set");
    assert_eq!(planner.step_at(299), wait(1));
    assert_eq!(planner.step_at(300), run(300));
    planner.finish();
    // Set back by four minutes: the next tick stays where it is, nothing runs twice.
    let back = Moment {
        uptime: at(301).uptime,
        wall: at(61).wall,
    };
    assert_eq!(planner.next_step(back, 0.0), wait(30));
    // Set forth by an hour: one run for the latest of the ticks jumped over.
    let forth = Moment {
        uptime: at(302).uptime,
        wall: at(3901).wall,
    };
    assert_eq!(planner.next_step(forth, 0.0), run(3900));
    assert_eq!(planner.missed(), 11);
}

#[test]
fn a_job_never_overlaps_with_itself_unless_told() {
    let mut planner = every(10, PLAN);
    assert_eq!(planner.step_at(10), run(10));
    assert_eq!(planner.step_at(25), wait(5));
    assert_eq!(planner.missed(), 1);
    assert_eq!(planner.step_at(45), wait(5));
    assert_eq!(planner.missed(), 3);
    planner.finish();
    assert_eq!(planner.step_at(46), wait(4), "skipped is skipped");
    assert_eq!(planner.step_at(50), run(50));

    let plan = Plan {
        overlap: Overlap::Allowed,
        ..PLAN
    };
    let mut planner = every(10, plan);
    for tick in 1..=64 {
        assert_eq!(planner.step_at(tick * 10), run(tick * 10));
    }
    assert_eq!(planner.step_at(650), wait(10), "bounded all the same");
    assert_eq!((planner.running(), planner.missed()), (64, 1));
}

#[test]
fn missed_ticks_are_made_up_for_as_told() {
    for (missed, expected_runs, expected_missed) in [
        (MissedTicks::Skip, 0, 3),
        (MissedTicks::CatchUpOnce, 1, 2),
        (MissedTicks::CatchUpAll, 3, 0),
    ] {
        let mut planner = every(10, Plan { missed, ..PLAN });
        assert_eq!(planner.step_at(10), run(10));
        // Ticks of 20, 30 and 40 pass, seen or not.
        assert_eq!(planner.step_at(25), wait(5));
        assert_eq!(planner.step_at(45), wait(5));
        planner.finish();
        let mut runs = 0;
        while planner.step_at(46) == run(40) {
            planner.finish();
            runs += 1;
        }
        assert_eq!((runs, planner.missed()), (expected_runs, expected_missed));
        assert_eq!(planner.step_at(50), run(50));
    }
}

#[test]
fn a_long_sleep_costs_no_storm_and_no_time() {
    for (missed, expected) in [
        (MissedTicks::Skip, 1),
        (MissedTicks::CatchUpOnce, 1),
        (MissedTicks::CatchUpAll, 1000),
    ] {
        for mut planner in [
            every(1, Plan { missed, ..PLAN }),
            cron("* * * * * *", Plan { missed, ..PLAN }),
        ] {
            let year = 365 * 86_400;
            let mut runs = 0;
            while planner.step_at(year) == run(year) || runs == 0 {
                planner.finish();
                runs += 1;
            }
            assert_eq!(runs, expected);
            assert_eq!(planner.step_at(year), wait(1));
        }
    }
}

#[test]
fn jitter_delays_a_run_and_not_the_grid() {
    let plan = Plan {
        jitter: Duration::from_secs(8),
        ..PLAN
    };
    let mut planner = Planner::new(Timetable::Every(Duration::from_secs(10)), plan);
    planner.begin(at(0), 0.5);
    assert_eq!(planner.next_step(at(0), 0.0), wait(14));
    assert_eq!(planner.next_step(at(13), 0.0), wait(1));
    assert_eq!(planner.next_step(at(14), 1.0), run(10));
    planner.finish();
    assert_eq!(planner.next_step(at(14), 0.0), wait(14), "20 and 8 more");
    assert_eq!(planner.next_step(at(28), 0.0), run(20));
    assert_eq!(planner.missed(), 0);
}

#[test]
fn triggers_wait_for_the_job_to_be_free_and_run_disabled_ones() {
    let triggered = |seconds| Step::Run {
        scheduled_at: at(seconds).wall,
        cause: TickCause::Triggered,
    };
    let mut planner = every(10, PLAN);
    planner.trigger();
    planner.trigger();
    assert_eq!(planner.step_at(1), triggered(1));
    assert_eq!(planner.step_at(2), wait(8));
    planner.finish();
    assert_eq!(planner.step_at(3), triggered(3));
    planner.finish();
    planner.set_enabled(false);
    assert_eq!(planner.step_at(25), wait(5));
    assert_eq!(planner.next_at(at(25)), None);
    planner.trigger();
    assert_eq!(planner.step_at(26), triggered(26));
    planner.finish();
    planner.set_enabled(true);
    assert_eq!(planner.missed(), 0, "ticks of a disabled job do not count");
    assert_eq!(planner.next_at(at(26)), Some(at(30).wall));
    assert_eq!(planner.step_at(30), run(30));
}

#[test]
fn at_start_runs_once_more() {
    let plan = Plan {
        first: FirstRun::AtStart,
        ..PLAN
    };
    let mut planner = every(10, plan);
    assert_eq!(planner.step_at(0), run(0));
    assert_eq!(planner.step_at(0), wait(10));
    let mut disabled = every(
        10,
        Plan {
            is_enabled: false,
            ..plan
        },
    );
    assert_eq!(disabled.step_at(0), wait(10));
}

#[test]
fn a_timetable_that_is_over_waits_for_triggers_only() {
    let mut planner = cron("0 0 0 1 1 * 2020", PLAN);
    assert_eq!(planner.step_at(0), Step::Idle);
}

/// Whatever happens in whatever order: no run beside another, and every tick of an
/// enabled job is run for, owed or missed.
#[test]
fn no_tick_is_lost_and_no_run_overlaps() {
    for seed in 0..300 {
        let mut random = fastrand::Rng::with_seed(seed);
        let missed = [
            MissedTicks::Skip,
            MissedTicks::CatchUpOnce,
            MissedTicks::CatchUpAll,
        ][random.usize(..3)];
        let mut planner = every(10, Plan { missed, ..PLAN });
        let (mut now, mut runs) = (0, 0);
        for _ in 0..200 {
            now += random.i64(0..12);
            while let Step::Run { scheduled_at, .. } = planner.step_at(now) {
                assert!(scheduled_at <= at(now).wall, "seed {seed}");
                assert_eq!(planner.running(), 1, "seed {seed}");
                runs += 1;
                if random.bool() {
                    planner.finish();
                }
            }
            if random.bool() {
                planner.finish();
            }
        }
        let ticks = u64::try_from(now / 10).unwrap();
        let accounted = runs + planner.missed() + u64::from(planner.owed);
        assert_eq!(accounted, ticks, "seed {seed}");
    }
}
