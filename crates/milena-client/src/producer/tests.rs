//! The producer against a broker that answers as it is told, wrongly where that matters.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use super::{Producer, ProducerConfig, Record};
use crate::net::fake_broker::{FakeBroker, FakeConnection, FakeRequest};
use crate::wire::messages::metadata_response::{
    MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
};
use crate::wire::messages::produce_response::{PartitionProduceResponse, TopicProduceResponse};
use crate::wire::messages::{
    BrokerId, InitProducerIdResponse, MetadataResponse, ProduceRequest, ProduceResponse, TopicName,
};
use crate::wire::{ApiKey, Decodable, Encodable, StrBytes};
use crate::{Client, ClientConfig};

const TOPIC: &str = "t";

/// A cluster of one fake broker that leads the one partition of one topic; Produce requests go to
/// the test.
struct FakeCluster {
    broker: FakeBroker,
    /// Metadata answers that still name no leader.
    leaderless_answers: AtomicUsize,
    produced: mpsc::Sender<Produced>,
}

impl FakeCluster {
    async fn serve(self: Arc<Self>) {
        loop {
            let connection = self.broker.accept().await;
            tokio::spawn(self.clone().serve_connection(connection));
        }
    }

    async fn serve_connection(self: Arc<Self>, mut connection: FakeConnection) {
        while let Some(request) = connection.receive().await {
            let correlation_id = request.header.correlation_id;
            let body = match ApiKey::try_from(request.header.request_api_key) {
                Ok(ApiKey::Metadata) => flexible(&request, &self.metadata()),
                Ok(ApiKey::InitProducerId) => {
                    flexible(&request, &InitProducerIdResponse::default())
                }
                Ok(ApiKey::Produce) => self.produce(request).await,
                other => panic!("unexpected request {other:?}"),
            };
            connection.respond(correlation_id, &body).await;
        }
    }

    fn metadata(&self) -> MetadataResponse {
        let answers = &self.leaderless_answers;
        let less_one = |left: usize| left.checked_sub(1);
        let is_leaderless = answers
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, less_one)
            .is_ok();
        let leader = BrokerId(if is_leaderless { -1 } else { 1 });
        let partition = MetadataResponsePartition::default().with_leader_id(leader);
        MetadataResponse::default()
            .with_brokers(vec![
                MetadataResponseBroker::default()
                    .with_node_id(BrokerId(1))
                    .with_host(StrBytes::from_static_str("127.0.0.1"))
                    .with_port(i32::from(self.broker.address.port())),
            ])
            .with_topics(vec![
                MetadataResponseTopic::default()
                    .with_name(Some(TopicName(StrBytes::from_static_str(TOPIC))))
                    .with_partitions(vec![partition]),
            ])
    }

    /// Hands the batch to the test, which answers with a response's body.
    async fn produce(&self, request: FakeRequest) -> Vec<u8> {
        let mut body = request.body;
        let version = request.header.request_api_version;
        let decoded = ProduceRequest::decode(&mut body, version).unwrap();
        let batch = decoded.topic_data[0].partition_data[0].records.clone();
        let (answer, answered) = oneshot::channel();
        self.produced.send((batch.unwrap(), answer)).await.unwrap();
        answered.await.unwrap()
    }
}

/// A body behind a flexible response header.
fn flexible(request: &FakeRequest, response: &impl Encodable) -> Vec<u8> {
    let mut body = BytesMut::from(&[0_u8][..]);
    response
        .encode(&mut body, request.header.request_api_version)
        .unwrap();
    body.to_vec()
}

fn acknowledgement() -> Vec<u8> {
    let mut body = BytesMut::from(&[0_u8][..]);
    ProduceResponse::default()
        .with_responses(vec![
            TopicProduceResponse::default()
                .with_name(TopicName(StrBytes::from_static_str(TOPIC)))
                .with_partition_responses(vec![
                    PartitionProduceResponse::default().with_base_offset(42),
                ]),
        ])
        .encode(&mut body, super::request::VERSION_MAX)
        .unwrap();
    body.to_vec()
}

type Produced = (Bytes, oneshot::Sender<Vec<u8>>);

/// A cluster whose first `leaderless_answers` metadata answers name no leader.
async fn start(leaderless_answers: usize) -> (String, mpsc::Receiver<Produced>, JoinHandle<()>) {
    let (produced, requests) = mpsc::channel(1);
    let broker = FakeBroker::start().await;
    let bootstrap = broker.address.to_string();
    let cluster = FakeCluster {
        broker,
        leaderless_answers: AtomicUsize::new(leaderless_answers),
        produced,
    };
    (bootstrap, requests, tokio::spawn(Arc::new(cluster).serve()))
}

#[tokio::test]
async fn a_batch_opened_without_a_leader_leaves_when_it_has_lingered() {
    let (bootstrap, mut requests, serving) = start(1).await;
    let client = Client::new(ClientConfig::new(&bootstrap)).unwrap();
    // Longer than it takes to find the leader: then the batch is not due yet.
    let config = ProducerConfig::default().linger(Duration::from_secs(2));
    let producer = Producer::new(&client, config).unwrap();
    let delivery = producer.enqueue(Record::to(TOPIC).value(b"value")).await;
    let batch = tokio::time::timeout(Duration::from_secs(20), requests.recv());
    let (_, answer) = batch.await.expect("the batch leaves").unwrap();
    answer.send(acknowledgement()).unwrap();
    delivery.unwrap().await.unwrap();
    serving.abort();
}

#[tokio::test]
async fn pitfall_08_an_undecodable_response_is_answered_with_the_same_bytes_unsplit() {
    let (bootstrap, mut requests, serving) = start(0).await;
    let client = Client::new(ClientConfig::new(&bootstrap)).unwrap();
    let config = ProducerConfig::default().linger(Duration::from_millis(20));
    let producer = Producer::new(&client, config).unwrap();
    let mut deliveries = Vec::new();
    for _ in 0..10 {
        let record = Record::to(TOPIC).value(b"value");
        deliveries.push(producer.enqueue(record).await.unwrap());
    }
    let (first, answer) = requests.recv().await.unwrap();
    answer.send(vec![0, 0xff, 0xff]).unwrap();
    let (second, answer) = requests.recv().await.unwrap();
    assert_eq!(first, second);
    answer.send(acknowledgement()).unwrap();
    for (index, delivery) in deliveries.into_iter().enumerate() {
        let metadata = delivery.await.unwrap();
        assert_eq!(metadata.offset(), Some(42 + index as i64));
    }
    serving.abort();
}
