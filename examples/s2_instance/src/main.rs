//! One configuration for all clients; clients that live as long as a block; handlers by topic, and
//! commits by hand.
//!
//! `cargo run -p s2_instance`: on an embedded broker, or on the cluster that
//! `MILENA_BOOTSTRAP_SERVERS` names. Fails when something does not happen as it says.

use std::time::Duration;

use anyhow::{Result, ensure};
use example_support::Cluster;
use milena::{
    Bytes, Config, Consumer, DirectError, Json, Key, Meta, OffsetReset, Outgoing, State,
    with_consumer, with_producer,
};
use serde_json::{Value, json};
use tokio::sync::mpsc;

#[tokio::main]
async fn main() -> Result<()> {
    milena::telemetry::init("error")?;
    configuration()?;
    let cluster = Cluster::find().await?;
    let config = cluster
        .config()
        .set("auto.offset.reset", "earliest")
        .set("enable.auto.commit", "false")
        .build()?;
    scoped(&config).await?;
    registered(&config).await?;
    println!("done");
    Ok(())
}

/// A URL wins over other servers; every setting has a name of its own, and reads back; secrets do not
/// show.
fn configuration() -> Result<()> {
    let config = Config::builder()
        .bootstrap_servers("elsewhere:9092")
        .url("kafka://user:pass@host1:9092,host2:9092")
        .set("auto_offset_reset", "earliest")
        .set("enable_auto_commit", "false")
        .build()?;
    println!("{config:?}");
    ensure!(
        config.bootstrap_servers() == ["host1:9092", "host2:9092"],
        "the URL wins"
    );
    ensure!(
        config.get("enable.auto.commit").as_deref() == Some("false"),
        "reads back"
    );
    ensure!(
        config.get("password").as_deref() == Some("***"),
        "secrets do not show"
    );
    let config = Config::builder()
        .bootstrap_servers("h1:9092,h2:9092")
        .set("security_protocol", "SASL_SSL")
        .set("sasl_mechanism", "SCRAM-SHA-256")
        .set("sasl_plain_username", "user")
        .set("sasl_plain_password", "pass")
        .client_id("inventory")
        .group_id("inventory-group")
        .auto_offset_reset(OffsetReset::Latest)
        .build()?;
    let mechanism = config.get("sasl.mechanism");
    ensure!(
        mechanism.as_deref() == Some("SCRAM-SHA-256"),
        "{mechanism:?}"
    );
    ensure!(config.group_id() == Some("inventory-group"), "{config:?}");
    Ok(())
}

/// Clients that are flushed and closed when their block ends, well or not.
async fn scoped(config: &Config) -> Result<()> {
    with_producer(config.clone(), async |producer| {
        let signup = Outgoing::to("events").json(&json!({"type": "user.signup", "id": 42}))?;
        producer.send(&signup).await?;
        let order = json!({"action": "order.created", "order_id": 1001});
        let order = Outgoing::to("events").key("order-1001").json(&order)?;
        producer
            .send_within(&order, Duration::from_secs(10))
            .await?;
        anyhow::Ok(())
    })
    .await?;

    let seen = with_consumer(config.clone(), &["events"], async |consumer| {
        let mut seen = 0;
        while seen < 2 {
            for message in consumer.poll(Duration::from_secs(10)).await? {
                println!("{} {:?}", message.topic(), message.value());
                seen += 1;
            }
        }
        Ok::<usize, DirectError>(seen)
    })
    .await?;
    ensure!(seen == 2, "{seen} messages");
    Ok(())
}

/// A handler for a topic. Nothing was committed above, so everything comes again.
async fn registered(config: &Config) -> Result<()> {
    let (sender, mut handled) = mpsc::channel(10);
    let consumer = Consumer::new(config.clone());
    consumer.connect().await?;
    consumer.register_with("events", handle_events, sender);
    let mut count = 0;
    while count < 2 {
        count += consumer.consume(Duration::from_secs(10)).await?;
    }
    consumer.commit_all().await?;
    consumer.shutdown().await?;
    for _ in 0..2 {
        println!("handled {:?}", handled.recv().await);
    }

    let consumer = Consumer::new(config.clone());
    consumer.connect().await?;
    consumer.subscribe(["events"]).await?;
    let next = consumer.poll(Duration::from_secs(1)).await?;
    ensure!(next.is_empty(), "all was committed, but {next:?} came");
    consumer.shutdown().await?;
    Ok(())
}

async fn handle_events(
    meta: Meta,
    key: Option<Key<Bytes>>,
    Json(value): Json<Value>,
    State(handled): State<mpsc::Sender<Value>>,
) {
    println!(
        "{}/{} {}: {key:?} {value}",
        meta.topic, meta.partition, meta.offset
    );
    let _ = handled.send(value).await;
}
