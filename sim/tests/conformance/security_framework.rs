//! Security in the framework: one configuration lets publishers, applications, clients used by hand
//! and administration in, here with tokens of a provider of one's own.

use crate::security::Counting;
use anyhow::{Context, Result, ensure};
use milena::dead_letter::{DeadLetterAdmin, Filter};
use milena::{
    App, Bytes, Config, ConfigBuilder, Consumer, HandlerError, OffsetReset, Outgoing, Producer,
    Publisher, State, TokenProvider, TopicAdmin, handler,
};
use milena_client::security::UnsecuredTokens;
use milena_client::{Admin, Client};
use milena_sim::secured::Secured;
use milena_sim::secured::setup::{CA_FILE, USER};
use milena_sim::target::{unique, until_heard};
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::sync::mpsc::{Sender, channel};

const WAIT: Duration = Duration::from_secs(60);

fn builder(
    secured: &Secured,
    listener: &str,
    provider: impl TokenProvider + 'static,
) -> Result<ConfigBuilder> {
    let builder = Config::builder()
        .bootstrap_servers(secured.bootstrap(listener)?)
        .set("security.protocol", listener)
        .topic_prefix(unique("tokens."))
        .group_id(unique("tokens"))
        .auto_offset_reset(OffsetReset::Earliest)
        .set("start.attempts", "1")
        .token_provider(provider);
    Ok(match listener {
        "SASL_SSL" => {
            let ca = secured.file(CA_FILE);
            builder.set("ssl.ca.location", &ca.display().to_string())
        }
        _ => builder,
    })
}

async fn on_order(State(seen): State<Sender<Bytes>>, value: Bytes) -> Result<(), HandlerError> {
    seen.send(value).await.map_err(HandlerError::retriable)
}

/// Each part of the framework asks the provider for its connections.
async fn check(secured: &Secured, listener: &str) -> Result<()> {
    let (counting, given) = Counting::new();
    let config = builder(secured, listener, counting)?.build()?;
    let mut so_far = 0;
    let mut is_asked = |who: &str| -> Result<()> {
        let now = given.load(Ordering::Relaxed);
        ensure!(now > so_far, "{who} did without a token");
        so_far = now;
        Ok(())
    };

    let topics = TopicAdmin::new(&config)?;
    topics.create("orders", |topic| topic.partitions(1)).await?;
    topics
        .create("orders.dlq", |topic| topic.partitions(1))
        .await?;
    is_asked("administration")?;
    let outside = Client::new(secured.config("PLAINTEXT")?)?;
    let letters = config.topic_name("orders.dlq");
    until_heard(&Admin::new(&outside), &letters, 1).await?;
    let publisher = Publisher::new(&config)?;
    publisher.send(&Outgoing::to("orders").value("a")).await?;
    is_asked("the publisher")?;
    let producer = Producer::new(config.clone());
    producer.connect().await?;
    producer.send(&Outgoing::to("orders").value("b")).await?;
    is_asked("the producer")?;
    let letters = DeadLetterAdmin::new(&config)?;
    letters.summary("orders.dlq", &Filter::default()).await?;
    is_asked("looking after dead letters")?;

    let consumer = Consumer::new(config.clone());
    consumer.connect().await?;
    consumer.subscribe(["orders"]).await?;
    let messages = tokio::time::timeout(WAIT, async {
        let mut count = 0;
        while count < 2 {
            count += consumer.poll(WAIT).await?.len();
        }
        consumer.shutdown().await
    });
    messages.await.context("the consumer waits")??;
    is_asked("the consumer")?;

    let (seen, mut reports) = channel(2);
    publisher.send(&Outgoing::to("orders").value("c")).await?;
    let app = App::new(config)
        .state(seen)
        .topic("orders", handler(on_order));
    let running = app.start().await?;
    let first = tokio::time::timeout(WAIT, reports.recv()).await;
    let first = first.context("the application waits")?;
    ensure!(first.as_deref() == Some(b"c"), "{first:?}");
    is_asked("the application")?;
    running.shutdown().await?;
    producer.shutdown().await?;
    publisher.close().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_provider_lets_all_of_the_framework_in() -> Result<()> {
    let Some(secured) = Secured::start().await? else {
        return Ok(());
    };
    Box::pin(check(&secured, "SASL_PLAINTEXT")).await?;
    Box::pin(check(&secured, "SASL_SSL")).await
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_that_are_refused_are_told() -> Result<()> {
    let Some(secured) = Secured::start().await? else {
        return Ok(());
    };
    let expired = UnsecuredTokens::new(USER).lifetime(Duration::ZERO);
    let config = builder(&secured, "SASL_PLAINTEXT", expired)?.build()?;
    let refused = Producer::new(config).connect().await;
    let refused = refused.err().context("an expired token was taken")?;
    let text = refused.to_string();
    ensure!(text.contains("OAUTHBEARER authentication"), "{text}");
    Ok(())
}
