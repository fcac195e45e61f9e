//! What the tests share: a broker, an application at work, and looking at the outcome.
//!
//! The broker is an embedded one, a new one for each test, or the cluster that
//! `MILENA_TEST_BROKERS` names. A cluster is shared and outlives tests: there, every name is made
//! unique by a prefix.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use milena::testing::{Faults, TestBroker};
use milena::{
    App, AppError, Config, ConfigBuilder, Lifecycle, Outgoing, Progress, Publisher, Retry,
};
use milena_client::admin::{CreateMode, NewTopic, OffsetAt, TopicDescription};
use milena_client::consumer::{ConsumedRecord, Consumer, ConsumerConfig};
use milena_client::{Admin, Client, ClientConfig, TopicPartition};
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::task::JoinHandle;

/// Names the cluster under test; unset, each test starts an embedded broker.
const BROKERS_VARIABLE: &str = "MILENA_TEST_BROKERS";
/// Nothing here takes longer unless it is broken.
pub(crate) const DEADLINE: Duration = Duration::from_secs(30);
/// For failures that come again and again: the last of them soon.
pub(crate) const QUICK: Retry = Retry::fixed(Duration::from_millis(2)).attempts(3);
/// How often to look at what nobody reports.
const LOOK_INTERVAL: Duration = Duration::from_millis(5);

pub(crate) async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(DEADLINE, future).await {
        Ok(output) => output,
        Err(_) => panic!("{what}: nothing for {DEADLINE:?}"),
    }
}

/// Waits until something is so that nobody reports.
pub(crate) async fn until(what: &str, is_so: impl Fn() -> bool) {
    until_some(what, async || is_so().then_some(())).await;
}

/// As [`until`], where one has to ask: what the answer was that was waited for.
pub(crate) async fn until_some<T>(what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    within(what, async {
        loop {
            if let Some(answer) = ask().await {
                return answer;
            }
            tokio::time::sleep(LOOK_INTERVAL).await;
        }
    })
    .await
}

/// A broker, and a client to look at it from the side.
pub(crate) struct Bench {
    embedded: Option<TestBroker>,
    pub(crate) bootstrap: String,
    /// Before every topic of this test.
    prefix: String,
    pub(crate) group: String,
    pub(crate) client: Client,
    pub(crate) admin: Admin,
    pub(crate) publisher: Publisher,
}

impl Bench {
    pub(crate) async fn new() -> Bench {
        let (embedded, bootstrap, prefix) = match std::env::var(BROKERS_VARIABLE) {
            Ok(brokers) => (None, brokers, format!("t{:012x}.", fastrand::u64(..) >> 16)),
            Err(_) => {
                let broker = TestBroker::start().await.expect("a broker");
                let bootstrap = broker.broker().bootstrap();
                (Some(broker), bootstrap, String::new())
            }
        };
        let group = format!("{prefix}group");
        let client = Client::new(ClientConfig::new(&bootstrap)).expect("a client");
        let config = builder(&bootstrap, &prefix, &group).build();
        let publisher = Publisher::new(&config.expect("a config")).expect("a publisher");
        Bench {
            admin: Admin::new(&client),
            embedded,
            bootstrap,
            prefix,
            group,
            client,
            publisher,
        }
    }

    /// The broker's faults. A cluster takes no orders for any: what needs them is left out.
    pub(crate) fn faults(&self) -> Option<Faults> {
        if self.embedded.is_none() {
            eprintln!("left out: a cluster takes no orders for faults");
        }
        self.embedded
            .as_ref()
            .map(|broker| broker.broker().faults())
    }

    /// A topic as the cluster knows it.
    pub(crate) fn name(&self, topic: &str) -> String {
        format!("{}{topic}", self.prefix)
    }

    /// The configuration of an application or publisher on this broker.
    pub(crate) fn builder(&self) -> ConfigBuilder {
        builder(&self.bootstrap, &self.prefix, &self.group)
    }

    pub(crate) fn config(&self) -> Config {
        self.builder().build().expect("a config")
    }

    pub(crate) async fn create(&self, topic: &str, partitions: i32) {
        let topic = NewTopic::new(self.name(topic)).partitions(partitions);
        self.create_topic(topic).await;
    }

    /// Creates a topic, and waits until the broker has heard of it from the controller.
    pub(crate) async fn create_topic(&self, topic: NewTopic) {
        let created = self.admin.create_topics(&[topic], CreateMode::Create).await;
        let (name, created) = created.expect("an answer").remove(0);
        let id = created.expect("a topic").id;
        until_some("the topic is there", async || {
            let described = self.described(&name).await?;
            (described.id == id).then_some(())
        })
        .await;
    }

    /// A topic, if the broker knows it.
    async fn described(&self, name: &str) -> Option<TopicDescription> {
        let described = Box::pin(self.admin.describe_topics(&[name])).await;
        described.expect("an answer").remove(0).1.ok()
    }

    /// Publishes values to one partition, in order.
    pub(crate) async fn publish(
        &self,
        topic: &str,
        partition: i32,
        values: impl IntoIterator<Item = String>,
    ) {
        for value in values {
            let message = Outgoing::to(topic.to_owned())
                .partition(partition)
                .value(value);
            drop(self.publisher.enqueue(&message).await.expect("taken"));
        }
        self.publisher.flush(DEADLINE).await.expect("flushed");
    }

    /// What the group has committed for a partition.
    pub(crate) async fn committed(&self, topic: &str, partition: i32) -> Option<i64> {
        let wanted = TopicPartition::new(self.name(topic), partition);
        let offsets = Box::pin(self.admin.committed_offsets(&self.group)).await;
        let offsets = offsets.expect("offsets");
        offsets
            .into_iter()
            .find(|offset| offset.partition == wanted)
            .map(|offset| offset.offset)
    }

    /// Where the next record of a partition will be written.
    pub(crate) async fn end_offset(&self, topic: &str, partition: i32) -> i64 {
        let partition = [TopicPartition::new(self.name(topic), partition)];
        let listed = self.admin.list_offsets(&partition, OffsetAt::Latest);
        let listed = Box::pin(listed).await.expect("an answer").remove(0).1;
        listed.expect("an offset").expect("an end")
    }

    /// Waits until the group has committed `offset` for each of the partitions.
    pub(crate) async fn until_committed(&self, topic: &str, partitions: i32, offset: i64) {
        for partition in 0..partitions {
            until_some("everything is committed", async || {
                let committed = self.committed(topic, partition).await;
                (committed == Some(offset)).then_some(())
            })
            .await;
        }
    }

    /// The partitions of a topic, as soon as it exists.
    async fn partitions(&self, topic: &str) -> Vec<TopicPartition> {
        let topic = self.name(topic);
        until_some("the topic is there", async || {
            let partitions = self.described(&topic).await?.partitions.into_iter();
            let names = partitions.map(|one| TopicPartition::new(topic.as_str(), one.index));
            Some(names.collect())
        })
        .await
    }

    /// Reads so many records of a topic from its beginning.
    pub(crate) async fn read(&self, topic: &str, count: usize) -> Vec<ConsumedRecord> {
        let partitions = self.partitions(topic).await;
        let config = ConsumerConfig::new().auto_offset_reset(milena::OffsetReset::Earliest);
        let consumer = Consumer::new(&self.client, config).expect("a consumer");
        consumer.assign(partitions).await.expect("assigned");
        let mut records = Vec::new();
        while records.len() < count {
            let next = consumer.consume_next(DEADLINE).await.expect("a record");
            records.push(next.expect("a record in time"));
        }
        records
    }
}

fn builder(bootstrap: &str, prefix: &str, group: &str) -> ConfigBuilder {
    Config::builder()
        .bootstrap_servers(bootstrap)
        .topic_prefix(prefix)
        .group_id(group)
        .commit_interval(Duration::from_millis(50))
        .revocation_timeout(Duration::from_secs(5))
        .shutdown_timeout(Duration::from_secs(5))
}

/// An application at work.
pub(crate) struct Running {
    pub(crate) progress: Progress,
    stop: oneshot::Sender<()>,
    pub(crate) task: JoinHandle<Result<(), AppError>>,
}

impl Running {
    pub(crate) fn start<S: Clone + Send + Sync + 'static>(app: App<S>) -> Running {
        let progress = app.progress();
        let (stop, stopped) = oneshot::channel::<()>();
        let task = tokio::spawn(app.run_until(async {
            let _ = stopped.await;
        }));
        Running {
            progress,
            stop,
            task,
        }
    }

    /// Stops gracefully.
    pub(crate) async fn stop(self) -> Result<(), AppError> {
        drop(self.stop);
        within("the application stops", self.task)
            .await
            .expect("no panic")
    }

    /// Waits until the application ends by itself.
    pub(crate) async fn ended(self) -> Result<(), AppError> {
        within("the application ends", self.task)
            .await
            .expect("no panic")
    }
}

/// Tells when an application begins to stop: a hook of it.
#[derive(Clone, Default)]
pub(crate) struct Stopping(pub(crate) Arc<Notify>);

impl Lifecycle for Stopping {
    fn stopping(&self) {
        self.0.notify_one();
    }
}

/// What handlers report, in the order of reporting.
pub(crate) fn reports<T>() -> (mpsc::Sender<T>, Reports<T>) {
    few_reports(100_000)
}

/// As [`reports`]; handlers wait when so many were not taken yet.
pub(crate) fn few_reports<T>(capacity: usize) -> (mpsc::Sender<T>, Reports<T>) {
    let (sender, receiver) = mpsc::channel(capacity);
    (sender, Reports { receiver })
}

pub(crate) struct Reports<T> {
    receiver: mpsc::Receiver<T>,
}

impl<T> Reports<T> {
    pub(crate) async fn next(&mut self) -> T {
        within("a report", self.receiver.recv())
            .await
            .expect("a handler")
    }

    pub(crate) async fn take(&mut self, count: usize) -> Vec<T> {
        let mut reports = Vec::new();
        while reports.len() < count {
            reports.push(self.next().await);
        }
        reports
    }

    /// What was reported by now.
    pub(crate) fn rest(&mut self) -> Vec<T> {
        std::iter::from_fn(|| self.receiver.try_recv().ok()).collect()
    }
}

/// `count` numbers as texts.
pub(crate) fn numbers(count: usize) -> impl Iterator<Item = String> {
    (0..count).map(|number| number.to_string())
}
