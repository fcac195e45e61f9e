//! Partitions: more of them, records deleted from their front, where they lie, who leads them.

use anyhow::{Context, Result};
use milena_client::admin::{
    ChangeMode, DeleteBefore, ElectionType, NewPartitions, NewReplicas, NewTopic, OffsetAt, Replica,
};
use milena_client::consumer::{Consumer, ConsumerConfig, OffsetReset, SeekTo};
use milena_client::producer::{ProducerConfig, Record};
use milena_client::{Error, ErrorCode, NodeId, TopicPartition};
use milena_sim::target::{
    Target, all_partitions, eventually, on_target, take, unique, until_heard,
};

#[track_caller]
fn assert_code<T: std::fmt::Debug>(result: Result<T, Error>, expected: ErrorCode) {
    let error = result.expect_err("it must be refused");
    assert_eq!(error.code(), Some(expected), "{error}");
}

async fn fill(target: &Target, topic: &str, records: usize) -> Result<()> {
    let producer = target.producer(ProducerConfig::default())?;
    for number in 0..records {
        let value = number.to_string();
        producer
            .send(Record::to(topic).value(&value).partition(0))
            .await?;
    }
    Ok(())
}

async fn start_of(target: &Target, partition: &TopicPartition) -> Result<Option<i64>> {
    let asked = std::slice::from_ref(partition);
    let mut starts = target
        .admin()
        .list_offsets(asked, OffsetAt::Earliest)
        .await?;
    Ok(starts.remove(0).1?)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_topic_gets_more_partitions_but_never_fewer() -> Result<()> {
    on_target(async |target| {
        let admin = target.admin();
        let topic = target.topic("grow", 2).await?;
        let grow = |total| [NewPartitions::total(&topic, total)];
        let checked = admin
            .create_partitions(&grow(4), ChangeMode::ValidateOnly)
            .await;
        assert!(checked[0].1.is_ok(), "{checked:?}");
        let described = admin.describe_topics(&[&topic]).await?.remove(0).1?;
        assert_eq!(described.partitions.len(), 2);
        admin
            .create_partitions(&grow(4), ChangeMode::Apply)
            .await
            .remove(0)
            .1?;
        until_heard(&admin, &topic, 4).await?;
        let described = admin.describe_topics(&[&topic]).await?.remove(0).1?;
        assert_eq!(described.partitions.len(), 4);
        let producer = target.producer(ProducerConfig::default())?;
        let metadata = producer
            .send(Record::to(&topic).value("x").partition(3))
            .await?;
        assert_eq!(metadata.partition(), 3);
        for (topics, code) in [
            (grow(4), ErrorCode::InvalidPartitions),
            (grow(3), ErrorCode::InvalidPartitions),
            (
                [NewPartitions::total(unique("absent"), 9)],
                ErrorCode::UnknownTopicOrPartition,
            ),
        ] {
            let mut refused = admin.create_partitions(&topics, ChangeMode::Apply).await;
            assert_code(refused.remove(0).1, code);
        }
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn deleted_records_are_gone_for_good() -> Result<()> {
    on_target(async |target| {
        let topic = target.topic("delete-records", 1).await?;
        let partition = all_partitions(&topic, 1).remove(0);
        fill(&target, &topic, 10).await?;
        let admin = target.admin();
        let delete = async |before| {
            let mut results = admin.delete_records(&[(partition.clone(), before)]).await;
            results.remove(0).1
        };
        assert_eq!(delete(DeleteBefore::Offset(4)).await?, 4);
        assert_eq!(start_of(&target, &partition).await?, Some(4));
        assert_eq!(delete(DeleteBefore::Offset(2)).await?, 4);
        assert_code(
            delete(DeleteBefore::Offset(11)).await,
            ErrorCode::OffsetOutOfRange,
        );

        let config = ConsumerConfig::new().auto_offset_reset(OffsetReset::Earliest);
        let reader = Consumer::new(target.client(), config)?;
        reader.assign(vec![partition.clone()]).await?;
        reader.seek(&partition, SeekTo::Offset(1)).await?;
        let records = take(&reader, 6).await?;
        let offsets: Vec<i64> = records.iter().map(|record| record.offset()).collect();
        assert_eq!(offsets, [4, 5, 6, 7, 8, 9]);
        reader.close().await?;

        assert_eq!(delete(DeleteBefore::End).await?, 10);
        assert_eq!(start_of(&target, &partition).await?, Some(10));
        fill(&target, &topic, 1).await?;
        assert_eq!(start_of(&target, &partition).await?, Some(10));

        let compacted = unique("compacted");
        let topic = NewTopic::new(&compacted)
            .partitions(1)
            .config("cleanup.policy", "compact");
        target.create(topic).await?;
        let partition = all_partitions(&compacted, 1).remove(0);
        let mut refused = admin
            .delete_records(&[(partition, DeleteBefore::End)])
            .await;
        assert_code(refused.remove(0).1, ErrorCode::PolicyViolation);
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn brokers_tell_how_much_space_partitions_take() -> Result<()> {
    on_target(async |target| {
        let topic = target.topic("log-dirs", 1).await?;
        fill(&target, &topic, 5).await?;
        let admin = target.admin();
        let described = admin.describe_topics(&[&topic]).await?.remove(0).1?;
        let leader = described.partitions[0].leader.context("no leader")?;
        let dirs = admin.describe_log_dirs(&[leader]).await.remove(0).1?;
        let found = dirs.iter().find_map(|dir| {
            let mut replicas = dir.replicas.iter();
            let replica = replicas.find(|replica| *replica.partition.topic == *topic)?;
            Some((dir, replica))
        });
        let (dir, replica) = found.context("the partition is in no directory")?;
        assert!(!dir.path.is_empty() && dir.error.is_none());
        assert!(replica.bytes > 5 * 61, "{replica:?}");
        assert!(!replica.is_future && replica.offset_lag == 0);

        let replica = Replica {
            partition: all_partitions(&topic, 1).remove(0),
            node: leader,
        };
        let elsewhere = "/no/such/directory".to_owned();
        let mut moved = admin.alter_replica_log_dirs(&[(replica, elsewhere)]).await;
        assert_code(moved.remove(0).1, ErrorCode::LogDirNotFound);
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn elections_and_reassignments_have_a_result_each() -> Result<()> {
    on_target(async |target| {
        let admin = target.admin();
        let topic = target.topic("elect", 1).await?;
        let mut partitions = all_partitions(&topic, 2);
        let absent = partitions.pop().context("two")?;
        let present = partitions.pop().context("two")?;
        let asked = [present.clone(), absent.clone()];
        let results = admin
            .elect_leaders(ElectionType::Preferred, Some(&asked))
            .await?;
        assert_eq!(results.len(), 2, "{results:?}");
        for (partition, result) in results {
            let code = if partition == present {
                ErrorCode::ElectionNotNeeded
            } else {
                ErrorCode::UnknownTopicOrPartition
            };
            assert_code(result, code);
        }
        admin.elect_leaders(ElectionType::Preferred, None).await?;

        let moves = [
            (present.clone(), NewReplicas::Cancel),
            (absent.clone(), NewReplicas::Cancel),
        ];
        let mut results = admin.reassign_partitions(&moves).await;
        assert_code(results.remove(0).1, ErrorCode::NoReassignmentInProgress);
        assert_code(results.remove(0).1, ErrorCode::UnknownTopicOrPartition);
        let moves = [(present.clone(), NewReplicas::On(vec![NodeId(987)]))];
        let mut results = admin.reassign_partitions(&moves).await;
        assert_code(results.remove(0).1, ErrorCode::InvalidReplicaAssignment);
        assert_eq!(admin.list_reassignments(Some(&asked[..1])).await?, []);
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partition_moves_and_its_preferred_leader_takes_over() -> Result<()> {
    on_target(async |target| {
        let admin = target.admin();
        let nodes: Vec<NodeId> = admin
            .describe_cluster()
            .await?
            .brokers
            .iter()
            .map(|broker| broker.node)
            .collect();
        let name = unique("move");
        let topic = NewTopic::new(&name).partitions(1).replication_factor(1);
        target.create(topic).await?;
        fill(&target, &name, 5).await?;
        let partition = all_partitions(&name, 1).remove(0);
        let described = admin.describe_topics(&[&name]).await?.remove(0).1?;
        let first = described.partitions[0].replicas.clone();
        let others = nodes.iter().filter(|node| !first.contains(node));
        // On a single node this is the same place again.
        let replicas: Vec<NodeId> = others.chain(&first).copied().collect();
        let moves = [(partition.clone(), NewReplicas::On(replicas.clone()))];
        admin.reassign_partitions(&moves).await.remove(0).1?;
        let moving = [partition.clone()];
        eventually("the partition has moved", async || {
            if !admin.list_reassignments(Some(&moving)).await?.is_empty() {
                return Ok(None);
            }
            let described = admin.describe_topics(&[&name]).await?.remove(0).1?;
            let described = &described.partitions[0];
            let is_done =
                described.replicas == replicas && described.in_sync_replicas.len() == nodes.len();
            Ok(is_done.then_some(()))
        })
        .await?;
        let asked = [partition.clone()];
        let mut elected = admin
            .elect_leaders(ElectionType::Preferred, Some(&asked))
            .await?;
        if nodes.len() == 1 {
            assert_code(elected.remove(0).1, ErrorCode::ElectionNotNeeded);
        }
        eventually("the preferred leader leads", async || {
            let described = admin.describe_topics(&[&name]).await?.remove(0).1?;
            Ok((described.partitions[0].leader == replicas.first().copied()).then_some(()))
        })
        .await?;
        assert_eq!(target.read(&name, 1, 5).await?.len(), 5);
        Ok(())
    })
    .await
}
