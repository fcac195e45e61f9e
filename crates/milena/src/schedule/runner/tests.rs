use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::mpsc;

use super::Scheduler;
use crate::extract::State;
use crate::failure::HandlerError;
use crate::schedule::{Clock, IntoJob, JobEntry, JobError, JobFailed, Jobs, Tick, TickCause, job};
use crate::wall_clock;

/// Starts at midnight, by tokio's time.
fn clock() -> Clock {
    wall_clock::stopped::stop_at("2026-11-21T00:00:00Z".parse().unwrap());
    Clock::begin()
}

struct Started {
    scheduler: Scheduler,
    jobs: Jobs,
    fatal: mpsc::Receiver<JobFailed>,
}

fn start(entries: Vec<JobEntry>) -> Started {
    let jobs = Jobs::default();
    for entry in &entries {
        jobs.add(entry);
    }
    let (sender, fatal) = mpsc::channel(4);
    let on_fatal: super::OnFatal = Arc::new(move |failed| {
        sender.try_send(failed).unwrap();
    });
    Started {
        scheduler: Scheduler::start(entries, clock(), &on_fatal),
        jobs,
        fatal,
    }
}

fn every<Form>(seconds: u64, function: impl IntoJob<Form, ()>) -> JobEntry {
    JobEntry::every(Duration::from_secs(seconds), function.into_job(), ()).unwrap()
}

async fn sleep(seconds: u64) {
    tokio::time::sleep(Duration::from_secs(seconds)).await;
}

#[tokio::test(start_paused = true)]
async fn jobs_run_by_period_and_by_cron() {
    let (sender, mut ticks) = mpsc::channel(100);
    let note = |tick: Tick, State(sender): State<mpsc::Sender<String>>| async move {
        let time = jiff::Timestamp::try_from(tick.scheduled_at).unwrap();
        sender.send(format!("{} {time}", tick.job)).await
    };
    let period = Duration::from_secs(40);
    let minutely = "*/2 * * * *";
    let entries = vec![
        JobEntry::every(period, job(note).name("a"), sender.clone()).unwrap(),
        JobEntry::cron(minutely, job(note).name("b"), sender).unwrap(),
    ];
    let started = start(entries);
    for expected in [
        "a 2026-11-21T00:00:40Z",
        "a 2026-11-21T00:01:20Z",
        "b 2026-11-21T00:02:00Z",
        "a 2026-11-21T00:02:00Z",
        "a 2026-11-21T00:02:40Z",
    ] {
        let tick = ticks.recv().await.unwrap();
        if !expected.ends_with("02:00Z") {
            assert_eq!(tick, expected);
        }
    }
    assert_eq!(started.jobs.status("b").unwrap().runs, 1);
    started.scheduler.wind_down(Duration::from_secs(1)).await;
}

#[tokio::test(start_paused = true)]
async fn failures_are_counted_and_the_job_goes_on() {
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = calls.clone();
    let failing = move || {
        let call = counted.fetch_add(1, Ordering::Relaxed);
        async move {
            match call {
                0 => Err(HandlerError::retriable("down")),
                1 => panic!("a bug"),
                2 => {
                    sleep(1000).await;
                    Ok(())
                }
                _ => Ok(()),
            }
        }
    };
    let failing = job(failing).name("f").timeout(Duration::from_secs(5));
    let started = start(vec![every(20, failing)]);
    sleep(20).await;
    for expected in [
        Some("down"),
        Some("the handler panicked: a bug"),
        Some("the job took longer than 5s"),
    ] {
        tokio::time::sleep(Duration::from_millis(5100)).await;
        let status = started.jobs.status("f").unwrap();
        assert_eq!(status.last_error.as_deref(), expected);
        tokio::time::sleep(Duration::from_millis(14_900)).await;
    }
    sleep(20).await;
    let status = started.jobs.status("f").unwrap();
    assert!(status.runs > 3, "{status:?}");
    assert_eq!(status.failures, 3);
    assert!(started.fatal.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_failure_stops_the_application_when_told() {
    let fail = || async { Err::<(), _>(HandlerError::non_retriable("no")) };
    let terminal = || async { Err::<(), _>(HandlerError::terminal("never")) };
    let mut started = start(vec![
        every(10, job(fail).name("told").stop_on_failure()),
        every(20, job(terminal).name("terminal")),
    ]);
    let mut failed = std::collections::BTreeSet::new();
    for _ in 0..3 {
        failed.insert(started.fatal.recv().await.unwrap().job.to_string());
    }
    assert_eq!(failed, ["terminal".to_owned(), "told".to_owned()].into());
}

#[tokio::test(start_paused = true)]
async fn triggers_tell_how_the_run_ended() {
    let fail_second = |tick: Tick| async move {
        assert_eq!(tick.cause, TickCause::Triggered);
        match tick.number {
            2 => Err(HandlerError::non_retriable("the second")),
            _ => Ok(()),
        }
    };
    let started = start(vec![every(3600, job(fail_second).name("one").disabled())]);
    let jobs = &started.jobs;
    assert_eq!(jobs.trigger("one").await, Ok(()));
    let failed = jobs.trigger("one").await.unwrap_err();
    assert_eq!(failed.to_string(), "job \"one\" failed: the second");
    assert_eq!(jobs.trigger("one").await, Ok(()));
    let unknown = jobs.trigger("on").await.unwrap_err();
    assert_eq!(
        unknown.to_string(),
        "there is no job \"on\"; there are \"one\""
    );
    let status = jobs.status("one").unwrap();
    assert_eq!((status.runs, status.failures), (3, 1));
    assert_eq!(status.next_at, None);
    jobs.enable("one").unwrap();
    assert!(jobs.status("one").unwrap().next_at.is_some());
}

#[tokio::test(start_paused = true)]
async fn stopping_waits_for_runs_and_ends_those_that_stay() {
    async fn quick() {
        sleep(5).await;
    }
    async fn endless() {
        std::future::pending().await
    }
    let started = start(vec![
        every(10, quick),
        every(10, job(endless).missed_ticks(Default::default())),
    ]);
    let jobs = started.jobs.clone();
    sleep(11).await;
    let waiting = tokio::spawn({
        let jobs = jobs.clone();
        async move { jobs.trigger("endless").await }
    });
    sleep(1).await;
    let began = tokio::time::Instant::now();
    started.scheduler.wind_down(Duration::from_secs(20)).await;
    assert_eq!(began.elapsed(), Duration::from_secs(20));
    assert_eq!(jobs.status("quick").unwrap().runs, 1);
    assert_eq!(jobs.status("endless").unwrap().runs, 0);
    let stopped = Err(JobError::Stopped {
        job: "endless".into(),
    });
    assert_eq!(waiting.await.unwrap(), stopped);
    assert_eq!(jobs.trigger("endless").await, stopped);
}

#[tokio::test(start_paused = true)]
async fn enough_triggers_wait() {
    async fn endless() {
        std::future::pending().await
    }
    let started = start(vec![every(10, endless)]);
    sleep(11).await;
    let jobs = &started.jobs;
    let waiting: Vec<_> = (0..16)
        .map(|_| {
            let jobs = jobs.clone();
            tokio::spawn(async move { jobs.trigger("endless").await })
        })
        .collect();
    sleep(1).await;
    let busy = jobs.trigger("endless").await.unwrap_err();
    assert!(matches!(busy, JobError::Busy { .. }), "{busy}");
    waiting.iter().for_each(tokio::task::JoinHandle::abort);
}

#[test]
fn jobs_are_named_after_their_functions() {
    async fn clean_up() {}
    let names = [
        every(1, clean_up).name().to_owned(),
        every(1, job(clean_up).name("mine")).name().to_owned(),
    ];
    assert_eq!(names, ["clean_up", "mine"]);
    assert_eq!(
        every(1, || async {}).name(),
        "jobs_are_named_after_their_functions"
    );
}

#[test]
fn what_cannot_work_is_said() {
    async fn clean_up() {}
    let period = |seconds| Duration::from_secs(seconds);
    for (entry, expected) in [
        (
            JobEntry::every(period(0), job(clean_up), ()),
            "job clean_up: a period of 0ns is too short; 1ms is the least",
        ),
        (
            JobEntry::every(period(5), job(clean_up).jitter(period(5)), ()),
            "job clean_up: a jitter of 5s does not fit a period of 5s; make it shorter than that",
        ),
        (
            JobEntry::every(period(5), job(clean_up).time_zone("UTC"), ()),
            "job clean_up: a period knows no time zone; leave it out, or use a cron expression",
        ),
    ] {
        let Err(error) = entry else {
            panic!("taken, but {expected}")
        };
        assert_eq!(error.to_string(), expected);
    }
    let Err(error) = JobEntry::cron("nightly", job(clean_up), ()) else {
        panic!("taken")
    };
    assert!(
        error
            .to_string()
            .starts_with("job clean_up: \"nightly\" is")
    );
}
