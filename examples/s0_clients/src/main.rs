//! Clients used by hand: a producer and a consumer that are connected and shut down, messages parsed
//! into a type, failed ones sent to a dead letter topic with the details.
//!
//! `cargo run -p s0_clients`: on an embedded broker, or on the cluster that
//! `MILENA_BOOTSTRAP_SERVERS` names. Fails when something does not happen as it says.

use std::time::{Duration, SystemTime};

use anyhow::{Context, Result, bail, ensure};
use example_support::Cluster;
use milena::{
    Config, Consumer, DeadLetterHandler, DirectError, FailureDetails, IdSource, Message,
    MessageParser, Outgoing, Producer,
};

#[derive(serde::Deserialize)]
struct Payload {
    id: String,
    message: String,
}

#[tokio::main]
async fn main() -> Result<()> {
    milena::telemetry::init("error")?;
    let cluster = Cluster::find().await?;
    // The prefix goes on every topic, and off again before anybody sees it.
    let config = cluster
        .config()
        .set("auto.offset.reset", "earliest")
        .set("max.block.ms", "10000")
        .set("poll.timeout.ms", "10000")
        .build()?;
    not_connected(&config).await?;
    not_reachable().await?;
    produce(&config).await?;
    let message = consume(&config).await?;
    parse(&message)?;
    dead_letter(&config, &message).await?;
    println!("done");
    Ok(())
}

/// What is used before it is connected says so.
async fn not_connected(config: &Config) -> Result<()> {
    let producer = Producer::new(config.clone());
    let sent = producer.send(&Outgoing::to("example-topic")).await;
    ensure!(
        matches!(sent, Err(DirectError::ProducerNotConnected)),
        "{sent:?}"
    );
    let consumer = Consumer::new(config.clone());
    let subscribed = consumer.subscribe(["example-topic"]).await;
    ensure!(
        matches!(subscribed, Err(DirectError::ConsumerNotConnected)),
        "{subscribed:?}"
    );
    Ok(())
}

/// A cluster that does not answer is an error with its servers and the number of attempts.
async fn not_reachable() -> Result<()> {
    let config = Config::builder()
        .bootstrap_servers("localhost:1,localhost:2")
        .set("start.attempts", "1")
        .build()?;
    match Producer::new(config).connect().await {
        Err(DirectError::ConnectionFailed(failed)) => println!("{failed}"),
        other => bail!("nobody listens there, but {other:?}"),
    }
    Ok(())
}

async fn produce(config: &Config) -> Result<()> {
    let producer = Producer::new(config.clone());
    producer.connect().await?;
    let value = r#"{"id":"1","message":"hello"}"#;
    let message = Outgoing::to("example-topic")
        .key("msg-1")
        .value(value)
        .header("source", "s0_clients");
    let written = producer.send(&message).await?;
    println!(
        "sent to partition {} offset {:?}",
        written.partition(),
        written.offset()
    );
    producer.check_connection().await?;
    ensure!(producer.is_alive(), "the producer is alive");
    producer.shutdown().await?;
    ensure!(!producer.is_alive(), "the producer is shut down");
    Ok(())
}

async fn consume(config: &Config) -> Result<Message> {
    let consumer = Consumer::new(config.clone());
    consumer.connect().await?;
    consumer.subscribe(["example-topic"]).await?;
    let message = consumer
        .consume_next()
        .await?
        .context("a message within 10 s")?;
    println!(
        "{} {:?} {:?}",
        message.topic(),
        message.key(),
        message.value()
    );
    ensure!(&**message.topic() == "example-topic", "the prefix is off");
    let source = message.headers().text("source");
    ensure!(source == Some("s0_clients"), "the header is {source:?}");
    consumer.commit(&message).await?;
    ensure!(consumer.is_alive(), "the consumer is alive");
    consumer.shutdown().await?;
    Ok(message)
}

fn parse(message: &Message) -> Result<()> {
    let parser = MessageParser::<Payload>::new();
    let parsed = parser.parse(message)?;
    println!("{}: {}", parsed.payload.id, parsed.payload.message);
    let id = message.id_from(&[IdSource::field("id")]);
    ensure!(id.as_deref() == Some("1"), "the id is {id:?}");
    let broken = message.clone().with_value(r#"{"id":"1","message":7}"#);
    let error = parser.parse(&broken).err().context("7 is no text")?;
    ensure!(error.path.as_deref() == Some("message"), "{error:?}");
    Ok(())
}

async fn dead_letter(config: &Config, message: &Message) -> Result<()> {
    let producer = Producer::new(config.clone());
    producer.connect().await?;
    let handler = DeadLetterHandler::new(producer.publisher()?, config, "errors-topic");
    let failure = FailureDetails::new("validation_error", "Processing failed")
        .with_trace("at the example's parser")
        .raised_at(SystemTime::UNIX_EPOCH + Duration::from_secs(1_704_067_200));
    handler.handle(message, &[failure]).await?;
    producer.shutdown().await?;

    let consumer = Consumer::new(config.clone());
    consumer.connect().await?;
    consumer.subscribe(["errors-topic"]).await?;
    let letter = consumer
        .consume_next()
        .await?
        .context("the letter within 10 s")?;
    for (name, expected) in [
        ("milena-failure-code", "validation_error"),
        ("milena-failure-message", "Processing failed"),
        ("milena-failure-trace", "at the example's parser"),
        ("milena-failed-first", "2024-01-01T00:00:00.000Z"),
    ] {
        let found = letter.headers().text(name);
        ensure!(found == Some(expected), "{name} is {found:?}");
        println!("{name}: {expected}");
    }
    ensure!(letter.value() == message.value(), "the value is untouched");
    consumer.shutdown().await?;
    Ok(())
}
