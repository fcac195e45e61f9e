//! Reliable publishing: what the cluster refuses is a dead letter with its diagnosis, the rest
//! arrives, and the publisher accounts for each message.

use anyhow::{Context, Result, ensure};
use milena::{Config, Delivered, MESSAGE_ID_HEADER, Outgoing, Publisher, dead_letter};
use milena_client::admin::NewTopic;
use milena_client::consumer::ConsumedRecord;
use milena_sim::target::{Target, on_target, unique};
use std::collections::BTreeSet;
use std::time::Duration;

const PARTITIONS: i32 = 3;
const MESSAGES: usize = 100;
/// Every so many-th message is larger than the topic allows.
const REFUSED_EVERY: usize = 20;
const PATIENCE: Duration = Duration::from_secs(30);

fn header(record: &ConsumedRecord, name: &str) -> Option<String> {
    let header = record.headers().get_last(name)?;
    Some(String::from_utf8_lossy(header.value?).into_owned())
}

fn ids(records: &[ConsumedRecord]) -> BTreeSet<String> {
    let ids = records
        .iter()
        .filter_map(|record| header(record, MESSAGE_ID_HEADER));
    ids.collect()
}

#[tokio::test]
async fn a_refused_message_is_a_dead_letter_and_the_rest_arrives() -> Result<()> {
    on_target(|target| async move { publish_and_look(&target).await }).await
}

async fn publish_and_look(target: &Target) -> Result<()> {
    let topic = unique("publishing");
    let narrow = NewTopic::new(&topic)
        .partitions(PARTITIONS)
        .config("max.message.bytes", "2000");
    target.create(narrow).await?;
    let config = Config::builder()
        .bootstrap_servers(target.bootstrap())
        .build()?;
    let publisher = Publisher::new(&config)?.reliable().build()?;
    let (mut fine, mut refused) = (BTreeSet::new(), BTreeSet::new());
    for number in 0..MESSAGES {
        let is_large = number % REFUSED_EVERY == 0;
        let value = vec![b'v'; if is_large { 4000 } else { 20 }];
        let message = Outgoing::to(topic.clone())
            .key(number.to_string())
            .value(value);
        let id = publisher.publish(message).await?.to_string();
        if is_large {
            refused.insert(id);
        } else {
            fine.insert(id);
        }
    }
    publisher.flush(PATIENCE).await?;
    let lone = Outgoing::to(topic.clone())
        .value(vec![b'v'; 4000])
        .id("lone");
    let end = publisher.deliver(lone).await?;
    ensure!(
        end == Delivered::DeadLettered(format!("{topic}.dlq")),
        "{end:?}"
    );
    refused.insert("lone".to_owned());
    let counts = publisher.close(PATIENCE).await;
    ensure!(counts.delivered == fine.len() as u64, "{counts:?}");
    ensure!(counts.dead_lettered == refused.len() as u64, "{counts:?}");
    ensure!(counts.pending() == 0 && counts.failed == 0, "{counts:?}");

    let written = target.read(&topic, PARTITIONS, fine.len()).await?;
    ensure!(ids(&written) == fine, "other messages than were published");
    let letters = format!("{topic}.dlq");
    let letters = target.read(&letters, PARTITIONS, refused.len()).await?;
    ensure!(ids(&letters) == refused, "other dead letters than refused");
    let letter = letters.first().context("a dead letter")?;
    for (name, expected) in [
        (dead_letter::ORIGIN_TOPIC, topic.as_str()),
        (dead_letter::FAILURE_STAGE, "publish"),
        (dead_letter::FAILURE_CLASS, "non-retriable"),
        (dead_letter::FAILURE_CODE, "MESSAGE_TOO_LARGE"),
        (dead_letter::ATTEMPTS, "1"),
    ] {
        let found = header(letter, name);
        ensure!(found.as_deref() == Some(expected), "{name}: {found:?}");
    }
    Ok(())
}
