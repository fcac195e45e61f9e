//! Topics, offsets and the cluster itself.

use milena_client::admin::{CreateMode, NewTopic, OffsetAt};
use milena_client::{ErrorCode, TopicPartition};

use crate::cluster::{Cluster, unique};

#[tokio::test]
async fn the_cluster_is_described() {
    let cluster = Cluster::start().await;
    let described = cluster
        .admin()
        .describe_cluster()
        .await
        .expect("the broker answers");
    assert!(!described.brokers.is_empty());
    assert!(described.cluster_id.is_some_and(|id| !id.is_empty()));
    assert!(described.controller.is_some());
}

#[tokio::test]
async fn a_topic_lives_from_creation_to_deletion() {
    let cluster = Cluster::start().await;
    let admin = cluster.admin();
    let name = unique("orders");
    let created = admin
        .create_topic(NewTopic::new(&name).partitions(3).replication_factor(1))
        .await
        .expect("it is new");
    assert_eq!(created.partitions, Some(3));

    let topics = admin.list_topics().await.expect("the broker answers");
    let listed = topics
        .iter()
        .find(|topic| topic.name == name)
        .expect("it is listed");
    assert_eq!((listed.partitions, listed.replication_factor), (3, 1));
    assert!(!listed.is_internal);
    assert_eq!(listed.id, created.id);

    let described = admin
        .describe_topics(&[&name])
        .await
        .expect("the broker answers");
    let (_, described) = described
        .into_iter()
        .next()
        .expect("one question, one answer");
    let described = described.expect("it exists");
    assert_eq!(described.partitions.len(), 3);
    for (index, partition) in described.partitions.iter().enumerate() {
        assert_eq!(partition.index as usize, index);
        assert!(partition.leader.is_some());
        assert_eq!(partition.replicas, partition.in_sync_replicas);
    }

    let deleted = admin
        .delete_topics(&[&name])
        .await
        .expect("the broker answers");
    deleted
        .into_iter()
        .next()
        .expect("one question, one answer")
        .1
        .expect("it existed");
    let topics = admin.list_topics().await.expect("the broker answers");
    assert!(topics.iter().all(|topic| topic.name != name));
}

#[tokio::test]
async fn each_topic_has_its_own_result() {
    let cluster = Cluster::start().await;
    let admin = cluster.admin();
    let (known, fresh) = (unique("known"), unique("fresh"));
    admin
        .create_topic(NewTopic::new(&known))
        .await
        .expect("it is new");
    let topics = [
        NewTopic::new(&known),
        NewTopic::new(&fresh),
        NewTopic::new("no/topic"),
    ];
    let results = admin
        .create_topics(&topics, CreateMode::Create)
        .await
        .expect("it answers");
    let codes: Vec<Option<ErrorCode>> = results
        .iter()
        .map(|(_, result)| result.as_ref().err().and_then(milena_client::Error::code))
        .collect();
    let expected = [
        Some(ErrorCode::TopicAlreadyExists),
        None,
        Some(ErrorCode::InvalidTopicException),
    ];
    assert_eq!(codes, expected);

    let results = admin
        .delete_topics(&[&unique("unknown"), &known])
        .await
        .expect("it answers");
    let error = results[0].1.as_ref().expect_err("it does not exist");
    assert_eq!(error.code(), Some(ErrorCode::UnknownTopicOrPartition));
    assert!(results[1].1.is_ok());
    let results = admin
        .describe_topics(&[&unique("unknown")])
        .await
        .expect("it answers");
    let error = results[0].1.as_ref().expect_err("it does not exist");
    assert_eq!(error.code(), Some(ErrorCode::UnknownTopicOrPartition));
}

#[tokio::test]
async fn validation_alone_creates_nothing() {
    let cluster = Cluster::start().await;
    let admin = cluster.admin();
    let name = unique("orders");
    let topics = [
        NewTopic::new(&name),
        NewTopic::new(unique("orders")).partitions(-7),
    ];
    let results = admin
        .create_topics(&topics, CreateMode::ValidateOnly)
        .await
        .expect("it answers");
    assert!(results[0].1.is_ok(), "{:?}", results[0]);
    let error = results[1]
        .1
        .as_ref()
        .expect_err("-7 is no number of partitions");
    assert_eq!(error.code(), Some(ErrorCode::InvalidPartitions));
    let topics = admin.list_topics().await.expect("the broker answers");
    assert!(topics.iter().all(|topic| topic.name != name));
}

#[tokio::test]
async fn offsets_of_an_empty_topic_are_zero() {
    let cluster = Cluster::start().await;
    let admin = cluster.admin();
    let name = unique("orders");
    admin
        .create_topic(NewTopic::new(&name).partitions(2))
        .await
        .expect("it is new");
    let partitions: Vec<TopicPartition> = (0..3)
        .map(|index| TopicPartition::new(name.as_str(), index))
        .collect();
    for at in [OffsetAt::Earliest, OffsetAt::Latest] {
        let offsets = admin
            .list_offsets(&partitions, at)
            .await
            .expect("the broker answers");
        assert_eq!(offsets.len(), 3);
        assert!(matches!(offsets[0].1, Ok(Some(0))), "{:?}", offsets[0]);
        assert!(matches!(offsets[1].1, Ok(Some(0))), "{:?}", offsets[1]);
        let error = offsets[2]
            .1
            .as_ref()
            .expect_err("there is no third partition");
        assert!(!error.is_retriable(), "{error}");
    }
    let offsets = admin
        .list_offsets(&partitions[..1], OffsetAt::Timestamp(0))
        .await;
    assert!(matches!(offsets.expect("it answers")[0].1, Ok(None)));
}
