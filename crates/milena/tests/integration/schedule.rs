//! Jobs beside handlers, and without.

use std::time::Duration;

use milena::{App, AppError, Config, HandlerError, Json, Outgoing, Publisher, State, Tick};
use milena::{handler, job};
use tokio::sync::mpsc::Sender;

use crate::setup::{Bench, Running, Stopping, reports, within};

const OFTEN: Duration = Duration::from_millis(20);

/// A job publishes what a handler receives, and the two share the state.
#[tokio::test(flavor = "multi_thread")]
async fn jobs_run_beside_handlers() {
    let bench = Bench::new().await;
    bench.create("reports", 1).await;
    let (sender, mut handled) = reports();
    let publish = |tick: Tick, State((publisher, _)): State<(Publisher, Sender<u64>)>| async move {
        let report = Outgoing::to("reports").value(tick.number.to_string());
        publisher.send(&report).await?;
        Ok::<(), HandlerError>(())
    };
    let on_report = |Json(number): Json<u64>,
                     State((_, sender)): State<(Publisher, Sender<u64>)>| async move {
        sender.send(number).await
    };
    let app = App::new(bench.config())
        .state((bench.publisher.clone(), sender))
        .topic("reports", handler(on_report))
        .every(OFTEN, job(publish).name("publish").at_start());
    let jobs = app.jobs();
    let running = Running::start(app);
    assert_eq!(handled.take(3).await, [1, 2, 3]);
    jobs.disable("publish").unwrap();
    within("a triggered run", jobs.trigger("publish"))
        .await
        .unwrap();
    running.stop().await.unwrap();
    let status = jobs.status("publish").unwrap();
    assert!(status.runs >= 4 && status.failures == 0, "{status:?}");
    assert!(jobs.trigger("publish").await.is_err(), "it has stopped");
}

/// No broker, no group: an application of jobs only; failures do not stop it.
#[tokio::test(flavor = "multi_thread")]
async fn an_application_may_have_jobs_only() {
    let (sender, mut runs) = reports();
    let fail = |tick: Tick, State(sender): State<Sender<u64>>| async move {
        sender.send(tick.number).await?;
        Err::<(), _>(HandlerError::non_retriable("always"))
    };
    let app = App::new(Config::builder().build().unwrap())
        .state(sender)
        .every(OFTEN, job(fail).name("failing"));
    let jobs = app.jobs();
    let running = Running::start(app);
    assert_eq!(runs.take(3).await, [1, 2, 3]);
    running.stop().await.unwrap();
    let status = jobs.status("failing").unwrap();
    assert_eq!(status.failures, status.runs);
    assert_eq!(status.last_error.as_deref(), Some("always"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_stops_the_application_when_told() {
    async fn fail() -> Result<(), HandlerError> {
        Err(HandlerError::retriable("no"))
    }
    let bench = Bench::new().await;
    bench.create("orders", 1).await;
    for with_topic in [false, true] {
        let mut app = App::new(bench.config()).every(OFTEN, job(fail).stop_on_failure());
        if with_topic {
            app = app.topic("orders", handler(|| async {}));
        }
        let error = Running::start(app).ended().await.unwrap_err();
        assert!(
            matches!(&error, AppError::Job { job, .. } if &**job == "fail"),
            "{error}"
        );
        assert_eq!(error.to_string(), "job \"fail\" failed: no");
    }
}

/// A run under way may finish; one that does not is ended when the time is over.
#[tokio::test(flavor = "multi_thread")]
async fn stopping_ends_jobs_within_the_deadline() {
    let (sender, mut begun) = reports();
    let stopping = Stopping::default();
    type Shared = (Sender<&'static str>, Stopping);
    let slow = |State((sender, stopping)): State<Shared>| async move {
        sender.send("slow").await?;
        stopping.0.notified().await;
        sender.send("slow is done").await
    };
    let endless = |State((sender, _)): State<Shared>| async move {
        sender.send("endless").await?;
        std::future::pending::<()>().await;
        Ok::<(), HandlerError>(())
    };
    let config = Config::builder()
        .shutdown_timeout(Duration::from_millis(300))
        .build()
        .unwrap();
    let hourly = Duration::from_secs(3600);
    let app = App::new(config)
        .state((sender, stopping.clone()))
        .lifecycle(stopping)
        .every(hourly, job(slow).name("slow").at_start())
        .every(hourly, job(endless).name("endless").at_start());
    let jobs = app.jobs();
    let running = Running::start(app);
    let mut reports = begun.take(2).await;
    running.stop().await.unwrap();
    reports.extend(begun.rest());
    reports.sort_unstable();
    assert_eq!(reports, ["endless", "slow", "slow is done"]);
    assert_eq!(jobs.status("slow").unwrap().runs, 1);
    let endless = jobs.status("endless").unwrap();
    assert_eq!((endless.runs, endless.running), (0, 0));
}

#[tokio::test]
async fn jobs_that_cannot_work_are_said_at_the_start() {
    async fn clean_up() {}
    let config = || Config::builder().build().unwrap();
    for (app, expected) in [
        (
            App::new(config())
                .every(OFTEN, clean_up)
                .every(OFTEN, clean_up),
            "job clean_up: there are two of this name; give one another, with `.name(…)`",
        ),
        (
            App::new(config()).every(Duration::ZERO, clean_up),
            "job clean_up: a period of 0ns is too short; 1ms is the least",
        ),
        (
            App::new(config()).cron("0 4 * * *", job(clean_up).time_zone("Mars")),
            "job clean_up: there is no time zone \"Mars\"",
        ),
    ] {
        let error = app.run_until(std::future::pending()).await.unwrap_err();
        assert!(error.to_string().starts_with(expected), "{error}");
    }
}
