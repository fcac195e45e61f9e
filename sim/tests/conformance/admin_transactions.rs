//! Transactions and producers as an administrator sees them; features of the cluster.

use anyhow::{Context, Result};
use milena_client::admin::TransactionFilter;
use milena_client::producer::{ProducerConfig, Record};
use milena_client::transaction::TransactionalProducer;
use milena_client::{Error, ErrorCode};
use milena_sim::target::{all_partitions, eventually, on_target, unique};

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
