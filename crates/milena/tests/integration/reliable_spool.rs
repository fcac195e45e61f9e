//! Messages on disk while the cluster is gone: nothing is lost, keys stay in order, processes
//! may end meanwhile.

use std::collections::{BTreeMap, HashSet};
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use milena::testing::{ApiKey, Broker, BrokerBuilder, ErrorCode, Fault, Storage};
use milena::{
    Breaker, Config, Delivered, DeliveryContext, DeliveryObserver, DeliveryStatus, Outgoing,
    PublishError, Publisher, RecordMetadata, ReliableBuilder, ReliablePublisher, Retry, Spool,
    SpoolError, SpoolSync, dead_letter,
};
use milena_client::consumer::{ConsumedRecord, Consumer, ConsumerConfig};
use milena_client::{Client, ClientConfig, TopicPartition};
use tempfile::TempDir;

use crate::reserved::Reserved;
use crate::setup::{DEADLINE, until, within};

const KEYS: usize = 5;

/// A broker that goes and comes back, where it was and with what it had.
struct Cluster {
    directory: TempDir,
    reserved: Reserved,
    broker: Option<Broker>,
}

impl Cluster {
    async fn new() -> Cluster {
        let mut cluster = Cluster {
            directory: tempfile::tempdir().expect("a directory"),
            reserved: Reserved::new(),
            broker: None,
        };
        cluster.start().await;
        cluster
    }

    fn builder(&self) -> BrokerBuilder {
        let storage = Storage::Directory(self.directory.path().join("broker"));
        let builder = Broker::builder().listen(self.address()).storage(storage);
        let builder = builder.property("num.partitions", "3");
        builder.expect("a property")
    }

    async fn start(&mut self) {
        let broker = self.builder().start().await.expect("a broker");
        self.broker = Some(broker);
    }

    fn address(&self) -> String {
        self.reserved.address().to_string()
    }

    async fn stop(&mut self) {
        if let Some(broker) = self.broker.take() {
            broker.stop().await;
        }
    }

    fn faults(&self) -> milena::testing::Faults {
        self.broker.as_ref().expect("a broker").faults()
    }

    fn spool(&self) -> Spool {
        Spool::at(self.directory.path().join("spool"))
    }

    fn publisher(&self) -> ReliableBuilder {
        hasty(&self.address()).spool(self.spool())
    }

    /// All records of the topic, by key, in order.
    async fn values(&self, topic: &str, at_least: usize) -> BTreeMap<String, Vec<String>> {
        let client = Client::new(ClientConfig::new(&self.address())).expect("a client");
        let config = ConsumerConfig::new().auto_offset_reset(milena::OffsetReset::Earliest);
        let consumer = Consumer::new(&client, config).expect("a consumer");
        let partitions = (0..3).map(|partition| TopicPartition::new(topic, partition));
        consumer
            .assign(partitions.collect())
            .await
            .expect("assigned");
        let (mut values, mut seen) = (BTreeMap::<_, Vec<_>>::new(), HashSet::new());
        while seen.len() < at_least {
            let record = within("a record", consumer.consume_next(DEADLINE)).await;
            let record = record.expect("an answer").expect("a record");
            let (key, value) = (text(record.key()), text(record.value()));
            seen.insert((key.clone(), value.clone()));
            values.entry(key).or_default().push(value);
        }
        values
    }
}

/// A publisher whose attempts end soon.
fn hasty(address: &str) -> ReliableBuilder {
    let config = Config::builder()
        .bootstrap_servers(address)
        .set("request.timeout.ms", "200")
        .set("delivery.timeout.ms", "300")
        .set("max.block.ms", "500")
        .set("reconnect.backoff.max.ms", "100")
        .build()
        .expect("a config");
    Publisher::new(&config)
        .expect("a publisher")
        .reliable()
        .retry(Retry::fixed(Duration::from_millis(20)).attempts(1000))
        .breaker(Breaker::after(3).pause(Duration::from_millis(100)))
}

fn text(bytes: Option<&[u8]>) -> String {
    String::from_utf8_lossy(bytes.unwrap_or_default()).into_owned()
}

fn header(record: &ConsumedRecord, name: &str) -> Option<String> {
    let header = record.headers().get_last(name)?;
    Some(String::from_utf8_lossy(header.value?).into_owned())
}

/// Publishes the next number of each key.
async fn publish(publisher: &ReliablePublisher, number: usize) {
    for key in 0..KEYS {
        let message = Outgoing::to("orders").key(key.to_string());
        let message = message.value(number.to_string());
        publisher.publish(message).await.expect("taken");
    }
}

/// Of each key every number is there, and the first of each in order.
fn assert_in_order(values: &BTreeMap<String, Vec<String>>, count: usize) {
    assert_eq!(values.len(), KEYS);
    for (key, values) in values {
        let mut seen = HashSet::new();
        let firsts = values.iter().filter(|value| seen.insert(*value));
        let expected: Vec<String> = (0..count).map(|number| number.to_string()).collect();
        let (firsts, count): (Vec<_>, _) = (firsts.collect(), values.len());
        let wrong = firsts
            .iter()
            .zip(&expected)
            .position(|(one, other)| *one != other);
        assert_eq!(
            (wrong, firsts.len()),
            (None, expected.len()),
            "key {key} of {count}"
        );
    }
}

#[derive(Clone, Default)]
struct Told(Arc<Mutex<BTreeMap<&'static str, usize>>>);

impl Told {
    fn tell(&self, what: &'static str) {
        *self.0.lock().expect("no panic").entry(what).or_default() += 1;
    }

    fn count(&self, what: &str) -> usize {
        let told = self.0.lock().expect("no panic");
        told.get(what).copied().unwrap_or_default()
    }
}

impl DeliveryObserver for Told {
    fn on_success(&self, context: &DeliveryContext, _written: &RecordMetadata) {
        assert_eq!(context.status(), DeliveryStatus::Success);
        self.tell("success");
    }

    fn on_spooled(&self, context: &DeliveryContext) {
        assert_eq!(context.status(), DeliveryStatus::Spooled);
        self.tell("spooled");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_cluster_is_gone_messages_wait_on_disk_in_order() {
    let mut cluster = Cluster::new().await;
    let told = Told::default();
    let publisher = cluster.publisher().observer(told.clone()).build().unwrap();
    publish(&publisher, 0).await;
    publisher.flush(DEADLINE).await.unwrap();
    // Where the machine is so busy that an attempt fails, it has been spooled.
    publisher.until_replayed(DEADLINE).await.unwrap();
    cluster.stop().await;
    // Taken while nobody knows yet that the cluster is gone.
    for number in 1..10 {
        publish(&publisher, number).await;
    }
    publisher.flush(DEADLINE).await.unwrap();
    assert_eq!(publisher.counts().spooled, 9 * KEYS as u64);
    // Taken while everybody knows.
    for number in 10..20 {
        publish(&publisher, number).await;
    }
    let health = publisher.health();
    let counts = health.counts;
    assert_eq!((counts.spooled, counts.pending()), (19 * KEYS as u64, 0));
    assert!(!health.is_healthy() && !health.is_connected, "{health:?}");
    assert!(health.oldest_waiting.is_some());
    let spool = health.spool.expect("a spool");
    assert!(spool.is_spooling && spool.bytes > 0 && spool.messages == counts.spooled);
    let end = publisher.deliver(Outgoing::to("orders").key("0").value("20"));
    assert_eq!(within("spooled", end).await.unwrap(), Delivered::Spooled);
    assert_eq!(told.count("spooled"), 19 * KEYS + 1);
    cluster.start().await;
    for key in 1..KEYS {
        let message = Outgoing::to("orders").key(key.to_string()).value("20");
        publisher.publish(message).await.unwrap();
    }
    publisher.until_replayed(DEADLINE).await.unwrap();
    until("it is well again", || publisher.health().is_healthy()).await;
    let health = publisher.health();
    assert!(health.is_connected && health.oldest_waiting.is_none());
    for number in 21..30 {
        publish(&publisher, number).await;
    }
    let counts = publisher.close(DEADLINE).await;
    let all = 30 * KEYS as u64;
    assert_eq!(
        (counts.accepted, counts.delivered),
        (all, all),
        "{counts:?}"
    );
    assert_eq!((counts.spooled, counts.pending(), counts.failed), (0, 0, 0));
    assert_eq!(told.count("success"), 30 * KEYS);
    assert_in_order(&cluster.values("orders", 30 * KEYS).await, 30);
}

/// Publishing goes on all the time, while the spool is emptied and new messages are let past.
#[tokio::test(flavor = "multi_thread")]
async fn the_replay_catches_up_with_publishing() {
    let mut cluster = Cluster::new().await;
    let publisher = cluster.publisher().build().unwrap();
    publish(&publisher, 0).await;
    publisher.flush(DEADLINE).await.unwrap();
    let faults = cluster.faults();
    faults.always(ApiKey::Produce, Fault::Fail(ErrorCode::NotEnoughReplicas));
    let mut count = 1;
    while publisher.counts().spooled < 2_000 {
        publish(&publisher, count).await;
        count += 1;
    }
    // One that fails while those behind it get through would be the exception to the order.
    publisher.flush(DEADLINE).await.unwrap();
    faults.clear();
    within("the spool is empty and new messages go past it", async {
        while publisher.counts().spooled > 0 {
            publish(&publisher, count).await;
            count += 1;
        }
    })
    .await;
    let counts = publisher.close(DEADLINE).await;
    assert_eq!(counts.delivered, (count * KEYS) as u64, "{counts:?}");
    assert_in_order(&cluster.values("orders", count * KEYS).await, count);
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_later_process_replays_what_was_left() {
    let mut cluster = Cluster::new().await;
    let publisher = cluster.publisher().build().unwrap();
    publish(&publisher, 0).await;
    publisher.flush(DEADLINE).await.unwrap();
    // A broker that is slow to begin with looks like one that is gone.
    publisher.until_replayed(DEADLINE).await.unwrap();
    cluster.stop().await;
    for number in 1..40 {
        publish(&publisher, number).await;
    }
    let counts = publisher.close(Duration::ZERO).await;
    assert_eq!((counts.accepted, counts.delivered), (40 * 5, 5));
    assert_eq!(
        (counts.spooled, counts.failed, counts.pending()),
        (39 * 5, 0, 0)
    );
    let refused = publisher.publish(Outgoing::to("orders")).await;
    assert!(
        matches!(refused, Err(PublishError::Produce(_))),
        "{refused:?}"
    );

    let publisher = cluster.publisher().build().unwrap();
    let second = cluster.publisher().build().map(drop);
    let in_use = matches!(second, Err(PublishError::Spool(SpoolError::InUse { .. })));
    assert!(in_use, "{second:?}");
    assert_eq!(publisher.counts().recovered, 39 * 5);
    // Behind what was left.
    publish(&publisher, 40).await;
    cluster.start().await;
    publisher.until_replayed(DEADLINE).await.unwrap();
    let counts = publisher.close(DEADLINE).await;
    assert_eq!(
        (counts.accepted, counts.delivered),
        (5, 40 * 5),
        "{counts:?}"
    );
    assert_in_order(&cluster.values("orders", 41 * KEYS).await, 41);
}

/// Nothing is known of any topic, and no broker to ask.
#[tokio::test(flavor = "multi_thread")]
async fn a_publisher_that_starts_without_a_cluster_spools() {
    let mut cluster = Cluster::new().await;
    cluster.stop().await;
    let publisher = cluster.publisher().breaker(Breaker::after(1000));
    let publisher = publisher.build().unwrap();
    publish(&publisher, 0).await;
    publish(&publisher, 1).await;
    assert_eq!(publisher.counts().spooled, 10);
    cluster.start().await;
    publisher.until_replayed(DEADLINE).await.unwrap();
    assert_eq!(publisher.close(DEADLINE).await.delivered, 10);
    assert_in_order(&cluster.values("orders", 10).await, 2);
}

const CHILD_VARIABLE: &str = "MILENA_TEST_SPOOL_CHILD";

/// Run by the next test in a process of its own, and nothing otherwise.
#[test]
fn child_that_ends_without_warning() {
    let Ok(place) = std::env::var(CHILD_VARIABLE) else {
        return;
    };
    let (address, directory) = place.split_once(' ').expect("both");
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let spool = Spool::at(directory).sync(SpoolSync::Always);
        let publisher = hasty(address).spool(spool).build().expect("a publisher");
        for number in 0..50 {
            publish(&publisher, number).await;
        }
        within("all are spooled", publisher.flush(DEADLINE))
            .await
            .expect("flushed");
    });
    std::process::abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_process_leaves_what_it_spooled() {
    let mut cluster = Cluster::new().await;
    let first = cluster.publisher().build().unwrap();
    // Makes the topic.
    first
        .deliver(Outgoing::to("orders").partition(0))
        .await
        .unwrap();
    first.until_replayed(DEADLINE).await.unwrap();
    first.close(DEADLINE).await;
    cluster
        .faults()
        .always(ApiKey::Produce, Fault::Fail(ErrorCode::NotEnoughReplicas));
    let directory = cluster.directory.path().join("spool");
    let status = child(&cluster.address(), &directory).await;
    assert!(!status.success());
    cluster.stop().await;
    cluster.start().await;
    let publisher = cluster.publisher().build().unwrap();
    assert_eq!(publisher.counts().recovered, 50 * KEYS as u64);
    publisher.until_replayed(DEADLINE).await.unwrap();
    publisher.close(DEADLINE).await;
    let mut values = cluster.values("orders", 50 * KEYS + 1).await;
    values.remove("");
    assert_in_order(&values, 50);
}

async fn child(address: &str, directory: &Path) -> std::process::ExitStatus {
    let mut command = Command::new(std::env::current_exe().expect("this test"));
    command
        .args(["--exact", "reliable_spool::child_that_ends_without_warning"])
        .env(CHILD_VARIABLE, format!("{address} {}", directory.display()))
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null());
    let ended = tokio::task::spawn_blocking(move || command.status());
    within("the child ends", ended)
        .await
        .expect("no panic")
        .expect("started")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_spool_is_an_error_to_the_publisher() {
    let mut cluster = Cluster::new().await;
    let publisher = cluster.publisher().spool(cluster.spool().bytes_max(0));
    let publisher = publisher.build().unwrap();
    publish(&publisher, 0).await;
    publisher.flush(DEADLINE).await.unwrap();
    // A broker that is slow to begin with looks like one that is gone.
    publisher.until_replayed(DEADLINE).await.unwrap();
    cluster.stop().await;
    publish(&publisher, 1).await;
    publisher.flush(DEADLINE).await.unwrap();
    let message = Outgoing::to("orders").key("0").value(vec![0_u8; 100_000]);
    let mut taken = 0;
    let refused = loop {
        match publisher.publish(message.clone()).await {
            Ok(_) => taken += 1,
            Err(error) => break error,
        }
    };
    let is_full = matches!(refused, PublishError::Spool(SpoolError::Full { .. }));
    assert!(is_full, "{refused:?}");
    let counts = publisher.close(Duration::ZERO).await;
    assert_eq!(counts.accepted, taken + 2 * KEYS as u64);
    assert_eq!(counts.spooled, taken + KEYS as u64, "{counts:?}");
    assert_eq!((counts.pending(), counts.failed), (0, 0));
}

/// No dead letters and no attempts left, with a breaker that stays closed: the last resort.
#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_takes_is_spooled_at_last() {
    let cluster = Cluster::new().await;
    let publisher = cluster
        .publisher()
        .retry(Retry::none())
        .breaker(Breaker::after(1000))
        .no_dead_letters()
        .build()
        .unwrap();
    publish(&publisher, 0).await;
    publisher.flush(DEADLINE).await.unwrap();
    let faults = cluster.faults();
    faults.always(ApiKey::Produce, Fault::Fail(ErrorCode::NotEnoughReplicas));
    let message = Outgoing::to("orders").key("0").value("1");
    let end = within("an end", publisher.deliver(message)).await.unwrap();
    assert_eq!(end, Delivered::Spooled);
    faults.clear();
    publisher.until_replayed(DEADLINE).await.unwrap();
    let counts = publisher.close(DEADLINE).await;
    assert_eq!((counts.delivered, counts.pending()), (6, 0), "{counts:?}");
}

/// A message that can never be written, met while the cluster is gone: its dead letter waits
/// on disk with it.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_refused_for_good_is_a_dead_letter_after_the_spool() {
    let mut cluster = Cluster::new().await;
    let publisher = cluster.publisher().build().unwrap();
    publish(&publisher, 0).await;
    publisher.flush(DEADLINE).await.unwrap();
    cluster.stop().await;
    let message = Outgoing::to("orders").id("lost").partition(99).value("v");
    let end = within("an end", publisher.deliver(message)).await.unwrap();
    assert_eq!(end, Delivered::Spooled);
    publish(&publisher, 1).await;
    cluster.start().await;
    publisher.until_replayed(DEADLINE).await.unwrap();
    let counts = publisher.close(DEADLINE).await;
    assert_eq!(
        (counts.delivered, counts.dead_lettered),
        (10, 1),
        "{counts:?}"
    );
    assert_in_order(&cluster.values("orders", 2 * KEYS).await, 2);
    let client = Client::new(ClientConfig::new(&cluster.address())).unwrap();
    let config = ConsumerConfig::new().auto_offset_reset(milena::OffsetReset::Earliest);
    let consumer = Consumer::new(&client, config).unwrap();
    let partitions = (0..3).map(|partition| TopicPartition::new("orders.dlq", partition));
    consumer.assign(partitions.collect()).await.unwrap();
    let letter = within("the letter", consumer.consume_next(DEADLINE)).await;
    let letter = letter.unwrap().unwrap();
    assert_eq!(
        header(&letter, dead_letter::MESSAGE_ID).as_deref(),
        Some("lost")
    );
    let code = header(&letter, dead_letter::FAILURE_CODE);
    assert_eq!(code.as_deref(), Some("no-such-partition"));
}

/// What the configuration says is what a builder starts from.
#[tokio::test(flavor = "multi_thread")]
async fn a_spool_and_a_breaker_by_configuration() {
    let mut cluster = Cluster::new().await;
    let directory = cluster.directory.path().join("spool");
    let config = Config::builder()
        .bootstrap_servers(cluster.address())
        .properties([
            ("request.timeout.ms", "200"),
            ("delivery.timeout.ms", "300"),
            ("max.block.ms", "500"),
            ("milena.publisher.breaker.failures", "1"),
            ("milena.publisher.breaker.pause.ms", "100"),
            ("milena.publisher.retry.attempts", "1"),
            ("milena.publisher.dead.letters", "false"),
        ])
        .set(
            "milena.publisher.spool.directory",
            &directory.to_string_lossy(),
        )
        .build()
        .unwrap();
    let publisher = Publisher::new(&config).unwrap().reliable().build().unwrap();
    publish(&publisher, 0).await;
    publisher.flush(DEADLINE).await.unwrap();
    cluster.stop().await;
    publish(&publisher, 1).await;
    publisher.flush(DEADLINE).await.unwrap();
    assert_eq!(publisher.counts().spooled, KEYS as u64);
    assert!(directory.join("failed.spool").exists());
    cluster.start().await;
    publisher.until_replayed(DEADLINE).await.unwrap();
    assert_eq!(publisher.close(DEADLINE).await.delivered, 2 * KEYS as u64);
}
