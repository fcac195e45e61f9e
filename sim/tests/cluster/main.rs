//! Three nodes of Apache Kafka that are killed and paused under load: leaders move, and nothing that
//! was acknowledged is lost, doubled or reordered; the group reads all of it.
//!
//! Runs on the cluster that `MILENA_TEST_BROKERS` names, if `MILENA_XTASK` names the program that can
//! change its nodes: `cargo xtask test` sets both. The run prints its seed; `MILENA_SEED` repeats it.

mod coordinators;
mod nodes;
mod replicas;
mod transactions;
mod truncation;

use anyhow::{Context, Result, ensure};
use milena_client::admin::NewTopic;
use milena_client::consumer::{Consumer, ConsumerConfig, OffsetReset};
use milena_client::producer::{Producer, ProducerConfig};
use milena_client::{Admin, Client, ClientConfig};
use milena_sim::history::{History, Place, RecordId};
use milena_sim::load::Load;
use milena_sim::readers::{Member, Readers};
use milena_sim::schedule::{NodeTrouble, node_troubles};
use milena_sim::target::{all_partitions, create_everywhere, take, unique};
use nodes::Nodes;
use std::collections::BTreeSet;
use std::time::Duration;
use tokio::sync::Mutex;

const PARTITIONS: i32 = 6;
const TROUBLES: usize = 5;
/// Trouble hits a cluster at work, and is over only after work went on without the node.
const ACKNOWLEDGED_BETWEEN: usize = 300;
const READ_WAIT: Duration = Duration::from_secs(90);

fn client_config(bootstrap: &str) -> ClientConfig {
    let (first, most) = (Duration::from_millis(20), Duration::from_millis(200));
    ClientConfig::new(bootstrap)
        .connect_timeout(Duration::from_secs(2))
        .request_timeout(Duration::from_secs(3))
        .metadata_max_age(Duration::from_secs(5))
        .reconnect_backoff(first, most)
        .retry_backoff(first, most)
}

fn readers(bootstrap: &str, topic: &str) -> Readers {
    let config = ConsumerConfig::group(unique("cluster"))
        .auto_offset_reset(OffsetReset::Earliest)
        .session_timeout(Duration::from_secs(6))
        .heartbeat_interval(Duration::from_millis(500))
        .rebalance_timeout(Duration::from_secs(10));
    let member = Member {
        client: client_config(bootstrap),
        consumer: config,
        topic: topic.to_owned(),
        joins_after: Duration::ZERO,
        stays: None,
        is_dropped: false,
        close_wait: Duration::from_secs(20),
    };
    Readers::start(vec![member.clone(), member])
}

/// A topic of three replicas that outlives the loss of one.
async fn create_topic(admin: &Admin, prefix: &str) -> Result<String> {
    let topic = unique(prefix);
    let new = NewTopic::new(&topic)
        .partitions(PARTITIONS)
        .replication_factor(3)
        .config("min.insync.replicas", "2");
    create_everywhere(admin, new).await?;
    Ok(topic)
}

/// Names the run's troubles; given again, it repeats them.
fn seed() -> u64 {
    let given = std::env::var("MILENA_SEED").ok();
    let seed = given
        .and_then(|seed| seed.parse().ok())
        .unwrap_or_else(|| fastrand::u64(..));
    eprintln!("MILENA_SEED={seed}");
    seed
}

/// Held by the test that takes nodes away: two at once would leave too few.
static TURN: Mutex<()> = Mutex::const_new(());

#[tokio::test(flavor = "multi_thread")]
async fn acknowledged_records_survive_nodes_that_are_killed_and_paused() -> Result<()> {
    let Some(nodes) = Nodes::from_environment()? else {
        return Ok(());
    };
    let _turn = TURN.lock().await;
    let seed = seed();
    let bootstrap = nodes.bootstrap();
    let client = Client::new(client_config(bootstrap))?;
    let topic = create_topic(&Admin::new(&client), "cluster").await?;
    let producer = Producer::new(&client, ProducerConfig::default())?;
    let mut load = Load::start(&producer, &topic, PARTITIONS);
    let group = readers(bootstrap, &topic);

    for trouble in node_troubles(seed, nodes.count(), TROUBLES) {
        load.until_acknowledged(ACKNOWLEDGED_BETWEEN).await?;
        strike(&nodes, &mut load, &trouble)
            .await
            .with_context(|| format!("{trouble:?} of MILENA_SEED={seed}"))?;
    }
    load.until_acknowledged(ACKNOWLEDGED_BETWEEN).await?;
    let mut history = load.stop().await?;
    producer.close().await?;
    let missing = |read: &BTreeSet<RecordId>| history.acknowledged_not_in(read);
    let read = group.finish(missing, READ_WAIT).await?;
    eprintln!(
        "{} acknowledged, the group read {read}",
        history.acknowledged_count()
    );
    read_back(&client, &topic, &mut history).await?;
    client.close().await;
    Ok(())
}

/// Takes a node away, sees that work goes on without it, and gives it back.
async fn strike(nodes: &Nodes, load: &mut Load, trouble: &NodeTrouble) -> Result<()> {
    let before = load.acknowledged_count();
    if trouble.is_paused {
        nodes.change("pause", trouble.node).await?;
        tokio::time::sleep(trouble.lasts).await;
        load.until_acknowledged(ACKNOWLEDGED_BETWEEN).await?;
        nodes.change("resume", trouble.node).await?;
    } else {
        nodes.change("kill", trouble.node).await?;
        tokio::time::sleep(trouble.lasts).await;
        load.until_acknowledged(ACKNOWLEDGED_BETWEEN).await?;
        nodes.change("start", trouble.node).await?;
    }
    let more = load.acknowledged_count() - before;
    eprintln!("{trouble:?}: {more} acknowledged meanwhile");
    Ok(())
}

async fn read_back(client: &Client, topic: &str, history: &mut History) -> Result<()> {
    let config = ConsumerConfig::new().auto_offset_reset(OffsetReset::Earliest);
    let reader = Consumer::new(client, config)?;
    let partitions = all_partitions(topic, PARTITIONS);
    reader.assign(partitions.clone()).await?;
    for record in take(&reader, history.acknowledged_count()).await? {
        let place = Place {
            partition: record.partition(),
            offset: record.offset(),
        };
        history.read(0, place, RecordId::of_value(record.value())?);
    }
    history.assert_sound();
    let mut ends = 0;
    for partition in &partitions {
        ends += reader.watermarks(partition, READ_WAIT).await?.high;
    }
    ensure!(
        usize::try_from(ends)? == history.acknowledged_count(),
        "the logs hold {ends} records, {} were acknowledged",
        history.acknowledged_count()
    );
    reader.close().await?;
    Ok(())
}
