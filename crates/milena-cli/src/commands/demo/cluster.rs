//! The cluster the demo runs on, embedded or not, and the topics it has there.

use milena::Config;
use milena_broker::Broker;
use milena_client::admin::{CreateMode, NewTopic};
use milena_client::config::Properties;
use milena_client::consumer::{Consumer, ConsumerConfig};
use milena_client::{Admin, Client, ClientConfig, TopicPartition};

use crate::cluster::connect;
use crate::failure::Failure;

/// A cluster with a topic of the demo's own.
pub(super) struct Cluster {
    broker: Option<Broker>,
    bootstrap: String,
    client: Client,
    admin: Admin,
    topic: String,
    dead_letter_topic: String,
    group: String,
    partitions: i32,
}

impl Cluster {
    /// Starts a broker, unless one is named, and creates the topic.
    pub(super) async fn open(brokers: Option<&str>, partitions: i32) -> Result<Cluster, Failure> {
        let broker = match brokers {
            Some(_) => None,
            None => Some(embedded().await?),
        };
        let bootstrap = match (&broker, brokers) {
            (Some(broker), _) => broker.bootstrap(),
            (None, named) => named.unwrap_or_default().to_owned(),
        };
        let mut properties = Properties::new([
            ("bootstrap.servers", bootstrap.as_str()),
            ("client.id", "milena-demo"),
        ]);
        let client = connect(ClientConfig::take_from(&mut properties)?).await?;
        let name = format!("milena-demo-{:08x}", std::process::id() ^ clock_bits());
        let cluster = Cluster {
            broker,
            bootstrap,
            admin: Admin::new(&client),
            client,
            dead_letter_topic: format!("{name}.dlq"),
            group: name.clone(),
            topic: name,
            partitions,
        };
        let topics = [&cluster.topic, &cluster.dead_letter_topic]
            .map(|name| NewTopic::new(name).partitions(partitions));
        for (_, created) in cluster
            .admin
            .create_topics(&topics, CreateMode::Create)
            .await?
        {
            created?;
        }
        Ok(cluster)
    }

    pub(super) fn topic(&self) -> &str {
        &self.topic
    }

    pub(super) fn dead_letter_topic(&self) -> &str {
        &self.dead_letter_topic
    }

    pub(super) fn partitions(&self) -> usize {
        usize::try_from(self.partitions).unwrap_or(0)
    }

    /// The application's configuration on this cluster.
    pub(super) fn config(&self) -> Result<Config, Failure> {
        Config::builder()
            .bootstrap_servers(&self.bootstrap)
            .client_id("milena-demo")
            .group_id(&self.group)
            .build()
            .map_err(|error| Failure::usage(format!("--brokers: {error}")))
    }

    /// A consumer outside of any group.
    pub(super) fn consumer(&self) -> Result<Consumer, Failure> {
        Ok(Consumer::new(&self.client, ConsumerConfig::new())?)
    }

    /// The dead letter topic's partitions.
    pub(super) fn dead_letter_partitions(&self) -> Vec<TopicPartition> {
        self.partitions_of(&self.dead_letter_topic)
    }

    fn partitions_of(&self, topic: &str) -> Vec<TopicPartition> {
        (0..self.partitions)
            .map(|index| TopicPartition::new(topic, index))
            .collect()
    }

    /// Where each of the partitions ends.
    pub(super) async fn ends(
        &self,
        partitions: &[TopicPartition],
    ) -> Result<Vec<(TopicPartition, i64)>, Failure> {
        let at = milena_client::admin::OffsetAt::Latest;
        let mut ends = Vec::new();
        for (partition, end) in self.admin.list_offsets(partitions, at).await? {
            ends.push((partition, end?.unwrap_or(0)));
        }
        Ok(ends)
    }

    /// How many records the group has not committed, from what is committed and where the
    /// partitions end.
    pub(super) async fn lag(&self) -> Result<i64, Failure> {
        let lags = self.admin.group_lag(&self.group).await?;
        let mut ends = 0;
        let mut committed = 0;
        let all = self.partitions_of(&self.topic);
        for (partition, end) in self.ends(&all).await? {
            let lag = lags.iter().find(|lag| lag.partition == partition);
            ends += end;
            committed += lag.and_then(|lag| lag.committed).unwrap_or(0);
        }
        Ok(ends - committed)
    }

    /// Deletes what the demo made on a cluster that outlives it, and stops one that does
    /// not.
    pub(super) async fn close(self, keep: bool) -> Result<(), Failure> {
        let mut result = Ok(());
        if self.broker.is_none() && !keep {
            let topics = [self.topic.as_str(), self.dead_letter_topic.as_str()];
            result = self.delete(&topics).await;
        }
        self.client.close().await;
        if let Some(broker) = self.broker {
            broker.stop().await;
        }
        result
    }

    async fn delete(&self, topics: &[&str]) -> Result<(), Failure> {
        for (_, deleted) in self.admin.delete_topics(topics).await? {
            deleted?;
        }
        Ok(())
    }
}

async fn embedded() -> Result<Broker, Failure> {
    let failed = |error| Failure::run(format!("the embedded broker: {error}"));
    Broker::builder()
        .property("group.initial.rebalance.delay.ms", "0")
        .map_err(failed)?
        .start()
        .await
        .map_err(failed)
}

/// Different each time, so that names are.
fn clock_bits() -> u32 {
    std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |since| since.subsec_nanos() ^ since.as_secs() as u32)
}
