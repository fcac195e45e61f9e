//! Share groups (KIP-932): each record goes to one member and is acknowledged for itself.
//!
//! Only Apache Kafka 4.2 and newer have them; elsewhere these tests see that the client says so.

use anyhow::{Result, bail, ensure};
use milena_client::Error;
use milena_client::producer::{ProducerConfig, Record};
use milena_client::share::{
    Acknowledgement, AcknowledgementMode, ShareConfig, ShareConsumer, ShareRecord,
};
use milena_sim::target::{Target, eventually, on_target, unique};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

const POLL_WAIT: Duration = Duration::from_millis(200);
const WAIT: Duration = Duration::from_secs(30);
/// Nothing comes any more when nothing came for so long.
const QUIET: Duration = Duration::from_millis(1_500);

fn config(group: &str, mode: AcknowledgementMode) -> ShareConfig {
    ShareConfig::group(group)
        .acknowledgement_mode(mode)
        .fetch_wait_max(Duration::from_millis(100))
}

/// A consumer that is in its group and has fetched, so that what is produced from now on comes;
/// none where share groups are not supported.
async fn join(target: &Target, topic: &str, config: ShareConfig) -> Result<Option<ShareConsumer>> {
    let consumer = ShareConsumer::new(target.client(), config)?;
    consumer.subscribe([topic])?;
    let deadline = Instant::now() + WAIT;
    while consumer.assignment_count() == 0 || consumer.acquisition_lock_timeout().await.is_none() {
        ensure!(Instant::now() < deadline, "it does not get into its group");
        match consumer.poll(POLL_WAIT).await {
            Ok(polled) => ensure!(
                polled.records.is_empty(),
                "records before they are produced"
            ),
            Err(error) if error.to_string().contains("does not support share groups") => {
                println!("skipped: {error}");
                return Ok(None);
            }
            Err(error) => return Err(error.into()),
        }
    }
    // The fetch that sets the start of the group may have been answered just before.
    let _ = consumer.poll(POLL_WAIT).await?;
    Ok(Some(consumer))
}

async fn produce(target: &Target, topic: &str, values: std::ops::Range<u32>) -> Result<()> {
    let producer = target.producer(ProducerConfig::default())?;
    for value in values {
        producer
            .send(Record::to(topic).value(&value.to_string()))
            .await?;
    }
    Ok(producer.close().await?)
}

fn number(record: &ShareRecord) -> Result<u32> {
    let value = record.record.value().unwrap_or_default();
    Ok(std::str::from_utf8(value)?.parse()?)
}

/// Polls until `count` records came.
async fn take(consumer: &ShareConsumer, count: usize) -> Result<Vec<ShareRecord>> {
    let mut records = Vec::new();
    let deadline = Instant::now() + WAIT;
    while records.len() < count {
        ensure!(
            Instant::now() < deadline,
            "only {} of {count} came",
            records.len()
        );
        let polled = consumer.poll(POLL_WAIT).await?;
        ensure!(polled.failures.is_empty(), "{:?}", polled.failures);
        records.extend(polled.records);
    }
    Ok(records)
}

/// Sees that nothing comes.
async fn expect_nothing(consumer: &ShareConsumer) -> Result<()> {
    let polled = consumer.poll(QUIET).await?;
    ensure!(polled.failures.is_empty(), "{:?}", polled.failures);
    ensure!(
        polled.records.is_empty(),
        "{} records too many",
        polled.records.len()
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn members_of_a_share_group_share_the_records_of_a_partition() -> Result<()> {
    on_target(async |target: Arc<Target>| {
        let topic = target.topic("share", 1).await?;
        let group = unique("share");
        let quick = || config(&group, AcknowledgementMode::Implicit).poll_records_max(5);
        let Some(first) = join(&target, &topic, quick()).await? else {
            return Ok(());
        };
        let Some(second) = join(&target, &topic, quick()).await? else {
            bail!("only the first could join");
        };
        produce(&target, &topic, 0..100).await?;
        let mut seen = BTreeSet::new();
        let mut shares = [0, 0];
        let deadline = Instant::now() + WAIT;
        while seen.len() < 100 {
            ensure!(Instant::now() < deadline, "only {} came", seen.len());
            for (share, consumer) in shares.iter_mut().zip([&first, &second]) {
                for record in consumer.poll(POLL_WAIT).await?.records {
                    assert_eq!(record.delivery_count, 1);
                    assert!(seen.insert(number(&record)?), "{record:?} came twice");
                    *share += 1;
                }
            }
        }
        assert!(
            shares.iter().all(|share| *share > 0),
            "both have a share: {shares:?}"
        );
        first.close().await?;
        second.commit().await?;
        expect_nothing(&second).await?;
        second.close().await?;
        let closed = second.poll(POLL_WAIT).await.expect_err("it is closed");
        assert!(matches!(closed, Error::Closed), "{closed}");
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn shared_records_are_accepted_released_or_rejected() -> Result<()> {
    on_target(async |target: Arc<Target>| {
        let topic = target.topic("verdicts", 2).await?;
        let explicit = config(&unique("verdicts"), AcknowledgementMode::Explicit);
        let Some(consumer) = join(&target, &topic, explicit).await? else {
            return Ok(());
        };
        produce(&target, &topic, 0..9).await?;
        let mut records = Vec::new();
        let deadline = Instant::now() + WAIT;
        while records.len() < 9 {
            ensure!(Instant::now() < deadline, "only {} came", records.len());
            let polled = consumer.poll(POLL_WAIT).await?;
            if !polled.records.is_empty() {
                let error = consumer
                    .poll(POLL_WAIT)
                    .await
                    .expect_err("not acknowledged");
                assert!(error.to_string().contains("not acknowledged"), "{error}");
            }
            for record in &polled.records {
                let verdict = match number(record)? % 3 {
                    0 => Acknowledgement::Accept,
                    1 => Acknowledgement::Release,
                    _ => Acknowledgement::Reject,
                };
                consumer.acknowledge(record, verdict)?;
            }
            let first_time = polled
                .records
                .into_iter()
                .filter(|one| one.delivery_count == 1);
            records.extend(first_time);
            consumer.commit().await?;
            let Some(last) = records.last() else { continue };
            let error = consumer.acknowledge(last, Acknowledgement::Accept);
            assert!(error.is_err(), "it was told already");
        }
        // Those that were released come again until they are accepted.
        let mut accepted = BTreeSet::new();
        while accepted.len() < 3 {
            ensure!(Instant::now() < deadline, "only {accepted:?} came again");
            for record in consumer.poll(POLL_WAIT).await?.records {
                assert!(record.delivery_count > 1, "{record:?}");
                assert_eq!(number(&record)? % 3, 1);
                consumer.acknowledge(&record, Acknowledgement::Accept)?;
                accepted.insert(number(&record)?);
            }
        }
        expect_nothing(&consumer).await?;
        Ok(consumer.close().await?)
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn shared_records_of_a_member_that_goes_come_to_another() -> Result<()> {
    on_target(async |target: Arc<Target>| {
        let topic = target.topic("handed-on", 1).await?;
        let group = unique("handed-on");
        let explicit = || config(&group, AcknowledgementMode::Explicit);
        let Some(first) = join(&target, &topic, explicit()).await? else {
            return Ok(());
        };
        produce(&target, &topic, 0..4).await?;
        let records = take(&first, 1).await?;
        for record in records.iter().filter(|one| one.record.offset() == 0) {
            first.acknowledge(record, Acknowledgement::Accept)?;
        }
        let Some(second) = join_late(&target, &topic, explicit()).await? else {
            bail!("only the first could join");
        };
        // It accepts one; the others are released.
        first.close().await?;
        let mut numbers = BTreeSet::new();
        let deadline = Instant::now() + WAIT;
        while numbers != BTreeSet::from([1, 2, 3]) {
            ensure!(Instant::now() < deadline, "only {numbers:?} came");
            for record in second.poll(POLL_WAIT).await?.records {
                second.acknowledge(&record, Acknowledgement::Accept)?;
                numbers.insert(number(&record)?);
            }
        }
        expect_nothing(&second).await?;
        Ok(second.close().await?)
    })
    .await
}

/// As [`join`], where records may come at once.
async fn join_late(
    target: &Target,
    topic: &str,
    config: ShareConfig,
) -> Result<Option<ShareConsumer>> {
    let consumer = ShareConsumer::new(target.client(), config)?;
    consumer.subscribe([topic])?;
    eventually("the consumer gets into its group", async || {
        Ok((consumer.assignment_count() > 0).then_some(()))
    })
    .await?;
    Ok(Some(consumer))
}
