//! What the crate offers for tests, as a user's test would use it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use milena::testing::{TestApp, TestBroker, TestClock, TestError};
use milena::{
    App, AppState, Batch, HandlerError, Json, Message, MessageEnd, Outgoing, Retry, State,
    batch_handler, handler, job,
};

async fn on_order(Json(number): Json<u32>) -> Result<(), HandlerError> {
    match number {
        13 => Err(HandlerError::non_retriable("unlucky")),
        _ => Ok(()),
    }
}

#[tokio::test]
async fn a_message_is_published_and_its_end_awaited() {
    let broker = TestBroker::start().await.unwrap();
    let config = broker.config("group").unwrap();
    async fn on_batch(_: Batch<Message>) {}
    let app = App::new(config).topic("orders", handler(on_order)).topic(
        "batches",
        batch_handler(on_batch)
            .records_max(10)
            .wait_max(Duration::from_millis(10)),
    );
    let app = TestApp::start(app).await.unwrap();
    for (topic, value, expected) in [
        ("orders", "1", MessageEnd::Handled),
        ("orders", "13", MessageEnd::DeadLettered),
        ("orders", "x", MessageEnd::DeadLettered),
        ("batches", "x", MessageEnd::Handled),
    ] {
        let message = Outgoing::to(topic).value(value);
        assert_eq!(app.publish(&message).await.unwrap(), expected, "{value}");
    }
    app.committed().await.unwrap();
    assert_eq!(app.handle().progress().failures(), 2);
    app.shutdown().await.unwrap();
}

/// Commits of transactions are told of as others are.
#[tokio::test]
async fn what_counts_exactly_once_is_committed_too() {
    let broker = TestBroker::start().await.unwrap();
    let config = broker.config("group").unwrap();
    let app = App::new(config).topic("orders", handler(on_order).exactly_once());
    let app = TestApp::start(app).await.unwrap();
    let end = app.publish(&Outgoing::to("orders").value("1")).await;
    assert_eq!(end.unwrap(), MessageEnd::Handled);
    app.committed().await.unwrap();
    assert_eq!(app.handle().progress().commits(), 1);
    app.shutdown().await.unwrap();
}

#[tokio::test]
async fn an_application_that_ended_is_not_waited_for() {
    let broker = TestBroker::start().await.unwrap();
    let config = broker.config("group").unwrap();
    let give_up = async || Err::<(), _>(HandlerError::terminal("no disk"));
    let app = App::new(config).topic("orders", handler(give_up));
    let app = TestApp::start(app).await.unwrap();
    let end = app.publish(&Outgoing::to("orders").value("1")).await;
    let Err(TestError::Ended { failure, .. }) = end else {
        panic!("{end:?}")
    };
    assert!(failure.unwrap().contains("no disk"));
}

/// Hours of retries and jobs in a moment; the member stays in its group all the while.
#[tokio::test]
async fn one_clock_moves_everything() {
    let broker = TestBroker::start().await.unwrap();
    let clock = TestClock::stop("2026-11-21T23:59:00Z").unwrap();
    let attempts = Arc::new(AtomicU32::new(0));
    let fail_thrice = |State(attempts): State<Arc<AtomicU32>>| async move {
        match attempts.fetch_add(1, Ordering::SeqCst) {
            0..3 => Err(HandlerError::retriable("not yet")),
            _ => Ok(()),
        }
    };
    async fn nightly() {}
    let minute = Retry::fixed(Duration::from_secs(60)).jitter(0.0);
    let config = broker.config("group").unwrap();
    let app = App::new(config)
        .state(attempts.clone())
        .topic("orders", handler(fail_thrice).retry(minute))
        .cron("0 0 * * *", job(nightly));
    let running = app.start().await.unwrap();
    let handle = running.handle();
    let publisher = milena::Publisher::new(&broker.config("nobody").unwrap()).unwrap();
    publisher
        .send(&Outgoing::to("orders").value("1"))
        .await
        .unwrap();
    while attempts.load(Ordering::SeqCst) == 0 {
        clock.advance(Duration::from_secs(1)).await;
    }
    // The first attempt was one to two seconds ago; each minute from there has its retry.
    clock.advance(Duration::from_secs(1)).await;
    for expected in 2..=4 {
        clock.advance(Duration::from_secs(57)).await;
        assert_eq!(attempts.load(Ordering::SeqCst), expected - 1);
        clock.advance(Duration::from_secs(3)).await;
        assert_eq!(attempts.load(Ordering::SeqCst), expected);
    }
    assert_eq!(handle.progress().handled(), 1);
    assert_eq!(handle.state(), AppState::Running, "{:?}", handle.health());
    assert_eq!(handle.jobs().status("nightly").unwrap().runs, 1);
    drop(clock);
    running.shutdown().await.unwrap();
}

/// A record in the retry topic is due by the clock, too.
#[tokio::test]
async fn the_clock_moves_the_retry_topic() {
    let broker = TestBroker::start().await.unwrap();
    let clock = TestClock::stop("2026-11-21T23:00:00Z").unwrap();
    let attempts = Arc::new(AtomicU32::new(0));
    let fail_once = |State(attempts): State<Arc<AtomicU32>>| async move {
        match attempts.fetch_add(1, Ordering::SeqCst) {
            0 => Err(HandlerError::retriable("not yet")),
            _ => Ok(()),
        }
    };
    let later = Retry::fixed(Duration::from_secs(300)).jitter(0.0);
    let app = App::new(broker.config("group").unwrap())
        .state(attempts.clone())
        .topic(
            "orders",
            handler(fail_once).retry(later).retry_through_topic(),
        );
    let running = app.start().await.unwrap();
    let publisher = milena::Publisher::new(&broker.config("nobody").unwrap()).unwrap();
    let order = Outgoing::to("orders").value("1");
    publisher.send(&order).await.unwrap();
    while attempts.load(Ordering::SeqCst) == 0 {
        clock.advance(Duration::from_secs(1)).await;
    }
    // It failed at most a second ago.
    clock.advance(Duration::from_secs(298)).await;
    assert_eq!(attempts.load(Ordering::SeqCst), 1);
    clock.advance(Duration::from_secs(10)).await;
    assert_eq!(attempts.load(Ordering::SeqCst), 2);
    drop(clock);
    running.shutdown().await.unwrap();
}
