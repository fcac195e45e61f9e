//! Settings of topics and brokers: told with their sources, changed, refused, and in effect.

use std::time::Duration;

use anyhow::{Context, Result};
use milena_client::admin::{
    ChangeMode, ConfigChange, ConfigDetail, ConfigEntry, ConfigResource, ConfigSource, NewTopic,
    OffsetAt,
};
use milena_client::producer::{ProducerConfig, Record};
use milena_client::{Error, ErrorCode};
use milena_sim::target::{Target, all_partitions, eventually, on_target, take, unique};

async fn described(target: &Target, resource: ConfigResource) -> Result<Vec<ConfigEntry>> {
    let admin = target.admin();
    let mut described = admin
        .describe_configs(&[resource], ConfigDetail::Everything)
        .await;
    Ok(described.remove(0).1?)
}

async fn entry(target: &Target, resource: ConfigResource, name: &str) -> Result<ConfigEntry> {
    let entries = described(target, resource).await?;
    let mut entries = entries.into_iter();
    entries
        .find(|entry| entry.name == name)
        .with_context(|| format!("{name} is not described"))
}

/// Waits until a broker says so: it follows the controller a moment later.
async fn until_set(
    target: &Target,
    resource: &ConfigResource,
    name: &str,
    expected: (Option<&str>, ConfigSource),
) -> Result<ConfigEntry> {
    eventually(&format!("{name} is {expected:?}"), async || {
        let found = entry(target, resource.clone(), name).await?;
        let is_as_expected = (found.value.as_deref(), found.source) == expected;
        Ok(is_as_expected.then_some(found))
    })
    .await
}

async fn alter(target: &Target, change: ConfigChange, mode: ChangeMode) -> Result<(), Error> {
    let mut results = target.admin().alter_configs(&[change], mode).await;
    results.remove(0).1
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_of_topics_are_told_changed_and_taken_back() -> Result<()> {
    on_target(async |target| {
        let name = unique("settings");
        let topic = NewTopic::new(&name)
            .config("retention.ms", "3600000")
            .config("cleanup.policy", "compact");
        target.create(topic).await?;
        let topic = ConfigResource::Topic(name.clone());
        let own = ConfigSource::Topic;
        let retention = until_set(&target, &topic, "retention.ms", (Some("3600000"), own)).await?;
        assert!(!retention.is_read_only && !retention.is_sensitive);
        assert!(retention.documentation.is_some_and(|text| !text.is_empty()));
        let first = retention.synonyms.first().context("no synonyms")?;
        assert_eq!((first.name.as_str(), first.source), ("retention.ms", own));
        let last = retention.synonyms.last().context("no synonyms")?;
        assert_eq!(last.source, ConfigSource::Default);
        until_set(
            &target,
            &topic,
            "max.message.bytes",
            (Some("1048588"), ConfigSource::Default),
        )
        .await?;

        let change = ConfigChange::of_topic(&name)
            .set("max.message.bytes", "2000000")
            .append("cleanup.policy", "delete")
            .delete("retention.ms");
        alter(&target, change.clone(), ChangeMode::ValidateOnly).await?;
        until_set(&target, &topic, "retention.ms", (Some("3600000"), own)).await?;
        alter(&target, change, ChangeMode::Apply).await?;
        until_set(&target, &topic, "max.message.bytes", (Some("2000000"), own)).await?;
        until_set(
            &target,
            &topic,
            "cleanup.policy",
            (Some("compact,delete"), own),
        )
        .await?;
        eventually("retention.ms is taken back", async || {
            let retention = entry(&target, topic.clone(), "retention.ms").await?;
            Ok((retention.source != own).then_some(()))
        })
        .await?;
        let change = ConfigChange::of_topic(&name).subtract("cleanup.policy", "compact");
        alter(&target, change, ChangeMode::Apply).await?;
        until_set(&target, &topic, "cleanup.policy", (Some("delete"), own)).await?;
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_set_says_why() -> Result<()> {
    on_target(async |target| {
        let name = target.topic("refused", 1).await?;
        let of_topic = || ConfigChange::of_topic(&name);
        for (change, code) in [
            (
                of_topic().set("no.such.setting", "1"),
                ErrorCode::InvalidConfig,
            ),
            (
                of_topic().set("retention.ms", "soon"),
                ErrorCode::InvalidConfig,
            ),
            (
                of_topic().set("cleanup.policy", "shred"),
                ErrorCode::InvalidConfig,
            ),
            (
                of_topic().append("retention.ms", "1"),
                ErrorCode::InvalidConfig,
            ),
            (
                ConfigChange::of_topic(unique("absent")).set("retention.ms", "1"),
                ErrorCode::UnknownTopicOrPartition,
            ),
        ] {
            let outcome = alter(&target, change.clone(), ChangeMode::Apply).await;
            let error = outcome.expect_err("it must be refused");
            assert_eq!(error.code(), Some(code), "{change:?}: {error}");
        }
        let topic = NewTopic::new(unique("refused")).config("no.such.setting", "1");
        let error = target
            .admin()
            .create_topic(topic)
            .await
            .expect_err("unknown");
        assert_eq!(error.code(), Some(ErrorCode::InvalidConfig), "{error}");
        let absent = ConfigResource::Topic(unique("absent"));
        let described = target
            .admin()
            .describe_configs(&[absent], ConfigDetail::Values)
            .await;
        let error = described[0].1.as_ref().expect_err("absent");
        assert_eq!(error.code(), Some(ErrorCode::UnknownTopicOrPartition));
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_of_one_broker_change_while_it_runs() -> Result<()> {
    on_target(async |target| {
        let cluster = target.admin().describe_cluster().await?;
        let node = cluster.brokers.last().context("no broker")?.node;
        let broker = ConfigResource::Broker(node);
        let node_id = entry(&target, broker.clone(), "node.id").await?;
        assert_eq!(node_id.value, Some(node.0.to_string()));
        assert!(node_id.is_read_only);

        // One that no other test minds.
        let name = "log.segment.delete.delay.ms";
        let change = ConfigChange::of(broker.clone()).set(name, "50000");
        alter(&target, change, ChangeMode::Apply).await?;
        let expected = (Some("50000"), ConfigSource::DynamicBroker);
        let changed = until_set(&target, &broker, name, expected).await?;
        assert!(!changed.is_read_only);
        let change = ConfigChange::of(broker.clone()).delete(name);
        alter(&target, change, ChangeMode::Apply).await?;
        until_set(
            &target,
            &broker,
            name,
            (Some("60000"), ConfigSource::Default),
        )
        .await?;

        for (name, value) in [("node.id", "77"), ("log.segment.delete.delay.ms", "soon")] {
            let change = ConfigChange::of(broker.clone()).set(name, value);
            let error = alter(&target, change, ChangeMode::Apply).await;
            let error = error.expect_err("it must be refused");
            assert_eq!(error.code(), Some(ErrorCode::InvalidRequest), "{error}");
        }
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_of_topics_are_in_effect() -> Result<()> {
    on_target(async |target| {
        let producer = target.producer(ProducerConfig::default())?;
        let stamped = unique("append-time");
        let topic = NewTopic::new(&stamped)
            .partitions(1)
            .config("message.timestamp.type", "LogAppendTime");
        target.create(topic).await?;
        producer
            .send(Record::to(&stamped).value("x").timestamp(1_000))
            .await?;
        let reader = target.reader(&stamped, 1).await?;
        let record = take(&reader, 1).await?.remove(0);
        assert!(
            record.timestamp() > 1_600_000_000_000,
            "{}",
            record.timestamp()
        );
        reader.close().await?;

        let narrow = unique("narrow");
        let topic = NewTopic::new(&narrow)
            .partitions(1)
            .config("message.timestamp.before.max.ms", "3600000")
            .config("max.message.bytes", "2000");
        target.create(topic).await?;
        let old = Record::to(&narrow).value("x").timestamp(1_000);
        let error = producer.send(old).await.expect_err("too old");
        assert!(error.to_string().contains("INVALID_TIMESTAMP"), "{error}");
        let large = "x".repeat(5_000);
        let error = producer.send(Record::to(&narrow).value(&large)).await;
        let error = error.expect_err("too large");
        assert!(error.to_string().contains("MESSAGE_TOO_LARGE"), "{error}");
        let change = ConfigChange::of_topic(&narrow).set("max.message.bytes", "10000");
        alter(&target, change, ChangeMode::Apply).await?;
        eventually("the larger batch is taken", async || {
            let sent = producer.send(Record::to(&narrow).value(&large)).await;
            Ok(sent.ok())
        })
        .await?;
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn old_records_are_deleted() -> Result<()> {
    on_target(async |target| {
        let name = unique("retention");
        let topic = NewTopic::new(&name)
            .partitions(1)
            .config("retention.ms", "60000");
        target.create(topic).await?;
        let producer = target.producer(ProducerConfig::default())?;
        for _ in 0..5 {
            producer
                .send(Record::to(&name).value("x").timestamp(1_000))
                .await?;
        }
        let partitions = all_partitions(&name, 1);
        eventually("the old records are gone", async || {
            let admin = target.admin();
            let mut starts = admin.list_offsets(&partitions, OffsetAt::Earliest).await?;
            Ok((starts.remove(0).1? == Some(5)).then_some(()))
        })
        .await?;
        let fresh = producer.send(Record::to(&name).value("fresh")).await?;
        assert_eq!(fresh.offset(), Some(5));
        tokio::time::timeout(Duration::from_secs(30), async {
            let reader = target.reader(&name, 1).await?;
            let record = take(&reader, 1).await?.remove(0);
            assert_eq!(record.offset(), 5);
            reader.close().await?;
            anyhow::Ok(())
        })
        .await?
    })
    .await
}
