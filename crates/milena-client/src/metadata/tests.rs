use std::time::Duration;

use bytes::BytesMut;

use super::*;
use crate::client::Client;
use crate::net::fake_broker::{FakeBroker, FakeConnection};
use crate::wire::messages::metadata_response::{
    MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
};
use crate::wire::messages::{BrokerId, MetadataRequest, MetadataResponse};
use crate::wire::{Decodable, Encodable, ErrorCode, StrBytes};

fn client(broker: &FakeBroker) -> Client {
    let config = ClientConfig::new(&broker.address.to_string())
        .retry_backoff(Duration::from_millis(5), Duration::from_millis(20))
        .reconnect_backoff(Duration::from_millis(5), Duration::from_millis(20));
    Client::new(config).expect("the configuration is valid")
}

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(20)
}

/// Answers the next metadata request: every topic in it with `code`, one partition, led by node 1.
async fn answer(
    broker: &FakeBroker,
    server: &mut FakeConnection,
    code: ErrorCode,
) -> MetadataRequest {
    let mut request = server.receive().await.expect("a metadata request");
    let version = request.header.request_api_version;
    let asked = MetadataRequest::decode(&mut request.body, version).expect("a metadata request");
    let topics = asked.topics.iter().flatten().map(|topic| {
        let partition = MetadataResponsePartition::default().with_leader_id(BrokerId(1));
        MetadataResponseTopic::default()
            .with_name(topic.name.clone())
            .with_error_code(code.code())
            .with_partitions(vec![partition])
    });
    let node = MetadataResponseBroker::default()
        .with_node_id(BrokerId(1))
        .with_host(StrBytes::from_string(broker.address.ip().to_string()))
        .with_port(i32::from(broker.address.port()));
    let response = MetadataResponse::default()
        .with_brokers(vec![node])
        .with_topics(topics.collect());
    // A flexible response header: no tagged fields.
    let mut body = BytesMut::from(&[0u8][..]);
    response
        .encode(&mut body, version)
        .expect("it can be encoded");
    server.respond(request.header.correlation_id, &body).await;
    asked
}

#[tokio::test]
async fn a_topic_is_asked_for_until_it_exists() {
    let broker = FakeBroker::start().await;
    let client = client(&broker);
    let serve = async {
        let mut server = broker.accept().await;
        for code in [
            ErrorCode::UnknownTopicOrPartition,
            ErrorCode::LeaderNotAvailable,
        ] {
            let asked = answer(&broker, &mut server, code).await;
            assert!(asked.allow_auto_topic_creation);
        }
        answer(&broker, &mut server, ErrorCode::None).await;
        server
    };
    let metadata = client.metadata();
    let (topic, _server) = tokio::join!(metadata.topic("orders", soon()), serve);
    assert_eq!(topic.expect("it exists now").partitions.len(), 1);
    assert_eq!(metadata.snapshot().leader("orders", 0), Some(NodeId(1)));
    metadata
        .topic("orders", Instant::now())
        .await
        .expect("it is known, nobody need be asked");
}

#[tokio::test]
async fn a_topic_that_does_not_come_is_a_typed_error() {
    let broker = FakeBroker::start().await;
    let client = client(&broker);
    let serve = async {
        let mut server = broker.accept().await;
        loop {
            answer(&broker, &mut server, ErrorCode::UnknownTopicOrPartition).await;
        }
    };
    let deadline = Instant::now() + Duration::from_millis(200);
    tokio::select! {
        topic = client.metadata().topic("orders", deadline) => {
            let error = topic.expect_err("it does not exist");
            assert!(matches!(error, Error::UnknownTopic { .. }), "{error}");
        }
        () = serve => {}
    }
}

#[tokio::test]
async fn a_topic_refused_for_good_is_told_at_once() {
    let broker = FakeBroker::start().await;
    let client = client(&broker);
    let serve = async {
        let mut server = broker.accept().await;
        answer(&broker, &mut server, ErrorCode::InvalidTopicException).await;
        server
    };
    let (topic, _server) = tokio::join!(client.metadata().topic("no/topic", soon()), serve);
    let error = topic.expect_err("it is no name for a topic");
    assert_eq!(error.code(), Some(ErrorCode::InvalidTopicException));
}

#[tokio::test]
async fn refreshes_keep_tracked_topics_without_creating_them() {
    let broker = FakeBroker::start().await;
    let client = client(&broker);
    let metadata = client.metadata();
    let mut versions = metadata.subscribe();
    metadata.track(["orders".into(), "users".into()]);
    let mut server = broker.accept().await;
    let asked = answer(&broker, &mut server, ErrorCode::None).await;
    assert_eq!(asked.topics.map(|topics| topics.len()), Some(2));
    assert!(!asked.allow_auto_topic_creation);
    versions.changed().await.expect("the client lives");
    assert_eq!(metadata.snapshot().topics.len(), 2);
    metadata.untrack(["users"]);
    metadata.request_refresh();
    let asked = answer(&broker, &mut server, ErrorCode::None).await;
    assert_eq!(asked.topics.map(|topics| topics.len()), Some(1));
}

#[tokio::test]
async fn an_unreachable_cluster_is_the_reason_given() {
    let broker = FakeBroker::start().await;
    let client = client(&broker);
    drop(broker);
    let deadline = Instant::now() + Duration::from_millis(200);
    let error = client
        .metadata()
        .topic("orders", deadline)
        .await
        .expect_err("nobody is there");
    assert!(matches!(error, Error::Connect { .. }), "{error}");
    let error = client
        .check_connection()
        .await
        .expect_err("nobody is there");
    assert!(matches!(error, Error::Connect { .. }), "{error}");
}

#[tokio::test]
async fn pitfall_22_bootstrap_is_tried_again_when_all_known_brokers_are_gone() {
    let bootstrap = FakeBroker::start().await;
    let vanishing = FakeBroker::start().await;
    let client = client(&bootstrap);
    let metadata = client.metadata();
    metadata.track(["orders".into()]);
    let mut server = bootstrap.accept().await;
    answer(&vanishing, &mut server, ErrorCode::None).await;
    let known = vanishing.address.port();
    drop((vanishing, server));
    let port = |metadata: &Metadata| {
        metadata
            .snapshot()
            .brokers
            .values()
            .next()
            .map(|address| address.port)
    };
    let mut versions = metadata.subscribe();
    while port(metadata) != Some(known) {
        versions.changed().await.expect("the client lives");
    }
    metadata.request_refresh();
    let mut server = bootstrap.accept().await;
    answer(&bootstrap, &mut server, ErrorCode::None).await;
    while port(metadata) != Some(bootstrap.address.port()) {
        versions.changed().await.expect("the client lives");
    }
}

#[tokio::test]
async fn closing_ends_who_waits() {
    let broker = FakeBroker::start().await;
    let client = client(&broker);
    let waiting = client.metadata().topic("orders", soon());
    let close = async {
        let server = broker.accept().await;
        client.close().await;
        server
    };
    let (topic, mut server) = tokio::join!(waiting, close);
    assert!(matches!(topic, Err(Error::Closed)), "{topic:?}");
    while server.receive().await.is_some() {}
    let error = client.check_connection().await.expect_err("it is closed");
    assert!(matches!(error, Error::Closed), "{error}");
}

#[tokio::test]
async fn dropping_the_last_client_ends_its_tasks_and_connections() {
    let broker = FakeBroker::start().await;
    let client = client(&broker);
    client.metadata().track(["orders".into()]);
    let mut server = broker.accept().await;
    answer(&broker, &mut server, ErrorCode::None).await;
    drop(client);
    while server.receive().await.is_some() {}
}
