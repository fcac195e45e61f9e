//! The broker under test: an embedded one, or the cluster that `MILENA_TEST_BROKERS` names.
//!
//! Owns the client of a test and names that no other test uses. Knows no test.

use crate::raw;
use anyhow::{Context, Result};
use milena_broker::{Broker, Faults};
use milena_client::admin::{CreateMode, CreatedTopic, NewTopic};
use milena_client::consumer::{ConsumedRecord, Consumer, ConsumerConfig, OffsetReset};
use milena_client::producer::{Producer, ProducerConfig};
use milena_client::{Admin, Client, ClientConfig, TopicPartition};
use milena_wire::rpc::StrBytes;
use milena_wire::rpc::messages::metadata_request::MetadataRequestTopic;
use milena_wire::rpc::messages::{MetadataRequest, TopicName};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// Names the cluster under test; unset, each test starts an embedded broker.
pub const BROKERS_VARIABLE: &str = "MILENA_TEST_BROKERS";
/// No test takes longer, however slow the machine: it hangs.
const TEST_WAIT: Duration = Duration::from_secs(120);
/// How long a test waits for the next record before it says that one is missing.
const RECORD_WAIT: Duration = Duration::from_secs(30);
/// As `cargo xtask` configures it on Apache Kafka, too.
const AUTHORIZER: &str = "org.apache.kafka.metadata.authorizer.StandardAuthorizer";
/// One that all brokers under test speak.
const METADATA_VERSION: i16 = 8;
/// The pause before the same question is asked again.
const ASK_AGAIN: Duration = Duration::from_millis(10);

/// What a test runs against.
pub struct Target {
    embedded: Option<Broker>,
    client: Client,
    bootstrap: String,
}

/// Runs `test` against the target; fails when it hangs.
///
/// # Errors
/// Those of the test, and when it does not end in time.
pub async fn on_target<F, T>(test: F) -> Result<()>
where
    F: FnOnce(Arc<Target>) -> T,
    T: Future<Output = Result<()>>,
{
    on_target_with(&[], test).await
}

/// As [`on_target`]; an embedded broker has these properties.
///
/// # Errors
/// As [`on_target`].
pub async fn on_target_with<F, T>(properties: &[(&str, &str)], test: F) -> Result<()>
where
    F: FnOnce(Arc<Target>) -> T,
    T: Future<Output = Result<()>>,
{
    let target = Arc::new(Target::start_with(properties).await?);
    let outcome = tokio::time::timeout(TEST_WAIT, test(Arc::clone(&target))).await;
    outcome.with_context(|| format!("the test did not end within {TEST_WAIT:?}"))??;
    target.client.close().await;
    Ok(())
}

impl Target {
    /// Connects to the cluster, or starts a broker in this process.
    ///
    /// # Errors
    /// When there is none.
    pub async fn start() -> Result<Self> {
        Self::start_with(&[]).await
    }

    async fn start_with(properties: &[(&str, &str)]) -> Result<Self> {
        let (embedded, bootstrap) = match std::env::var(BROKERS_VARIABLE) {
            Ok(brokers) => (None, brokers),
            Err(_) => {
                // Tests wait for old records to go, and for sessions to end.
                let mut builder = Broker::builder()
                    .property("group.min.session.timeout.ms", "1000")?
                    .property("log.retention.check.interval.ms", "200")?
                    .property("log.cleaner.backoff.ms", "100")?
                    // Members of the new protocol hear of changes with their heartbeats.
                    .property("group.consumer.heartbeat.interval.ms", "200")?
                    .property("group.consumer.session.timeout.ms", "6000")?
                    .property("authorizer.class.name", AUTHORIZER)?
                    .property("allow.everyone.if.no.acl.found", "true")?;
                for (name, value) in properties {
                    builder = builder.property(name, value)?;
                }
                let broker = builder.start().await?;
                let bootstrap = broker.bootstrap();
                (Some(broker), bootstrap)
            }
        };
        let client = Client::new(ClientConfig::new(&bootstrap).client_id("milena-sim"))?;
        Ok(Self {
            embedded,
            client,
            bootstrap,
        })
    }

    /// `host:port`, comma-separated.
    pub fn bootstrap(&self) -> &str {
        &self.bootstrap
    }

    /// A client that the whole test shares.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Another client, with connections of its own.
    ///
    /// # Errors
    /// Those of the client.
    pub fn new_client(&self) -> Result<Client> {
        Ok(Client::new(ClientConfig::new(&self.bootstrap))?)
    }

    /// The administration of the cluster.
    pub fn admin(&self) -> Admin {
        Admin::new(&self.client)
    }

    /// The broker in this process, if it is no cluster: it takes orders.
    pub fn embedded(&self) -> Option<&Broker> {
        self.embedded.as_ref()
    }

    /// Orders faults; only an embedded broker can.
    pub fn faults(&self) -> Option<Faults> {
        self.embedded.as_ref().map(Broker::faults)
    }

    /// Creates a topic with a name of its own.
    ///
    /// # Errors
    /// When the cluster refuses.
    pub async fn topic(&self, prefix: &str, partitions: i32) -> Result<String> {
        let name = unique(prefix);
        let topic = NewTopic::new(&name).partitions(partitions);
        self.create(topic).await?;
        Ok(name)
    }

    /// As [`create_everywhere`].
    ///
    /// # Errors
    /// As [`create_everywhere`].
    pub async fn create(&self, topic: NewTopic) -> Result<CreatedTopic> {
        create_everywhere(&self.admin(), topic).await
    }

    /// A producer on the shared client.
    ///
    /// # Errors
    /// Those of the producer.
    pub fn producer(&self, config: ProducerConfig) -> Result<Producer> {
        Ok(Producer::new(&self.client, config)?)
    }

    /// A consumer of all partitions of `topic` from the beginning, without a group.
    ///
    /// # Errors
    /// Those of the consumer.
    pub async fn reader(&self, topic: &str, partitions: i32) -> Result<Consumer> {
        let config = ConsumerConfig::new().auto_offset_reset(OffsetReset::Earliest);
        let consumer = Consumer::new(&self.client, config)?;
        consumer.assign(all_partitions(topic, partitions)).await?;
        Ok(consumer)
    }

    /// Reads `count` records of `topic` from the beginning, and sees that no more come.
    ///
    /// # Errors
    /// When they do not come.
    pub async fn read(
        &self,
        topic: &str,
        partitions: i32,
        count: usize,
    ) -> Result<Vec<ConsumedRecord>> {
        let reader = self.reader(topic, partitions).await?;
        let records = take(&reader, count).await?;
        let mut ends = 0;
        for partition in all_partitions(topic, partitions) {
            let watermarks = reader.watermarks(&partition, RECORD_WAIT).await?;
            ends += usize::try_from(watermarks.high)?;
        }
        anyhow::ensure!(ends == count, "{topic} holds {ends} records, not {count}");
        reader.close().await?;
        Ok(records)
    }
}

/// Creates a topic, and waits until each node has heard of it: they follow the controller one after
/// the other, and any of them may be asked next.
///
/// # Errors
/// When the cluster refuses, or a node does not hear of it in time.
pub async fn create_everywhere(admin: &Admin, topic: NewTopic) -> Result<CreatedTopic> {
    let results = admin.create_topics(&[topic], CreateMode::Create).await?;
    let (name, created) = results.into_iter().next().context("no result")?;
    let created = created?;
    until_heard(admin, &name, 1).await?;
    Ok(created)
}

/// Waits until each node has heard that a topic has at least so many partitions.
///
/// # Errors
/// When a node does not hear of it in time.
pub async fn until_heard(admin: &Admin, topic: &str, partitions: usize) -> Result<()> {
    let asked = TopicName(StrBytes::from_string(topic.to_owned()));
    let asked = MetadataRequestTopic::default().with_name(Some(asked));
    let request = MetadataRequest::default()
        .with_topics(Some(vec![asked]))
        .with_allow_auto_topic_creation(false);
    for broker in admin.describe_cluster().await?.brokers {
        let what = format!("node {} has heard of {topic}", broker.node);
        eventually(&what, async || {
            let answer = raw::call(admin, broker.node, METADATA_VERSION, &request).await?;
            let mut topics = answer.topics.iter();
            let is_known = topics.all(|topic| topic.partitions.len() >= partitions);
            Ok(is_known.then_some(()))
        })
        .await?;
    }
    Ok(())
}

/// The next `count` records of a consumer.
///
/// # Errors
/// When one does not come, with how many came.
pub async fn take(consumer: &Consumer, count: usize) -> Result<Vec<ConsumedRecord>> {
    let mut records = Vec::with_capacity(count);
    let mut deadline = Instant::now() + RECORD_WAIT;
    while records.len() < count {
        let wait = deadline.saturating_duration_since(Instant::now());
        let next = consumer.consume_next(wait).await?;
        let missing = || format!("only {} of {count} records came", records.len());
        records.push(next.with_context(missing)?);
        deadline = Instant::now() + RECORD_WAIT;
    }
    Ok(records)
}

/// Asks again and again until there is an answer: brokers of a cluster learn of changes one after the
/// other. A retriable error of the client is no answer. No longer than any test may wait.
///
/// # Errors
/// Other errors of the question, and when there is no answer in time.
pub async fn eventually<T>(what: &str, ask: impl AsyncFnMut() -> Result<Option<T>>) -> Result<T> {
    eventually_within(RECORD_WAIT, what, ask).await
}

/// As [`eventually`], for as long as the caller says.
///
/// # Errors
/// As [`eventually`].
pub async fn eventually_within<T>(
    wait: Duration,
    what: &str,
    mut ask: impl AsyncFnMut() -> Result<Option<T>>,
) -> Result<T> {
    let deadline = Instant::now() + wait;
    loop {
        let is_late = Instant::now() >= deadline;
        let late = || format!("{what}: not within {wait:?}");
        match ask().await {
            Ok(Some(answer)) => return Ok(answer),
            Ok(None) => anyhow::ensure!(!is_late, late()),
            Err(error) if !is_retriable(&error) => return Err(error),
            Err(error) if is_late => return Err(error.context(late())),
            Err(_) => {}
        }
        tokio::time::sleep(ASK_AGAIN).await;
    }
}

/// As of a broker that has not heard of something yet.
fn is_retriable(error: &anyhow::Error) -> bool {
    let error = error.downcast_ref::<milena_client::Error>();
    error.is_some_and(milena_client::Error::is_retriable)
}

/// The first `partitions` partitions of a topic.
pub fn all_partitions(topic: &str, partitions: i32) -> Vec<TopicPartition> {
    let topic: Arc<str> = topic.into();
    (0..partitions)
        .map(|partition| TopicPartition {
            topic: Arc::clone(&topic),
            partition,
        })
        .collect()
}

/// A name that no other test or run uses: tests share a cluster, and clusters outlive runs.
pub fn unique(prefix: &str) -> String {
    format!("{prefix}-{:012x}", fastrand::u64(..) >> 16)
}
