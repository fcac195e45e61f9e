//! Transactions and producers as an administrator sees them; features of the cluster.

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use milena_client::admin::{
    ChangeMode, ConfigChange, ConfigResource, FeatureDirection, FeatureUpdate, HangingTransaction,
    TransactionDescription, TransactionFilter,
};
use milena_client::consumer::{Consumer, ConsumerConfig, IsolationLevel, OffsetReset};
use milena_client::producer::{ProducerConfig, Record};
use milena_client::transaction::TransactionalProducer;
use milena_client::{Compression, Error, ErrorCode};
use milena_sim::raw;
use milena_sim::target::{
    Target, all_partitions, eventually, on_target, on_target_with, take, unique,
};
use milena_wire::batch::{BatchEncoder, BatchStamp, RecordData};
use milena_wire::rpc::StrBytes;
use milena_wire::rpc::messages::produce_request::{PartitionProduceData, TopicProduceData};
use milena_wire::rpc::messages::{ProduceRequest, TopicName, TransactionalId};
use std::time::Duration;

/// Whether brokers look if a batch belongs to a transaction that its coordinator knows.
const VERIFICATION: &str = "transaction.partition.verification.enable";
/// The last but few of Produce: from 12 on a batch adds its partition to the transaction.
const PRODUCE_VERSION: i16 = 9;
/// How long nothing may come before a test takes it for certain that nothing will.
const QUIET: Duration = Duration::from_millis(300);

#[track_caller]
fn assert_code<T: std::fmt::Debug>(result: Result<T, Error>, expected: ErrorCode) {
    let error = result.expect_err("it must be refused");
    assert_eq!(error.code(), Some(expected), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_open_transaction_is_seen_with_its_partitions_and_producer() -> Result<()> {
    on_target(async |target| {
        let admin = target.admin();
        let topic = target.topic("txn-admin", 1).await?;
        let partitions = all_partitions(&topic, 1);
        let id = unique("txn");
        let config = ProducerConfig::default().transactional_id(&id);
        let mut producer = TransactionalProducer::connect(target.client(), config).await?;
        let transaction = producer.begin().await?;
        transaction.send(Record::to(&topic).value("x")).await?;

        let ongoing = TransactionFilter::default().state("Ongoing");
        let listed = admin.list_transactions(&ongoing).await?;
        let listed = listed.into_iter().find(|one| one.transactional_id == id);
        let listed = listed.context("it is not listed")?;
        let described = admin.describe_transactions(&[&id]).await.remove(0).1?;
        assert_eq!(described.state, "Ongoing");
        assert_eq!(described.producer_id, listed.producer_id);
        assert_eq!(described.partitions, partitions);
        assert!(described.started_ms.is_some() && described.timeout_ms > 0);
        let producers = admin.describe_producers(&partitions).await.remove(0).1?;
        assert_eq!(producers.len(), 1, "{producers:?}");
        assert_eq!(producers[0].producer_id, listed.producer_id);
        assert_eq!(producers[0].transaction_start, Some(0));
        assert_eq!(producers[0].last_sequence, Some(0));

        transaction.commit().await?;
        eventually("the transaction is complete", async || {
            let described = admin.describe_transactions(&[&id]).await.remove(0).1?;
            Ok((described.state == "CompleteCommit").then_some(()))
        })
        .await?;
        let producers = admin.describe_producers(&partitions).await.remove(0).1?;
        assert!(producers.iter().all(|one| one.transaction_start.is_none()));
        let of_producer = ongoing.producer_id(listed.producer_id);
        assert_eq!(admin.list_transactions(&of_producer).await?, []);
        producer.close().await?;

        let absent = unique("nobody");
        let unknown = admin.describe_transactions(&[&absent]).await.remove(0).1;
        assert_code(unknown, ErrorCode::TransactionalIdNotFound);
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn features_are_told_with_their_levels() -> Result<()> {
    on_target(async |target| {
        let features = target.admin().describe_features().await?;
        assert!(features.finalized_epoch.is_some());
        assert!(!features.finalized.is_empty());
        for feature in &features.finalized {
            let supported = features.supported.iter();
            let supported = supported.filter(|one| one.name == feature.name);
            assert!(
                supported.clone().count() == 0
                    || supported.clone().any(|one| one.max >= feature.max),
                "{feature:?} in {features:?}"
            );
        }
        Ok(())
    })
    .await
}

/// What is asked for is checked, and changes nothing while it is only checked or wrong. A change itself is
/// in `pitfall_20_the_finalized_version_decides`.
#[tokio::test(flavor = "multi_thread")]
async fn features_change_only_to_levels_there_are() -> Result<()> {
    on_target(async |target| {
        let admin = target.admin();
        let before = admin.describe_features().await?;
        let update = async |name: &str, level: i16, direction, mode| {
            let update = FeatureUpdate {
                name: name.to_owned(),
                level,
                direction,
            };
            admin.update_features(&[update], mode).await?.remove(0).1
        };
        let level = |name: &str| {
            let mut features = before.finalized.iter();
            features
                .find(|one| one.name == name)
                .map_or(0, |one| one.max)
        };
        use ChangeMode::{Apply, ValidateOnly};
        use FeatureDirection::{SafeDowngrade, Upgrade};
        for (name, level) in [("transaction.version", 99), ("no.such.feature", 1)] {
            let refused = update(name, level, Upgrade, Apply).await;
            assert_code(refused, ErrorCode::InvalidUpdateVersion);
        }
        let highest = level("transaction.version");
        if highest > 0 {
            let lower = highest - 1;
            let refused = update("transaction.version", lower, Upgrade, Apply).await;
            assert_code(refused, ErrorCode::InvalidUpdateVersion);
            update("transaction.version", lower, SafeDowngrade, ValidateOnly).await?;
        } else {
            println!("skipped: this cluster has no transaction.version to lower");
        }
        let after = admin.describe_features().await?;
        assert_eq!(after.finalized, before.finalized);
        Ok(())
    })
    .await
}

/// Has the brokers of a cluster verify transactions, or not; an embedded one was started so.
async fn verify_transactions(target: &Target, is_on: bool) -> Result<()> {
    if target.faults().is_some() {
        return Ok(());
    }
    let change = ConfigChange::of(ConfigResource::BrokerDefaults);
    let change = match is_on {
        true => change.delete(VERIFICATION),
        false => change.set(VERIFICATION, "false"),
    };
    let mut results = target
        .admin()
        .alter_configs(&[change], ChangeMode::Apply)
        .await;
    Ok(results.remove(0).1?)
}

/// A batch of one record as `producer` would send it.
fn batch(producer: &TransactionDescription) -> Result<Bytes> {
    let mut encoder = BatchEncoder::with_capacity(256);
    encoder.append(&RecordData {
        timestamp: 1,
        key: None,
        value: Some(b"hangs"),
        headers: &[],
    })?;
    let stamp = BatchStamp {
        producer_id: producer.producer_id,
        producer_epoch: producer.producer_epoch,
        base_sequence: 0,
        is_transactional: true,
    };
    Ok(encoder.finish(stamp, Compression::None, None)?)
}

/// Writes a record as part of a transaction that nobody has registered. Brokers hear a moment later
/// that they are not to look.
async fn produce_unregistered(target: &Target, id: &str, topic: &str) -> Result<()> {
    let admin = target.admin();
    let producer = admin.describe_transactions(&[id]).await.remove(0).1?;
    let described = admin.describe_topics(&[topic]).await?.remove(0).1?;
    let leader = described.partitions[0].leader.context("it has a leader")?;
    let partition = PartitionProduceData::default().with_records(Some(batch(&producer)?));
    let topic = TopicProduceData::default()
        .with_name(TopicName(StrBytes::from_string(topic.to_owned())))
        .with_partition_data(vec![partition]);
    let request = ProduceRequest::default()
        .with_transactional_id(Some(TransactionalId(StrBytes::from_string(id.to_owned()))))
        .with_acks(-1)
        .with_timeout_ms(10_000)
        .with_topic_data(vec![topic]);
    eventually("a batch without a transaction is taken", async || {
        let answer = raw::call(&admin, leader, PRODUCE_VERSION, &request).await?;
        let code = answer.responses[0].partition_responses[0].error_code;
        Ok((code == 0).then_some(()))
    })
    .await
}

async fn check_hanging(target: &Target) -> Result<()> {
    let admin = target.admin();
    let topic = target.topic("hanging", 1).await?;
    let partition = all_partitions(&topic, 1).remove(0);
    let id = unique("hanging");
    let config = ProducerConfig::default().transactional_id(&id);
    let owner = TransactionalProducer::connect(target.client(), config).await?;
    produce_unregistered(target, &id, &topic).await?;
    let plain = target.producer(ProducerConfig::default())?;
    plain.send(Record::to(&topic).value("behind")).await?;

    let config = ConsumerConfig::new()
        .auto_offset_reset(OffsetReset::Earliest)
        .isolation_level(IsolationLevel::ReadCommitted);
    let reader = Consumer::new(target.client(), config)?;
    reader.assign(vec![partition.clone()]).await?;
    ensure!(reader.consume_next(QUIET).await?.is_none(), "nothing hangs");
    // The partition has an open transaction, of which its coordinator knows nothing.
    let open = async || -> Result<_> {
        let producers = admin
            .describe_producers(std::slice::from_ref(&partition))
            .await;
        let producers = producers.into_iter().next().context("a partition")?.1?;
        Ok(producers
            .into_iter()
            .find(|one| one.transaction_start.is_some()))
    };
    let hanging = open().await?.context("no transaction is open")?;
    let known = admin.describe_transactions(&[&id]).await.remove(0).1?;
    assert_eq!(
        (known.state.as_str(), known.partitions),
        ("Empty", Vec::new())
    );

    let hanging = HangingTransaction {
        partition: partition.clone(),
        producer_id: hanging.producer_id,
        producer_epoch: i16::try_from(hanging.producer_epoch)?,
        coordinator_epoch: hanging.coordinator_epoch.unwrap_or(0),
    };
    admin.abort_hanging_transaction(&hanging).await?;
    let next = take(&reader, 1).await?.remove(0);
    assert_eq!(next.value(), Some(&b"behind"[..]));
    assert_eq!(open().await?, None);
    reader.close().await?;
    plain.close().await?;
    owner.close().await?;
    Ok(())
}

/// Readers of what is committed would wait for ever for a transaction that its coordinator does not
/// know, until an administrator ends it.
#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_that_hangs_is_aborted_by_an_administrator() -> Result<()> {
    on_target_with(&[(VERIFICATION, "false")], async |target| {
        verify_transactions(&target, false).await?;
        let outcome = check_hanging(&target).await;
        verify_transactions(&target, true).await?;
        outcome
    })
    .await
}
