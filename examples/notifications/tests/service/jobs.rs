//! What is done by the clock, and the handle that steers it.

use std::time::Duration;

use milena::{AppState, HealthProblem};
use milena_notifications::{Backlog, Notification, Service, Store, Timetable};

use crate::setup::{Stage, settings, until, within};

/// The jobs run by their timetables, a cron expression among them, and when they are told to; the
/// consumer is switched off and on.
pub(crate) async fn check(database: &str) {
    let stage = Stage::new().await;
    let mut settings = settings(database);
    settings.every = Timetable::Cron("* * * * * *".to_owned());
    settings.report = Timetable::Every(Duration::from_secs(300));
    settings.forget = Timetable::Cron("0 3 * * *".to_owned());
    settings.time_zone = Some("Europe/Berlin".to_owned());
    settings.keep = Duration::from_millis(1);
    let service = Service::new(stage.config(), &settings).await;
    let running = service.expect("a service").start().await.expect("started");
    let handle = running.handle();
    let jobs = handle.jobs();
    let timetables = jobs.list().into_iter().map(|job| job.timetable);
    assert_eq!(
        timetables.collect::<Vec<_>>(),
        [
            "* * * * * * (Europe/Berlin)",
            "every 300s",
            "0 3 * * * (Europe/Berlin)"
        ]
    );
    stage.publish(3).await;
    let store = Store::connect(database).await.expect("a database");
    until("cron delivers", &store, |counts| counts.sent == 3).await;
    jobs.trigger("report").await.expect("a report");
    within("it is forgotten", async {
        while store.counts().await.expect("counts").all > 0 {
            jobs.trigger("forget").await.expect("a run");
        }
    })
    .await;
    handle.pause();
    assert_eq!(handle.state(), AppState::Paused);
    assert!(handle.health().problems.contains(&HealthProblem::Paused));
    handle.resume();
    stage.publish(1).await;
    until("it goes on", &store, |counts| counts.all == 1).await;
    within("it stops", running.shutdown())
        .await
        .expect("no error");
    store.close().await;
}

/// What waits is told, and only what was sent is forgotten.
pub(crate) async fn check_statements(database: &str) {
    let store = Store::connect(database).await.expect("a database");
    assert_eq!(store.backlog().await.expect("none"), None);
    let notification = Notification::default();
    for created_at in [5, 7, 9] {
        let identity = format!("id-{created_at}");
        let kept = store.insert(&identity, &notification, created_at).await;
        assert!(kept.expect("kept"));
    }
    let due = store.due(100, 10).await.expect("rows");
    assert!(store.claim(due[0].id, 100, 200).await.expect("claimed"));
    store.mark_sent(due[2].id, 100).await.expect("marked");
    let Backlog {
        waiting,
        tried,
        oldest_created_at,
        ..
    } = store.backlog().await.expect("rows").expect("some");
    assert_eq!((waiting, tried, oldest_created_at), (2, 1, 5));
    for (time, forgotten) in [(100, 0), (101, 1), (i64::MAX, 0)] {
        let deleted = store.forget_sent_before(time).await;
        assert_eq!(deleted.expect("deleted"), forgotten, "{time}");
    }
    assert_eq!(store.counts().await.expect("counts").all, 2);
    store.close().await;
}

#[tokio::test]
async fn a_wrong_cron_expression_says_which_job_has_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let database = format!("sqlite://{}", folder.path().join("n.db").display());
    let stage = Stage::new().await;
    let mut settings = settings(&database);
    settings.report = Timetable::Cron("at noon".to_owned());
    let service = Service::new(stage.config(), &settings).await;
    let error = service.expect("a service").start().await;
    let error = error.expect_err("no cron").to_string();
    assert!(error.contains("job report"), "{error}");
    assert!(error.contains("\"at noon\""), "{error}");
}
