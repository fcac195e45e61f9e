//! Groups as admin sees them: members, assignments, commits, lag.

use std::time::Instant;

use milena_client::admin::{GroupDescription, NewTopic};
use milena_client::consumer::{Consumer, ConsumerConfig, OffsetReset};
use milena_client::producer::{Producer, ProducerConfig, Record};
use milena_client::{Admin, Client, Error, ErrorCode};

use crate::cluster::{Cluster, PATIENCE, unique};

const PARTITIONS: i32 = 2;
const RECORDS: i64 = 10;

/// A topic with records in both partitions.
async fn topic_with_records(client: &Client, admin: &Admin) -> String {
    let topic = unique("orders");
    let new = NewTopic::new(&topic).partitions(PARTITIONS);
    admin.create_topic(new).await.expect("it is new");
    let producer = Producer::new(client, ProducerConfig::default()).expect("it is valid");
    for number in 0..RECORDS {
        let partition = number as i32 % PARTITIONS;
        let record = Record::to(&topic).value(b"value").partition(partition);
        producer.send(record).await.expect("the broker takes it");
    }
    producer.close().await.expect("nothing is left");
    topic
}

async fn describe(admin: &Admin, group_id: &str) -> Result<GroupDescription, Error> {
    let groups = admin
        .describe_groups(&[group_id])
        .await
        .expect("the broker answers");
    groups
        .into_iter()
        .next()
        .expect("one question, one answer")
        .1
}

#[tokio::test]
async fn a_group_is_listed_and_described_with_its_lag() {
    let cluster = Cluster::start().await;
    let client = cluster.client();
    let admin = Admin::new(&client);
    let topic = topic_with_records(&client, &admin).await;
    let group_id = unique("billing");
    let config = ConsumerConfig::new()
        .group_id(group_id.as_str())
        .auto_offset_reset(OffsetReset::Earliest);
    let consumer = Consumer::new(&client, config).expect("it is valid");
    consumer
        .subscribe([topic.as_str()])
        .await
        .expect("it is not subscribed yet");
    let started = Instant::now();
    let mut consumed = 0;
    while consumed < RECORDS && started.elapsed() < PATIENCE {
        let record = consumer
            .consume_next(PATIENCE)
            .await
            .expect("the broker serves");
        consumed += i64::from(record.is_some());
    }
    consumer.commit().await.expect("it is a member");

    let groups = admin.list_groups().await.expect("the broker answers");
    let listed = groups
        .iter()
        .find(|group| group.group_id == group_id)
        .expect("it is listed");
    assert_eq!(listed.protocol_type, "consumer");

    let group = describe(&admin, &group_id).await.expect("it exists");
    assert_eq!(group.state, "Stable");
    assert_eq!(group.members.len(), 1);
    assert_eq!(group.members[0].client_id, "milena");
    assert_eq!(group.members[0].assignment.len(), PARTITIONS as usize);

    let lags = admin.group_lag(&group_id).await.expect("it exists");
    assert_eq!(lags.len(), PARTITIONS as usize);
    for lag in &lags {
        assert_eq!(
            lag.committed,
            Some(RECORDS / i64::from(PARTITIONS)),
            "{lag:?}"
        );
        assert_eq!(lag.lag(), Some(0), "{lag:?}");
        assert_eq!(lag.member_id.as_ref(), Some(&group.members[0].member_id));
    }

    consumer.close().await.expect("it leaves");
    let group = describe(&admin, &group_id)
        .await
        .expect("its commits keep it alive");
    assert_eq!((group.state.as_str(), group.members.len()), ("Empty", 0));
    let producer = Producer::new(&client, ProducerConfig::default()).expect("it is valid");
    let record = Record::to(&topic).value(b"late").partition(1);
    producer.send(record).await.expect("the broker takes it");
    let lags = admin.group_lag(&group_id).await.expect("it exists");
    let behind: Vec<Option<i64>> = lags.iter().map(|lag| lag.lag()).collect();
    assert_eq!(behind, [Some(0), Some(1)]);
    assert!(lags.iter().all(|lag| lag.member_id.is_none()));
}

#[tokio::test]
async fn a_group_that_does_not_exist_is_a_typed_error() {
    let cluster = Cluster::start().await;
    let admin = cluster.admin();
    let error = describe(&admin, &unique("nobody"))
        .await
        .expect_err("nobody made it");
    assert_eq!(error.code(), Some(ErrorCode::GroupIdNotFound));
    let error = admin
        .group_lag(&unique("nobody"))
        .await
        .expect_err("nobody made it");
    assert_eq!(error.code(), Some(ErrorCode::GroupIdNotFound));
    assert!(
        admin
            .committed_offsets(&unique("nobody"))
            .await
            .expect("it answers")
            .is_empty()
    );
}
