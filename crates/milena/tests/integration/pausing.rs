//! What a handler depends on is down: its topic waits, and comes back by itself.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use milena::{
    App, Batch, Breaker, BreakerState, Bytes, HandlerError, Json, Retry, State, batch_handler,
    handler,
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
                .retry(Retry::fixed(Duration::from_millis(1)).attempts(5))
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
