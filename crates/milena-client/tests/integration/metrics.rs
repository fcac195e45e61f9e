//! What an exporter sees of a client: on a thread of its own, so that tests do not mix.

use std::collections::BTreeMap;
use std::time::Duration;

use metrics_util::debugging::{DebugValue, DebuggingRecorder, Snapshotter};
use milena_client::consumer::{Consumer, ConsumerConfig, OffsetReset};
use milena_client::producer::{Producer, ProducerConfig, Record};
use milena_client::{Client, ClientConfig, TopicPartition};

use crate::support::{reserve, start_broker};

/// What was measured since the last call, by name and by each label's value.
fn values(snapshotter: &Snapshotter) -> BTreeMap<(String, String), f64> {
    let mut values = BTreeMap::new();
    for (key, _, _, value) in snapshotter.snapshot().into_vec() {
        let value = match value {
            DebugValue::Counter(count) => count as f64,
            DebugValue::Gauge(value) => value.into_inner(),
            DebugValue::Histogram(samples) => samples.len() as f64,
        };
        for label in key.key().labels() {
            let name = (key.key().name().to_owned(), label.value().to_owned());
            values.insert(name, value);
        }
    }
    values
}

#[tokio::test]
async fn an_exporter_sees_requests_connections_and_what_is_consumed() {
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    let _guard = metrics::set_default_local_recorder(&recorder);
    milena_client::metrics::describe();
    let broker = start_broker().await;
    let client = Client::new(ClientConfig::new(&broker.bootstrap())).unwrap();
    let producer = Producer::new(&client, ProducerConfig::default()).unwrap();
    for _ in 0..3 {
        let record = Record::to("t").partition(0).value(b"value");
        producer.send(record).await.unwrap();
    }
    let config = ConsumerConfig::new().auto_offset_reset(OffsetReset::Earliest);
    let consumer = Consumer::new(&client, config).unwrap();
    let partition = TopicPartition::new("t", 0);
    consumer.assign(vec![partition]).await.unwrap();
    for _ in 0..3 {
        let next = consumer.consume_next(Duration::from_secs(10)).await;
        assert!(next.unwrap().is_some());
    }
    let none = consumer.consume_next(Duration::from_millis(1)).await;
    assert!(none.unwrap().is_none());
    let name = |name: &str, label: &str| (name.to_owned(), label.to_owned());
    let seen = values(&snapshotter);
    assert_eq!(seen[&name("messaging.client.consumed.messages", "t")], 3.0);
    assert_eq!(seen[&name("messaging.client.sent.messages", "t")], 3.0);
    assert_eq!(seen[&name("kafka.producer.batches", "t")], 3.0);
    assert!(seen[&name("kafka.producer.sent.bytes", "t")] > 3.0 * 61.0);
    assert!(seen[&name("kafka.consumer.fetched.bytes", "t")] > 3.0 * 61.0);
    assert_eq!(seen[&name("kafka.consumer.lag", "t")], 0.0);
    assert_eq!(seen[&name("kafka.client.request.duration", "Produce")], 3.0);
    assert!(seen[&name("kafka.client.request.bytes", "Produce")] > 3.0 * 61.0);
    assert!(seen[&name("kafka.client.response.bytes", "Fetch")] > 3.0 * 61.0);
    let connected = name("kafka.client.connections", &broker.bootstrap());
    assert!(seen[&connected] >= 2.0);
    consumer.close().await.unwrap();
    producer.close().await.unwrap();
    client.close().await;
    let (_reserved, address) = reserve();
    let client = Client::new(ClientConfig::new(&address)).unwrap();
    assert!(client.check_connection().await.is_err());
    let seen = values(&snapshotter);
    let failures = seen.get(&name("kafka.client.connection.failures", &address));
    assert!(
        failures.is_some_and(|failures| *failures >= 1.0),
        "{seen:?}"
    );
}
