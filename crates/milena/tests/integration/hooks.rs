//! What hooks are told of an application's life, and in which order.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use milena::{
    App, AppError, HandlerError, Json, Lifecycle, Message, MessageEnd, Retry, TopicPartition,
    handler,
};

use crate::setup::{Bench, numbers, until};

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

    fn message_received(&self, message: &Message) {
        self.note(format!("received {}", message.offset()));
    }

    fn message_failed(&self, message: &Message, error: &HandlerError) {
        self.note(format!("failed {}: {error}", message.offset()));
        assert_ne!(message.offset(), 1, "a hook's panic harms nothing");
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
