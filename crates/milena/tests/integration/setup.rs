//! What the tests share: a broker, an application at work, and looking at the outcome.

use std::future::Future;
use std::time::Duration;

use milena::testing::TestBroker;
use milena::{App, AppError, Config, Outgoing, Progress, Publisher};
use milena_client::admin::NewTopic;
use milena_client::consumer::{ConsumedRecord, Consumer, ConsumerConfig};
use milena_client::{Admin, Client, ClientConfig, TopicPartition};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

/// Nothing here takes longer unless it is broken.
pub(crate) const DEADLINE: Duration = Duration::from_secs(30);

pub(crate) async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(DEADLINE, future).await {
        Ok(output) => output,
        Err(_) => panic!("{what}: nothing for {DEADLINE:?}"),
    }
}

/// A broker, and a client to look at it from the side.
pub(crate) struct Bench {
    pub(crate) broker: TestBroker,
    pub(crate) client: Client,
    pub(crate) admin: Admin,
    pub(crate) publisher: Publisher,
}

impl Bench {
    pub(crate) async fn new() -> Bench {
        let broker = TestBroker::start().await.expect("a broker");
        let client =
            Client::new(ClientConfig::new(&broker.broker().bootstrap())).expect("a client");
        let publisher =
            Publisher::new(&broker.config("nobody").expect("a config")).expect("a publisher");
        Bench {
            admin: Admin::new(&client),
            broker,
            client,
            publisher,
        }
    }

    pub(crate) fn config(&self) -> Config {
        self.broker.config("group").expect("a config")
    }

    pub(crate) async fn create(&self, topic: &str, partitions: i32) {
        let topic = NewTopic::new(topic).partitions(partitions);
        self.admin.create_topic(topic).await.expect("a topic");
    }

    /// Publishes values to one partition, in order.
    pub(crate) async fn publish(
        &self,
        topic: &str,
        partition: i32,
        values: impl IntoIterator<Item = String>,
    ) {
        for value in values {
            let message = Outgoing::to(topic).partition(partition).value(value);
            drop(self.publisher.enqueue(&message).await.expect("taken"));
        }
        self.publisher.flush(DEADLINE).await.expect("flushed");
    }

    /// What the group has committed for a partition.
    pub(crate) async fn committed(&self, topic: &str, partition: i32) -> Option<i64> {
        let wanted = TopicPartition::new(topic, partition);
        let offsets = Box::pin(self.admin.committed_offsets("group")).await;
        let offsets = offsets.expect("offsets");
        offsets
            .into_iter()
            .find(|offset| offset.partition == wanted)
            .map(|offset| offset.offset)
    }

    /// Waits until the group has committed `offset` for each of the partitions.
    pub(crate) async fn until_committed(&self, topic: &str, partitions: i32, offset: i64) {
        within("everything is committed", async {
            for partition in 0..partitions {
                while self.committed(topic, partition).await != Some(offset) {
                    tokio::task::yield_now().await;
                }
            }
        })
        .await;
    }

    /// The partitions of a topic, as soon as it exists.
    async fn partitions(&self, topic: &str) -> Vec<TopicPartition> {
        loop {
            let described = Box::pin(self.admin.describe_topics(&[topic])).await;
            let described = described.expect("an answer");
            if let Some((_, Ok(description))) = described.into_iter().next() {
                let partitions = description.partitions.iter();
                return partitions
                    .map(|one| TopicPartition::new(topic, one.index))
                    .collect();
            }
            tokio::task::yield_now().await;
        }
    }

    /// Reads so many records of a topic from its beginning.
    pub(crate) async fn read(&self, topic: &str, count: usize) -> Vec<ConsumedRecord> {
        let partitions = within("the topic is there", self.partitions(topic)).await;
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

/// What handlers report, in the order of reporting.
pub(crate) fn reports<T>() -> (mpsc::Sender<T>, Reports<T>) {
    let (sender, receiver) = mpsc::channel(100_000);
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
