//! A topic's life: created, listed, described, widened, reconfigured, deleted.

use anyhow::{Context, Result, ensure};
use milena::client::admin::{ChangeMode, ConfigChange, NewPartitions, NewTopic};
use milena::client::{Admin, Client};

pub(crate) async fn run(client: &Client, topic: &str) -> Result<()> {
    let admin = Admin::new(client);
    let new_topic = NewTopic::new(topic).partitions(3).replication_factor(1);
    admin.create_topic(new_topic).await?;

    let listed = admin.list_topics().await?;
    ensure!(
        listed.iter().any(|listing| listing.name == topic),
        "{topic} is not listed"
    );

    let wider = [NewPartitions::total(topic, 6)];
    for (name, widened) in admin.create_partitions(&wider, ChangeMode::Apply).await {
        widened.with_context(|| format!("more partitions for {name}"))?;
    }
    let described = admin.describe_topics(&[topic]).await?;
    let (_, description) = described.into_iter().next().context("an answer")?;
    let partitions = description?.partitions.len();
    println!("{topic} has {partitions} partitions");
    ensure!(partitions == 6, "{partitions} partitions");

    let shorter = [ConfigChange::of_topic(topic).set("retention.ms", "60000")];
    for (resource, changed) in admin.alter_configs(&shorter, ChangeMode::Apply).await {
        changed.with_context(|| format!("settings of {resource:?}"))?;
    }
    for (name, deleted) in admin.delete_topics(&[topic]).await? {
        deleted.with_context(|| format!("deleting {name}"))?;
    }
    Ok(())
}
