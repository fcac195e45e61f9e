//! Publishing that loses nothing: message ids, retries, dead letters, delivery reports, metrics, and
//! a close that accounts for every message; and several consumers of one group that share what was
//! published, as tasks of this process and as processes.
//!
//! `cargo run -p s1_publishing`: on an embedded broker, or on the cluster that
//! `MILENA_BOOTSTRAP_SERVERS` names. Fails when something does not happen as it says.

mod consume;
mod observe;
mod processes;

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, ensure};
use example_support::Cluster;
use milena::{
    Breaker, Delivered, Outgoing, Processes, Profile, Publisher, RateLimit, ReliablePublisher,
    Retry,
};
use serde_json::{Value, json};

use observe::Reports;

#[tokio::main]
async fn main() -> Result<()> {
    milena::telemetry::init("error")?;
    // This program is also what `processes` starts, several times.
    if Processes::number().is_some() {
        return processes::member().await;
    }
    let cluster = Cluster::find().await?;
    first_messages(&cluster).await?;
    orders(&cluster).await?;
    consume::run(&cluster).await?;
    processes::run(&cluster).await?;
    profiles(&cluster)?;
    println!("done");
    Ok(())
}

/// A message, and one with a key, headers and an id of its own.
async fn first_messages(cluster: &Cluster) -> Result<()> {
    let publisher = Publisher::new(&cluster.config().build()?)?
        .reliable()
        .build()?;
    let hello = Outgoing::to("my-topic").value("Hello, Kafka!");
    let id = publisher.publish(hello).await?;
    println!("taken as {id}");
    let login = Outgoing::to("user-events")
        .key("user-123")
        .value(r#"{"user_id": 123, "action": "login"}"#)
        .header("content-type", "application/json")
        .header("version", "v1")
        .id("login-123")
        .metadata("request", "7"); // for observers; is not sent
    let id = publisher.publish(login).await?;
    ensure!(id.to_string() == "login-123", "the id is {id}");
    publisher.flush(Duration::from_secs(10)).await?;
    let counts = publisher.close(Duration::from_secs(10)).await;
    ensure!(counts.delivered == 2 && counts.pending() == 0, "{counts:?}");
    Ok(())
}

/// A batch of orders, one of which cannot be delivered: it becomes a dead letter.
async fn orders(cluster: &Cluster) -> Result<()> {
    let config = cluster
        .config()
        .properties([
            ("acks", "all"),
            ("retries", "3"),
            ("batch.size", "16384"),
            ("linger.ms", "10"),
            ("compression.type", "snappy"),
            ("max.in.flight.requests.per.connection", "5"),
        ])
        .build()?;
    let reports = Arc::new(Reports::default());
    let publisher = Publisher::new(&config)?
        .reliable()
        .retry(
            Retry::exponential(Duration::from_secs(1))
                .cap(Duration::from_secs(8))
                .attempts(4),
        )
        .dead_letter_topic_for("orders", "orders.failed")
        // When nothing gets through for long, callers hear of it at once.
        .breaker(Breaker::after(10).pause(Duration::from_secs(5)))
        .rate_limit(RateLimit::per_second(1_000))
        .observer(reports.clone())
        .metrics(|name, data| {
            println!(
                "metric {name}: topic={} attempt={}",
                data.topic, data.attempt
            )
        })
        .build()?;

    let orders = [
        json!({"id": "1001", "product": "Widget A", "quantity": 5}),
        json!({"id": "1002", "product": "Widget B", "quantity": 3}),
        json!({"id": "1003", "product": "Widget C", "quantity": 8}),
    ];
    publish_all(&publisher, &orders).await?;
    // The producer takes no record above max.request.size, however often it is tried.
    let too_large = Outgoing::to("orders").value(vec![0; 2 << 20]);
    let end = publisher.deliver(too_large).await;
    ensure!(end.is_err(), "{end:?}");

    let nowhere = Outgoing::to("orders")
        .key("order-1004")
        .partition(999)
        .value("{}");
    let end = publisher.deliver(nowhere).await?;
    ensure!(matches!(end, Delivered::DeadLettered(_)), "{end:?}");

    let health = publisher.health();
    ensure!(health.is_healthy() && health.waiting == 0, "{health:?}");
    let counts = publisher.close(Duration::from_secs(10)).await;
    println!("{counts:?}");
    ensure!(counts.delivered == 3 && counts.pending() == 0, "{counts:?}");
    reports.check(3)?;
    Ok(())
}

async fn publish_all(publisher: &ReliablePublisher, orders: &[Value]) -> Result<()> {
    for order in orders {
        let key = format!("order-{}", order["id"].as_str().unwrap_or_default());
        publisher
            .publish(Outgoing::to("orders").key(key).json(order)?)
            .await?;
    }
    publisher.flush(Duration::from_secs(10)).await?;
    println!("{} orders published", orders.len());
    Ok(())
}

/// Named sets of settings, each of which may be overridden.
fn profiles(cluster: &Cluster) -> Result<()> {
    for (profile, batch_size, linger) in [
        (Profile::HighThroughput, "1048576", "50"),
        (Profile::HighReliability, "131072", "5"),
        (Profile::LowLatency, "16384", "0"),
    ] {
        let config = cluster.config().profile(profile).build()?;
        let (size, wait) = (config.get("batch.size"), config.get("linger.ms"));
        println!("{profile}: batch.size={size:?} linger.ms={wait:?}");
        ensure!(size.as_deref() == Some(batch_size), "batch.size {size:?}");
        ensure!(wait.as_deref() == Some(linger), "linger.ms {wait:?}");
    }
    let config = cluster
        .config()
        .profile(Profile::HighThroughput)
        .properties([
            ("batch.size", "32768"),
            ("compression.type", "lz4"),
            ("acks", "1"),
        ])
        .build()?;
    let (size, acks) = (config.get("batch.size"), config.get("acks"));
    ensure!(size.as_deref() == Some("32768"), "batch.size {size:?}");
    ensure!(acks.as_deref() == Some("1"), "acks {acks:?}");
    Ok(())
}
