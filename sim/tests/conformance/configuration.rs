//! A configuration file at work: its properties are accepted by a cluster, and its topic prefix is on
//! every name there (source, published, dead letters) and on none that a handler sees.

use anyhow::{Context, Result, ensure};
use milena::{App, Bytes, Config, HandlerError, Meta, Outgoing, Publisher, Retry, State, handler};
use milena_sim::target::{Target, on_target, unique};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};

const PATIENCE: Duration = Duration::from_secs(30);
const BAD: &[u8] = b"bad";
/// As many as are published.
const RECORDS: usize = 2;

type Seen = mpsc::Sender<(String, Bytes)>;

async fn on_order(meta: Meta, value: Bytes, State(seen): State<Seen>) -> Result<(), HandlerError> {
    if value == BAD {
        return Err(HandlerError::non_retriable("as told"));
    }
    seen.send((meta.topic.to_string(), value))
        .await
        .map_err(HandlerError::non_retriable)
}

/// As a user writes it: a profile, a prefix, and Kafka's and librdkafka's names.
fn configuration(target: &Target, prefix: &str) -> Result<Config> {
    let group = unique("configured");
    let file = tempfile::Builder::new().suffix(".yaml").tempfile()?;
    let text = format!(
        "profile: low-latency\n\
         bootstrap.servers: nowhere:1\n\
         topic: {{prefix: '{prefix}'}}\n\
         group.id: {group}\n\
         group_instance_id: first\n\
         acks: all\n\
         max.in.flight: 3\n\
         max.block.ms: 20000\n\
         compression.type: lz4\n\
         enable.auto.commit: false\n\
         auto.commit.interval.ms: 50\n\
         isolation.level: read_committed\n\
         partition.assignment.strategy: [roundrobin, range]\n"
    );
    std::fs::write(file.path(), text)?;
    let config = Config::builder()
        .url(&format!("kafka://{}", target.bootstrap()))
        .file(file.path())
        .build()?;
    Ok(config)
}

async fn check(target: &Target) -> Result<()> {
    let prefix = format!("{}.", unique("tenant"));
    let source = format!("{prefix}orders");
    let new = milena_client::admin::NewTopic::new(&source).partitions(1);
    target.create(new).await?;
    let config = configuration(target, &prefix)?;
    let publisher = Publisher::new(&config)?;
    for value in [&b"good"[..], BAD] {
        publisher.send(&Outgoing::to("orders").value(value)).await?;
    }
    let (seen_in, mut seen) = mpsc::channel(RECORDS);
    let (stop, stopped) = oneshot::channel::<()>();
    let retry = Retry::fixed(Duration::from_millis(5)).attempts(1);
    let app = App::new(config)
        .state(seen_in)
        .topic("orders", handler(on_order).retry(retry));
    let app = tokio::spawn(app.run_until(async {
        // A dropped sender stops the application too.
        let _ = stopped.await;
    }));
    let (topic, value) = tokio::time::timeout(PATIENCE, seen.recv())
        .await?
        .context("the handler is gone")?;
    ensure!(
        (topic.as_str(), &value[..]) == ("orders", &b"good"[..]),
        "{topic}"
    );
    let letters = target.read(&format!("{source}.dlq"), 1, 1).await?;
    let letter = letters.first().context("a dead letter")?;
    ensure!(letter.value() == Some(BAD), "{:?}", letter.value());
    // The application may have ended already; its result tells.
    let _ = stop.send(());
    app.await??;
    Ok(())
}

#[tokio::test]
async fn a_file_configures_publisher_and_application() -> Result<()> {
    on_target(|target| async move { check(&target).await }).await
}
