//! What the consumer's tests share: clients, records to read, waiting for things to come true.

use std::time::Duration;

use milena_broker::Broker;
use milena_client::consumer::{ConsumedRecord, Consumer, ConsumerConfig, OffsetReset};
use milena_client::producer::{Producer, ProducerConfig, Record};
use milena_client::{Client, ClientConfig, TopicPartition};

/// Longer than anything here takes, on a busy machine too.
pub(crate) const LONG: Duration = Duration::from_secs(30);
/// How long to see that nothing comes.
pub(crate) const SHORT: Duration = Duration::from_millis(100);

/// A client with short pauses.
pub(crate) fn client(broker: &Broker) -> Client {
    let config = ClientConfig::new(&broker.bootstrap())
        .retry_backoff(Duration::from_millis(10), Duration::from_millis(100))
        .reconnect_backoff(Duration::from_millis(10), Duration::from_millis(100));
    Client::new(config).unwrap()
}

/// Reads from the start, outside of groups.
pub(crate) fn config() -> ConsumerConfig {
    ConsumerConfig::new().auto_offset_reset(OffsetReset::Earliest)
}

/// A consumer of these partitions of `topic`.
pub(crate) async fn assigned(
    client: &Client,
    config: ConsumerConfig,
    topic: &str,
    partitions: &[i32],
) -> Consumer {
    let consumer = Consumer::new(client, config).unwrap();
    let names = partitions
        .iter()
        .map(|index| TopicPartition::new(topic, *index));
    consumer.assign(names.collect()).await.unwrap();
    consumer
}

/// Writes values `from..to`, as decimal numbers, to one partition; each is acknowledged.
pub(crate) async fn produce(client: &Client, topic: &str, partition: i32, from: u32, to: u32) {
    let producer = Producer::new(client, ProducerConfig::default()).unwrap();
    let mut deliveries = Vec::new();
    for number in from..to {
        let value = number.to_string();
        let record = Record::to(topic).partition(partition).value(&value);
        deliveries.push(producer.enqueue(record).await.unwrap());
    }
    for delivery in deliveries {
        delivery.await.unwrap();
    }
    producer.close().await.unwrap();
}

/// The number in a record's value.
pub(crate) fn number(record: &ConsumedRecord) -> u32 {
    let value = record.value().unwrap();
    std::str::from_utf8(value).unwrap().parse().unwrap()
}

/// The numbers of the next `count` records.
pub(crate) async fn consume(consumer: &Consumer, count: usize) -> Vec<u32> {
    let mut numbers = Vec::new();
    while numbers.len() < count {
        let record = consumer.consume_next(LONG).await.unwrap();
        let record = record.unwrap_or_else(|| panic!("only {numbers:?} of {count} came"));
        numbers.push(number(&record));
    }
    numbers
}

/// Checks that nothing more comes.
pub(crate) async fn expect_nothing(consumer: &Consumer) {
    let record = consumer.consume_next(SHORT).await.unwrap();
    assert!(record.is_none(), "{record:?} came");
}

/// Waits until it is true.
pub(crate) async fn eventually(what: &str, mut is_true: impl FnMut() -> bool) {
    let deadline = tokio::time::Instant::now() + LONG;
    while !is_true() {
        assert!(
            tokio::time::Instant::now() < deadline,
            "not in time: {what}"
        );
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Broker settings for groups: no delay, short sessions.
pub(crate) const GROUP_PROPERTIES: &[(&str, &str)] = &[
    ("group.initial.rebalance.delay.ms", "0"),
    ("group.min.session.timeout.ms", "100"),
    ("num.partitions", "6"),
];

/// A member that hears of rebalances quickly and reads from the start.
pub(crate) fn group(group_id: &str) -> ConsumerConfig {
    ConsumerConfig::group(group_id)
        .auto_offset_reset(OffsetReset::Earliest)
        .heartbeat_interval(Duration::from_millis(50))
        .fetch_wait_max(SHORT)
}

/// A member of the group of `config`, subscribed to `t`.
pub(crate) async fn member(client: &Client, config: ConsumerConfig) -> Consumer {
    let consumer = Consumer::new(client, config).unwrap();
    consumer.subscribe(["t"]).await.unwrap();
    consumer
}

/// Waits until members have this many partitions each.
pub(crate) async fn eventually_share(members: &[(&Consumer, usize)]) {
    let is_so = || {
        members
            .iter()
            .all(|(member, count)| member.assignment().len() == *count)
    };
    eventually("partitions are shared", is_so).await;
}
