//! What hooks are told of an application's life, and in which order.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use milena::testing::{ApiKey, ErrorCode, Fault};
use milena::{
    App, AppError, Batch, Breaker, HandlerError, Json, Lifecycle, Message, MessageEnd, Retry,
    TopicPartition, batch_handler, handler,
};

use crate::setup::{Bench, numbers, until};

const LONG: Duration = Duration::from_secs(3600);

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    fn note(&self, line: impl Into<String>) {
        self.0.lock().unwrap().push(line.into());
    }

    /// Waits for a line.
    async fn until(&self, line: &str) {
        until(line, || {
            self.0.lock().unwrap().iter().any(|noted| noted == line)
        })
        .await;
    }
}

impl Lifecycle for Log {
    fn creating(&self) {
        self.note("creating");
    }

    fn created(&self) {
        self.note("created");
    }

    fn subscribed(&self, topics: &[String]) {
        self.note(format!("subscribed {}", topics.join(",")));
    }

    fn partitions_assigned(&self, partitions: &[TopicPartition]) {
        self.note(format!("assigned {}", partitions[0]));
    }

    fn partitions_revoked(&self, partitions: &[TopicPartition]) {
        self.note(format!("revoked {}", partitions[0]));
    }

    fn partitions_lost(&self, partitions: &[TopicPartition]) {
        self.note(format!("lost {}", partitions[0]));
    }

    fn message_received(&self, message: &Message) {
        self.note(format!("received {}", message.offset()));
    }

    fn message_failed(&self, message: &Message, error: &HandlerError) {
        self.note(format!("failed {}: {error}", message.offset()));
        assert_ne!(error.to_string(), "never", "a hook's panic harms nothing");
    }

    fn message_ended(&self, message: &Message, end: MessageEnd) {
        self.note(format!("ended {}: {end:?}", message.offset()));
    }

    fn committed(&self, offsets: &[(TopicPartition, i64)]) {
        self.note(format!("committed {} {}", offsets[0].0, offsets[0].1));
    }

    fn partition_end(&self, partition: &TopicPartition, next_offset: i64) {
        self.note(format!("end of {partition} at {next_offset}"));
    }

    fn stopping(&self) {
        self.note("stopping");
    }

    fn stopped(&self, result: Result<(), &AppError>) {
        self.note(format!("stopped {result:?}"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn hooks_are_told_of_everything_in_order() {
    let bench = Bench::new().await;
    bench.create("orders", 1).await;
    bench.publish("orders", 0, numbers(3)).await;
    let on_order = |Json(number): Json<u32>| async move {
        match number {
            1 => Err(HandlerError::retriable("never")),
            _ => Ok(()),
        }
    };
    let log = Log::default();
    let twice = Retry::fixed(Duration::from_millis(1)).attempts(2);
    let app = App::new(bench.config())
        .topic("orders", handler(on_order).retry(twice))
        .lifecycle(log.clone());
    let running = app.start().await.unwrap();
    log.until("committed orders-0 3").await;
    log.until("end of orders-0 at 3").await;
    running.shutdown().await.unwrap();
    let told = log.0.lock().unwrap().clone();
    let of = |prefixes: &[&str]| -> Vec<&str> {
        let lines = told.iter().map(String::as_str);
        lines
            .filter(|line| prefixes.iter().any(|prefix| line.starts_with(prefix)))
            .collect()
    };
    assert_eq!(
        of(&["creat", "subscribed", "assigned", "stop"]),
        [
            "creating",
            "created",
            "subscribed orders",
            "assigned orders-0",
            "stopping",
            "stopped Ok(())",
        ]
    );
    assert_eq!(
        of(&["received", "failed", "ended"]),
        [
            "received 0",
            "ended 0: Handled",
            "received 1",
            "failed 1: never",
            "failed 1: never",
            "ended 1: DeadLettered",
            "received 2",
            "ended 2: Handled",
        ]
    );
}

/// What is committed when partitions go is told of before they are gone.
#[tokio::test(flavor = "multi_thread")]
async fn the_commit_before_partitions_go_is_told_of() {
    let bench = Bench::new().await;
    bench.create("orders", 1).await;
    let log = Log::default();
    // By range, the one partition is the first member's in the order of their ids, which
    // begin with the clients'. Nothing is committed but when partitions go.
    let app = |client_id: &str| {
        let config = bench.builder().set("client.id", client_id);
        let config = config.set("partition.assignment.strategy", "range");
        let config = config.set("heartbeat.interval.ms", "50");
        let config = config.commit_interval(Duration::from_secs(3600));
        App::new(config.build().unwrap()).topic("orders", handler(async || {}))
    };
    let last = app("z").lifecycle(log.clone()).start().await.unwrap();
    // The first look at what is to be committed comes at once, and finds nothing.
    log.until("assigned orders-0").await;
    bench.publish("orders", 0, numbers(3)).await;
    log.until("ended 2: Handled").await;
    let first = app("a").start().await.unwrap();
    log.until("revoked orders-0").await;
    let told = log.0.lock().unwrap().clone();
    let told = told.iter().map(String::as_str);
    let told: Vec<&str> = told.filter(|line| line.contains(" orders-0")).collect();
    let gone = ["committed orders-0 3", "revoked orders-0"];
    assert!(told.ends_with(&gone), "{told:?}");
    last.shutdown().await.unwrap();
    first.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn partitions_that_are_lost_are_told_of() {
    let bench = Bench::new().await;
    let Some(faults) = bench.faults() else {
        return;
    };
    bench.create("orders", 1).await;
    let log = Log::default();
    let config = bench.builder().set("heartbeat.interval.ms", "50");
    let app = App::new(config.build().unwrap())
        .topic("orders", handler(async || {}))
        .lifecycle(log.clone());
    let running = app.start().await.unwrap();
    log.until("assigned orders-0").await;
    faults.next(ApiKey::Heartbeat, Fault::Fail(ErrorCode::IllegalGeneration));
    log.until("lost orders-0").await;
    running.shutdown().await.unwrap();
}

/// What is told of three records of a batch of which the first succeeds and the others wait,
/// when the application stops.
async fn told_of_a_batch(pauses: Option<Breaker>) -> Vec<String> {
    let bench = Bench::new().await;
    bench.create("orders", 1).await;
    bench.publish("orders", 0, numbers(3)).await;
    let on_orders = |Batch(orders): Batch<Json<u32>>| async move {
        let results = orders.iter().map(|Json(number)| match number {
            0 => Ok(()),
            number => Err(HandlerError::retriable(format!("not yet {number}"))),
        });
        results.collect::<Vec<Result<(), HandlerError>>>()
    };
    let mut handler = batch_handler(on_orders)
        .records_max(3)
        .wait_max(LONG)
        .retry(Retry::fixed(LONG));
    if let Some(breaker) = pauses {
        handler = handler.pause_when_failing(breaker.pause(LONG));
    }
    let log = Log::default();
    let app = App::new(bench.config()).topic("orders", handler);
    let running = app.lifecycle(log.clone()).start().await.unwrap();
    log.until("committed orders-0 1").await;
    running.shutdown().await.unwrap();
    let told = log.0.lock().unwrap().clone();
    let of_messages = |line: &String| line.starts_with("received") || line.starts_with("ended");
    told.into_iter().filter(of_messages).collect()
}

/// Each record of a batch that was received is told to have ended, those that are given back
/// among them: while they wait to be tried again, and while their topic is paused.
#[tokio::test(flavor = "multi_thread")]
async fn records_of_batches_that_are_given_back_are_told_of() {
    let expected = [
        "received 0",
        "received 1",
        "received 2",
        "ended 0: Handled",
        "ended 1: GivenBack",
        "ended 2: GivenBack",
    ];
    assert_eq!(told_of_a_batch(None).await, expected);
    assert_eq!(told_of_a_batch(Some(Breaker::after(1))).await, expected);
}
