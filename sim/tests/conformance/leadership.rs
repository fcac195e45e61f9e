//! Leaders that move: who follows them, what it costs, and what commits tell of them (KIP-320,
//! KIP-951).

use anyhow::{Context, Result, ensure};
use metrics_util::debugging::{DebugValue, DebuggingRecorder, Snapshotter};
use milena_client::admin::{ElectionType, NewOffset, NewReplicas, NewTopic};
use milena_client::consumer::{Consumer, ConsumerConfig, OffsetReset};
use milena_client::producer::{Producer, ProducerConfig, Record};
use milena_client::{Client, ClientConfig, NodeId};
use milena_sim::target::{Target, all_partitions, eventually, on_target, take, unique};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};

const MOVES: usize = 4;
const WAIT: Duration = Duration::from_secs(30);

/// A topic of one partition that every node holds, as far as three go.
async fn topic_on_all(target: &Target) -> Result<(String, usize)> {
    let nodes = target.admin().describe_cluster().await?.brokers.len();
    let name = unique("leaders");
    let replicas = i16::try_from(nodes.min(3))?;
    let topic = NewTopic::new(&name)
        .partitions(1)
        .replication_factor(replicas);
    target.create(topic).await?;
    Ok((name, nodes))
}

/// Has another leader take over the topic's one partition.
async fn move_leader(target: &Target, topic: &str) -> Result<()> {
    if let Some(broker) = target.embedded() {
        broker.elect_leader(topic, 0)?;
        return Ok(());
    }
    let admin = target.admin();
    let partition = all_partitions(topic, 1).remove(0);
    let mut described = admin.describe_topics(&[topic]).await?.remove(0).1?;
    let mut replicas: Vec<NodeId> = described.partitions.remove(0).replicas;
    replicas.rotate_left(1);
    let moves = [(partition.clone(), NewReplicas::On(replicas.clone()))];
    admin.reassign_partitions(&moves).await.remove(0).1?;
    let asked = [partition];
    eventually("the next replica leads", async || {
        admin
            .elect_leaders(ElectionType::Preferred, Some(&asked))
            .await?;
        let described = admin.describe_topics(&[topic]).await?.remove(0).1?;
        Ok((described.partitions[0].leader == replicas.first().copied()).then_some(()))
    })
    .await
}

/// A producer and a consumer on a thread of their own, where their requests are counted.
struct Watched {
    asks: mpsc::Sender<oneshot::Sender<Result<usize>>>,
}

impl Watched {
    fn start(bootstrap: &str, topic: &str) -> Self {
        let (asks, asked) = mpsc::channel(1);
        let (bootstrap, topic) = (bootstrap.to_owned(), topic.to_owned());
        std::thread::spawn(move || {
            let recorder = DebuggingRecorder::new();
            let snapshotter = recorder.snapshotter();
            metrics::with_local_recorder(&recorder, || {
                let runtime = tokio::runtime::Builder::new_current_thread()
                    .enable_all()
                    .build()?;
                runtime.block_on(watch(&bootstrap, &topic, asked, &snapshotter))
            })
        });
        Self { asks }
    }

    /// Sends a record and reads it; gives how often metadata was asked for since the last time.
    async fn round_trip(&self) -> Result<usize> {
        let (answer, answered) = oneshot::channel();
        self.asks.send(answer).await.context("it has ended")?;
        answered.await.context("it has ended")?
    }
}

async fn watch(
    bootstrap: &str,
    topic: &str,
    mut asked: mpsc::Receiver<oneshot::Sender<Result<usize>>>,
    snapshotter: &Snapshotter,
) -> Result<()> {
    let config = ClientConfig::new(bootstrap).metadata_max_age(Duration::from_secs(3600));
    let client = Client::new(config)?;
    let producer = Producer::new(&client, ProducerConfig::default())?;
    let config = ConsumerConfig::new().auto_offset_reset(OffsetReset::Earliest);
    let consumer = Consumer::new(&client, config)?;
    consumer.assign(all_partitions(topic, 1)).await?;
    while let Some(answer) = asked.recv().await {
        let outcome = async {
            producer.send(Record::to(topic).value("v")).await?;
            let record = consumer.consume_next(WAIT).await?;
            record.context("the record did not come")?;
            Ok(metadata_requests(snapshotter))
        };
        let _asker_gone = answer.send(outcome.await);
    }
    client.close().await;
    Ok(())
}

fn metadata_requests(snapshotter: &Snapshotter) -> usize {
    let mut count = 0;
    for (key, _, _, value) in snapshotter.snapshot().into_vec() {
        let key = key.key();
        let is_it = key.name() == "kafka.client.request.duration"
            && key.labels().any(|label| label.value() == "Metadata");
        if let DebugValue::Histogram(samples) = value
            && is_it
        {
            count += samples.len();
        }
    }
    count
}

#[tokio::test(flavor = "multi_thread")]
async fn leaders_that_move_are_followed_without_asking_for_metadata() -> Result<()> {
    on_target(async |target| {
        let (topic, nodes) = topic_on_all(&target).await?;
        if nodes == 1 && target.embedded().is_none() {
            eprintln!("left out: a single node of Apache Kafka has nowhere to move a leader to");
            return Ok(());
        }
        let watched = Watched::start(target.bootstrap(), &topic);
        ensure!(watched.round_trip().await? > 0, "the first look is counted");
        let mut asked = 0;
        for _ in 0..MOVES {
            move_leader(&target, &topic).await?;
            asked += watched.round_trip().await?;
        }
        eprintln!("{asked} metadata requests for {MOVES} moves");
        // One broker may hear later than another, and then know no better.
        ensure!(asked < MOVES, "{asked} metadata requests for {MOVES} moves");
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_carries_the_epoch_of_the_record_before_it() -> Result<()> {
    on_target(async |target| {
        let (topic, _) = topic_on_all(&target).await?;
        let producer = target.producer(ProducerConfig::default())?;
        let send = async |value: &str| {
            let sent = producer.send(Record::to(&topic).value(value)).await;
            sent.map(drop)
        };
        send("first").await?;
        if let Some(broker) = target.embedded() {
            broker.elect_leader(&topic, 0)?;
        }
        send("second").await?;
        let group = unique("epochs");
        let config = ConsumerConfig::group(&*group).auto_offset_reset(OffsetReset::Earliest);
        let consumer = Consumer::new(target.client(), config.clone())?;
        consumer.assign(all_partitions(&topic, 1)).await?;
        let record = take(&consumer, 2).await?.remove(1);
        ensure!(record.leader_epoch() >= 0, "brokers tell of epochs");
        consumer.commit().await?;
        consumer.close().await?;
        let committed = target.admin().committed_offsets(&group).await?.remove(0);
        assert_eq!(committed.offset, 2);
        assert_eq!(committed.leader_epoch, record.leader_epoch());
        // Which the next member has checked, and goes on from.
        let consumer = Consumer::new(target.client(), config)?;
        consumer.assign(all_partitions(&topic, 1)).await?;
        send("third").await?;
        let next = take(&consumer, 1).await?.remove(0);
        assert_eq!(next.offset(), 2);
        consumer.close().await?;
        producer.close().await?;
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn consumers_go_on_through_leaders_that_move() -> Result<()> {
    on_target(async |target| {
        let (topic, nodes) = topic_on_all(&target).await?;
        if nodes == 1 && target.embedded().is_none() {
            eprintln!("left out: a single node of Apache Kafka has nowhere to move a leader to");
            return Ok(());
        }
        let producer = target.producer(ProducerConfig::default())?;
        // Without a policy any doubt about a position would be an error.
        let group = unique("moves");
        let config = ConsumerConfig::group(&*group).auto_offset_reset(OffsetReset::None);
        let partitions = all_partitions(&topic, 1);
        let first = [NewOffset::new(partitions[0].clone(), 0)];
        let altered = target.admin().alter_offsets(&group, &first).await?;
        altered.into_iter().try_for_each(|(_, result)| result)?;
        let consumer = Consumer::new(target.client(), config)?;
        consumer.assign(partitions).await?;
        for number in 0..MOVES {
            for _ in 0..10 {
                let value = number.to_string();
                producer.send(Record::to(&topic).value(&value)).await?;
            }
            for record in take(&consumer, 10).await? {
                let expected = number.to_string();
                assert_eq!(record.value(), Some(expected.as_bytes()));
            }
            move_leader(&target, &topic).await?;
        }
        consumer.close().await?;
        producer.close().await?;
        Ok(())
    })
    .await
}
