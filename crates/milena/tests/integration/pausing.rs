//! What a handler depends on is down: its topic waits, and comes back by itself.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use milena::{
    App, Batch, Breaker, BreakerState, Bytes, HandlerError, Json, Meta, Retry, State,
    batch_handler, handler,
};
use tokio::sync::mpsc::Sender;

use crate::setup::{Bench, Running, numbers, reports, until};

/// A database that can be down.
#[derive(Clone)]
struct Database {
    is_up: Arc<AtomicBool>,
    asked: Sender<()>,
}

impl Database {
    async fn ask(&self) -> Result<(), HandlerError> {
        let _ = self.asked.send(()).await;
        if self.is_up.load(Ordering::SeqCst) {
            return Ok(());
        }
        Err(HandlerError::retriable("the database is down"))
    }
}

/// A database that is down, and what it is asked.
fn down() -> (Database, crate::setup::Reports<()>) {
    let (asked, questions) = reports();
    let database = Database {
        is_up: Arc::new(AtomicBool::new(false)),
        asked,
    };
    (database, questions)
}

async fn until_paused(running: &Running) {
    until("the topic is paused", || {
        !running.progress.paused_topics().is_empty()
    })
    .await;
}

/// Every record fails while the database is down, and none becomes a dead letter: after three
/// failures the topic asks once a pause, and another topic goes on.
#[tokio::test(flavor = "multi_thread")]
async fn a_topic_waits_for_what_its_handler_needs() {
    let bench = Bench::new().await;
    bench.create("orders", 3).await;
    bench.create("others", 1).await;
    for partition in 0..3 {
        bench.publish("orders", partition, numbers(100)).await;
    }
    let (database, mut questions) = down();
    let (sender, mut others) = reports();
    let on_order =
        |_: Json<u32>, State(database): State<Database>| async move { database.ask().await };
    let on_other =
        |bytes: Bytes, State(sender): State<Sender<_>>| async move { sender.send(bytes).await };
    let pause = Duration::from_millis(100);
    let app = App::new(bench.config())
        .state(database.clone())
        .topic(
            "orders",
            handler(on_order)
                .retry(Retry::fixed(Duration::from_millis(1)).attempts(50))
                .pause_when_failing(Breaker::after(3).pause(pause)),
        )
        .state(sender)
        .topic("others", handler(on_other));
    let running = Running::start(app);
    until_paused(&running).await;
    let (topic, state) = running.progress.paused_topics().remove(0);
    assert_eq!(topic, "orders");
    assert_ne!(state, BreakerState::Closed);
    // Some were asked at once; from here on, one a pause.
    questions.rest();
    let began = std::time::Instant::now();
    questions.take(6).await;
    assert!(began.elapsed() >= pause * 3, "{:?}", began.elapsed());
    bench.publish("others", 0, numbers(10)).await;
    others.take(10).await;
    until("the others are counted", || {
        running.progress.handled() == 10
    })
    .await;
    database.is_up.store(true, Ordering::SeqCst);
    bench.until_committed("orders", 3, 100).await;
    assert_eq!(running.progress.paused_topics(), []);
    let progress = running.progress.clone();
    running.stop().await.unwrap();
    assert_eq!((progress.handled(), progress.dead_lettered()), (310, 0));
}

/// A paused application can be stopped, and nothing it could not handle is committed.
#[tokio::test(flavor = "multi_thread")]
async fn a_paused_topic_stops_and_goes_on_later() {
    let bench = Bench::new().await;
    bench.create("orders", 1).await;
    bench.publish("orders", 0, numbers(40)).await;
    let (database, _questions) = down();
    let on_orders = |batch: Batch<Json<u32>>, State(database): State<Database>| async move {
        assert!(!batch.0.is_empty());
        database.ask().await
    };
    let app = || {
        App::new(bench.config()).state(database.clone()).topic(
            "orders",
            batch_handler(on_orders)
                .records_max(20)
                .retry(Retry::fixed(Duration::from_millis(1)).attempts(3))
                .pause_when_failing(Breaker::after(2).pause(Duration::from_secs(3600))),
        )
    };
    let running = Running::start(app());
    until_paused(&running).await;
    running.stop().await.unwrap();
    assert!(matches!(bench.committed("orders", 0).await, None | Some(0)));
    database.is_up.store(true, Ordering::SeqCst);
    let running = Running::start(app());
    bench.until_committed("orders", 1, 40).await;
    assert_eq!(running.progress.dead_lettered(), 0);
    running.stop().await.unwrap();
}

/// One record can never be handled, and nothing else is there to show that others can: it is
/// given up, and the topic goes on.
#[tokio::test(flavor = "multi_thread")]
async fn a_poison_record_does_not_stop_its_topic_for_ever() {
    let bench = Bench::new().await;
    bench.create("orders", 1).await;
    let (sender, mut attempts) = reports();
    let on_order = |Json(number): Json<u32>, meta: Meta, State(sender): State<Sender<_>>| async move {
        sender.send((number, meta.attempt)).await?;
        match number {
            1 => Err(HandlerError::retriable("never")),
            _ => Ok(()),
        }
    };
    let handler = handler(on_order)
        .retry(Retry::fixed(Duration::from_millis(1)).attempts(4))
        .pause_when_failing(Breaker::after(2).pause(Duration::from_millis(20)));
    let app = App::new(bench.config()).state(sender);
    let running = Running::start(app.topic("orders", handler));
    bench.publish("orders", 0, numbers(2)).await;
    let expected = [(0, 1), (1, 1), (1, 2), (1, 3), (1, 4)];
    assert_eq!(attempts.take(5).await, expected);
    bench.until_committed("orders", 1, 2).await;
    // The topic is paused, and there was nothing left to try.
    bench.publish("orders", 0, ["2".to_owned()]).await;
    assert_eq!(attempts.next().await, (2, 1));
    bench.until_committed("orders", 1, 3).await;
    assert_eq!(running.progress.paused_topics(), []);
    assert_eq!(running.progress.dead_lettered(), 1);
    running.stop().await.unwrap();
}

/// An outage that outlasts the attempts of one record costs few: each that is given up lets the
/// next be tried twice as often.
#[tokio::test(flavor = "multi_thread")]
async fn a_long_outage_does_not_fill_the_dead_letter_topic() {
    let bench = Bench::new().await;
    bench.create("orders", 1).await;
    bench.publish("orders", 0, numbers(50)).await;
    let (database, mut questions) = down();
    let on_order =
        |_: Json<u32>, State(database): State<Database>| async move { database.ask().await };
    let handler = handler(on_order)
        .retry(Retry::fixed(Duration::from_millis(1)).attempts(2))
        .pause_when_failing(Breaker::after(2).pause(Duration::from_millis(5)));
    let app = App::new(bench.config()).state(database.clone());
    let running = Running::start(app.topic("orders", handler));
    // Two attempts of the first record, four of the second, eight of the third.
    questions.take(2 + 4 + 8 + 3).await;
    assert_eq!(running.progress.dead_lettered(), 3);
    database.is_up.store(true, Ordering::SeqCst);
    bench.until_committed("orders", 1, 50).await;
    let progress = running.progress.clone();
    running.stop().await.unwrap();
    assert_eq!((progress.handled(), progress.dead_lettered()), (47, 3));
}

/// Who keeps no dead letters loses no record to an outage, and is not stopped by it.
#[tokio::test(flavor = "multi_thread")]
async fn without_dead_letters_a_topic_stays_paused() {
    let bench = Bench::new().await;
    bench.create("orders", 1).await;
    bench.publish("orders", 0, numbers(5)).await;
    let (database, mut questions) = down();
    let on_order =
        |_: Json<u32>, State(database): State<Database>| async move { database.ask().await };
    let handler = handler(on_order)
        .retry(Retry::fixed(Duration::from_millis(1)).attempts(2))
        .stop_on_failure()
        .pause_when_failing(Breaker::after(2).pause(Duration::from_millis(5)));
    let app = App::new(bench.config()).state(database.clone());
    let running = Running::start(app.topic("orders", handler));
    questions.take(8).await;
    database.is_up.store(true, Ordering::SeqCst);
    bench.until_committed("orders", 1, 5).await;
    assert_eq!(running.progress.handled(), 5);
    running.stop().await.unwrap();
}
