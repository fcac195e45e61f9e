//! Metadata, CreateTopics, DeleteTopics.

use milena_broker::{Broker, ErrorCode};
use milena_wire::rpc::StrBytes;
use milena_wire::rpc::messages::create_partitions_request::CreatePartitionsTopic;
use milena_wire::rpc::messages::create_topics_request::CreatableTopic;
use milena_wire::rpc::messages::delete_topics_request::DeleteTopicState;
use milena_wire::rpc::messages::describe_configs_request::DescribeConfigsResource;
use milena_wire::rpc::messages::metadata_request::MetadataRequestTopic;
use milena_wire::rpc::messages::{
    CreatePartitionsRequest, CreateTopicsRequest, DeleteTopicsRequest, DescribeConfigsRequest,
    MetadataRequest,
};

use crate::client::{Client, broker, start, topic_name};

fn ask_for(name: &'static str) -> MetadataRequest {
    let topic = MetadataRequestTopic::default().with_name(Some(topic_name(name)));
    MetadataRequest::default().with_topics(Some(vec![topic]))
}

#[tokio::test]
async fn every_version_of_metadata_names_this_broker() {
    let broker = broker().await;
    let mut client = Client::connect(&broker).await;
    client.create_topic("known", 3).await;
    for version in 0..=13 {
        let topics = if version == 0 { Some(Vec::new()) } else { None };
        let request = MetadataRequest::default().with_topics(topics);
        let response = client.call(version, &request).await;
        assert_eq!(
            response.brokers[0].port,
            i32::from(broker.address().port()),
            "v{version}"
        );
        assert_eq!(&*response.brokers[0].host, "127.0.0.1");
        assert_eq!(response.topics.len(), 1, "v{version}");
        assert_eq!(response.topics[0].partitions.len(), 3);
        assert_eq!(
            response.topics[0].partitions[2].leader_id,
            response.brokers[0].node_id
        );
    }
}

#[tokio::test]
async fn topics_are_created_on_demand_only_where_both_sides_allow_it() {
    let unknown = ErrorCode::UnknownTopicOrPartition.code();
    let invalid = ErrorCode::InvalidTopicException.code();
    for (setting, allowed, name, expected) in [
        ("true", true, "demanded", (0, 2)),
        ("true", false, "demanded", (unknown, 0)),
        ("false", true, "demanded", (unknown, 0)),
        ("true", true, "no spaces", (invalid, 0)),
    ] {
        let builder = Broker::builder()
            .property("num.partitions", "2")
            .and_then(|builder| builder.property("auto.create.topics.enable", setting))
            .expect("known properties");
        let broker = start(builder).await;
        let mut client = Client::connect(&broker).await;
        let request = ask_for(name).with_allow_auto_topic_creation(allowed);
        let response = client.call(9, &request).await;
        let topic = &response.topics[0];
        assert_eq!((topic.error_code, topic.partitions.len()), expected);
    }
}

#[tokio::test]
async fn create_topics_refuses_what_cannot_be() {
    let broker = broker().await;
    let mut client = Client::connect(&broker).await;
    client.create_topic("taken", 1).await;
    let cases = [
        ("taken", 1, 1, ErrorCode::TopicAlreadyExists),
        ("fresh", 0, 1, ErrorCode::InvalidPartitions),
        ("fresh", -2, 1, ErrorCode::InvalidPartitions),
        ("fresh", 1, 3, ErrorCode::InvalidReplicationFactor),
        ("fresh", 1, 0, ErrorCode::InvalidReplicationFactor),
        ("", 1, 1, ErrorCode::InvalidTopicException),
        ("..", 1, 1, ErrorCode::InvalidTopicException),
        ("a/b", 1, 1, ErrorCode::InvalidTopicException),
        ("fresh", -1, -1, ErrorCode::None),
    ];
    for (name, partitions, replicas, expected) in cases {
        let topic = CreatableTopic::default()
            .with_name(topic_name(name))
            .with_num_partitions(partitions)
            .with_replication_factor(replicas);
        let request = CreateTopicsRequest::default()
            .with_topics(vec![topic])
            .with_validate_only(true);
        let response = client.call(5, &request).await;
        let code = response.topics[0].error_code;
        assert_eq!(code, expected.code(), "{name} {partitions} {replicas}");
    }
    // Nothing of the above was more than a question.
    let request = ask_for("fresh").with_allow_auto_topic_creation(false);
    let response = client.call(9, &request).await;
    assert_eq!(
        response.topics[0].error_code,
        ErrorCode::UnknownTopicOrPartition.code()
    );
}

#[tokio::test]
async fn topics_are_deleted_by_name_and_by_id() {
    let broker = broker().await;
    let mut client = Client::connect(&broker).await;
    client.create_topic("one", 1).await;
    client.create_topic("two", 1).await;
    let request = DeleteTopicsRequest::default().with_topic_names(vec![topic_name("one")]);
    assert_eq!(client.call(4, &request).await.responses[0].error_code, 0);
    let again = client.call(4, &request).await;
    assert_eq!(
        again.responses[0].error_code,
        ErrorCode::UnknownTopicOrPartition.code()
    );
    let metadata = client.call(12, &ask_for("two")).await;
    let by_id = DeleteTopicState::default().with_topic_id(metadata.topics[0].topic_id);
    let request = DeleteTopicsRequest::default().with_topics(vec![by_id]);
    let response = client.call(6, &request).await;
    assert_eq!(response.responses[0].error_code, 0);
    assert_eq!(response.responses[0].name, Some(topic_name("two")));
    let response = client
        .call(12, &MetadataRequest::default().with_topics(None))
        .await;
    assert!(response.topics.is_empty());
}

#[tokio::test]
async fn configurations_are_described_as_far_as_there_are_any() {
    let broker = broker().await;
    let mut client = Client::connect(&broker).await;
    client.create_topic("known", 1).await;
    for version in 1..=4 {
        let resource = |kind, name| {
            DescribeConfigsResource::default()
                .with_resource_type(kind)
                .with_resource_name(StrBytes::from_static_str(name))
                .with_configuration_keys(None)
        };
        let keys = vec![StrBytes::from_static_str("cleanup.policy")];
        let request = DescribeConfigsRequest::default().with_resources(vec![
            resource(2, "known").with_configuration_keys(Some(keys)),
            resource(4, "1"),
            resource(2, "nope"),
        ]);
        let results = client.call(version, &request).await.results;
        assert_eq!(results[0].configs.len(), 1);
        assert_eq!(results[0].configs[0].value.as_deref(), Some("delete"));
        assert!(results[1].configs.len() > 5);
        assert_eq!(
            results[2].error_code,
            ErrorCode::UnknownTopicOrPartition.code()
        );
    }
}

#[tokio::test]
async fn topics_can_only_grow() {
    let broker = broker().await;
    let mut client = Client::connect(&broker).await;
    client.create_topic("known", 2).await;
    let invalid = ErrorCode::InvalidPartitions.code();
    for (count, validate_only, expected) in [
        (2, false, invalid),
        (1, false, invalid),
        (3, true, 0),
        (3, false, 0),
        (3, false, invalid),
    ] {
        let topic = CreatePartitionsTopic::default()
            .with_name(topic_name("known"))
            .with_count(count)
            .with_assignments(None);
        let request = CreatePartitionsRequest::default()
            .with_topics(vec![topic])
            .with_validate_only(validate_only);
        let response = client.call(3, &request).await;
        assert_eq!(response.results[0].error_code, expected, "{count}");
    }
    let response = client.call(12, &ask_for("known")).await;
    assert_eq!(response.topics[0].partitions.len(), 3);
}
