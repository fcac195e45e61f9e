//! The broker under test: an embedded one, or the cluster that `MILENA_TEST_BROKERS` names.
//!
//! Owns the client of a test and names that no other test uses. Knows no test.

use anyhow::{Context, Result};
use milena_broker::{Broker, Faults};
use milena_client::admin::NewTopic;
use milena_client::consumer::{ConsumedRecord, Consumer, ConsumerConfig, OffsetReset};
use milena_client::producer::{Producer, ProducerConfig};
use milena_client::{Admin, Client, ClientConfig, TopicPartition};
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
        self.admin().create_topic(topic).await?;
        Ok(name)
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
/// other. No longer than any test may wait.
///
/// # Errors
/// Those of the question, and when there is no answer in time.
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
        if let Some(answer) = ask().await? {
            return Ok(answer);
        }
        anyhow::ensure!(Instant::now() < deadline, "{what}: not within {wait:?}");
        tokio::time::sleep(ASK_AGAIN).await;
    }
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
