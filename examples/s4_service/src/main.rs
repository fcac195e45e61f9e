//! A service: notifications come from a topic in batches, wait in a store, and a job delivers those
//! that were not sent yet. Two more topics have handlers of their own. What they cannot read becomes a
//! dead letter, and messages of a topic without a handler are counted and passed over.
//!
//! `cargo run -p s4_service`: on an embedded broker, or on the cluster that
//! `MILENA_BOOTSTRAP_SERVERS` names. Stops by itself, and fails when something does not happen as it
//! says. `examples/notifications` is such a service with a database.

mod store;

use std::time::Duration;

use anyhow::{Result, ensure};
use example_support::Cluster;
use milena::{
    App, Batch, BatchOutcome, Consumer, HandlerError, Json, Outgoing, Problems, Publisher, State,
    Valid, Validate, batch_handler, handler, job,
};

use store::Store;

/// What `notifications` carries; all fields are needed.
#[derive(Debug, Clone, serde::Deserialize)]
struct Notification {
    user_id: u64,
    event: String,
    content: String,
}

impl Validate for Notification {
    fn validate(&self, problems: &mut Problems) {
        problems.check(self.user_id > 0, "user_id", "must be positive");
        problems.check(!self.event.is_empty(), "event", "must not be empty");
        problems.check(!self.content.is_empty(), "content", "must not be empty");
    }
}

/// Takes up to 25 messages at once, or what came within 5 s.
async fn on_notifications(
    Batch(notifications): Batch<Valid<Json<Notification>>>,
    State(store): State<Store>,
) -> BatchOutcome {
    println!("a batch of {}", notifications.len());
    for Valid(Json(notification)) in notifications {
        store.add(notification);
    }
    BatchOutcome::default()
}

/// What `my_topic` carries.
#[derive(serde::Deserialize)]
struct Mine {
    data: String,
}

/// A topic more is a handler more.
async fn on_mine(Json(mine): Json<Mine>, State(store): State<Store>) {
    println!("my message: {}", mine.data);
    store.count_mine();
}

async fn on_generic(Json(value): Json<serde_json::Value>, State(store): State<Store>) {
    println!("a generic message: {value}");
    store.count_generic();
}

/// Delivers what was not sent, oldest first, 100 at a time; one failure stops nothing.
async fn process_notifications(State(store): State<Store>) -> Result<(), HandlerError> {
    for (id, notification) in store.unsent(100) {
        match deliver(&notification) {
            Ok(()) => store.mark_sent(id),
            Err(error) => tracing::error!(event = "delivery_failed", id, error),
        }
    }
    Ok(())
}

/// A job by a cron expression.
async fn count(State(store): State<Store>) {
    println!("sent: {}", store.sent());
}

fn deliver(notification: &Notification) -> Result<(), &'static str> {
    if notification.content == "undeliverable" {
        return Err("nobody takes it");
    }
    println!(
        "to {}: {}: {}",
        notification.user_id, notification.event, notification.content
    );
    Ok(())
}

#[tokio::main]
async fn main() -> Result<()> {
    milena::telemetry::init("error")?;
    let cluster = Cluster::find().await?;
    let config = cluster
        .config()
        .set("session.timeout.ms", "6000")
        .set("request.timeout.ms", "10000")
        // Connecting is tried five times, 1 s, 2 s, 4 s … and at most 30 s apart.
        .set("start.attempts", "5")
        .set("start.backoff.max.ms", "30000")
        .build()?;
    let store = Store::default();
    let app = App::new(config.clone())
        .state(store.clone())
        .topic(
            "notifications",
            batch_handler(on_notifications).wait_max(Duration::from_millis(500)),
        )
        .topic("generic_topic", handler(on_generic))
        .topic("my_topic", handler(on_mine))
        .every(Duration::from_millis(200), process_notifications)
        .every(Duration::from_secs(300), job(|| async {}).name("task1"))
        .every(Duration::from_secs(900), job(|| async {}).name("task2"))
        // Each second; `0 6 * * MON-FRI` would be at six on working days.
        .cron("* * * * * *", count);
    // Returns when the cluster has answered; then the service runs in the background.
    let service = app.start().await?;
    let handle = service.handle();
    let (progress, jobs) = (handle.progress(), handle.jobs());

    publish(&Publisher::new(&config)?).await?;
    let done = async {
        let has_counted = || jobs.status("count").is_ok_and(|job| job.runs > 0);
        while store.sent() < 30
            || progress.dead_lettered() < 3
            || !store.has_others()
            || !has_counted()
        {
            ensure!(
                handle.is_alive(),
                "the service died: {:?}",
                handle.failure()
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok(())
    };
    tokio::time::timeout(Duration::from_secs(60), done).await??;
    // A failure that is still in the store is tried again at each run, and holds up nobody.
    jobs.trigger("process_notifications").await?;
    ensure!(store.unsent(100).len() == 1, "one cannot be delivered");
    // The consumer can be switched off and on; its place in the group stays.
    handle.pause();
    handle.resume();
    ensure!(handle.health().is_live, "{:?}", handle.health());
    for job in jobs.list() {
        println!("{} ({}): {} runs", job.name, job.timetable, job.runs);
    }
    service.shutdown().await?;
    without_handler(&cluster).await?;
    println!(
        "done: {} handled, {} dead letters",
        progress.handled(),
        progress.dead_lettered()
    );
    Ok(())
}

async fn look_at(Json(value): Json<serde_json::Value>) {
    println!("seen: {value}");
}

/// A consumer without an application may subscribe to more than it has handlers for.
async fn without_handler(cluster: &Cluster) -> Result<()> {
    let config = cluster.config().group_id(cluster.name("lookers-on"));
    let consumer = Consumer::new(config.build()?);
    consumer.connect().await?;
    consumer.register("generic_topic", look_at);
    consumer.subscribe(["generic_topic", "my_topic"]).await?;
    let done = async {
        let mut seen = 0;
        while seen < 3 {
            seen += consumer.consume(Duration::from_secs(1)).await?;
        }
        anyhow::Ok(())
    };
    tokio::time::timeout(Duration::from_secs(60), done).await??;
    ensure!(
        consumer.unhandled() == 2,
        "{} unhandled",
        consumer.unhandled()
    );
    consumer.shutdown().await?;
    Ok(())
}

async fn publish(publisher: &Publisher) -> Result<()> {
    let notification = |content: &str| {
        serde_json::json!({"user_id": 7, "event": "order.shipped", "content": content}).to_string()
    };
    for number in 0..30 {
        let value = notification(&format!("parcel {number}"));
        drop(
            publisher
                .enqueue(&Outgoing::to("notifications").value(value))
                .await?,
        );
    }
    for (topic, value) in [
        ("notifications", notification("undeliverable")),
        ("notifications", notification("")),
        ("notifications", "not JSON".to_owned()),
        ("generic_topic", r#"{"data": 1}"#.to_owned()),
        ("my_topic", r#"{"data": "mine"}"#.to_owned()),
        ("my_topic", "{}".to_owned()),
    ] {
        drop(publisher.enqueue(&Outgoing::to(topic).value(value)).await?);
    }
    publisher.close().await?;
    Ok(())
}
