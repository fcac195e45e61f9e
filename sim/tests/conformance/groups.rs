//! Consumer groups of two members: partitions change hands and no record is lost or doubled.

use crate::ordering::parse;
use anyhow::{Context, Result};
use futures_util::future::BoxFuture;
use milena_client::TopicPartition;
use milena_client::consumer::{Consumer, ConsumerConfig, OffsetReset};
use milena_client::group::{Assignor, GroupProtocol, RebalanceListener, RevokedContext};
use milena_client::producer::{ProducerConfig, Record};
use milena_sim::history::{History, Place, RecordId};
use milena_sim::target::{Target, eventually_within, on_target, unique};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinHandle;

const PARTITIONS: i32 = 6;
const POLL_WAIT: Duration = Duration::from_millis(50);
const REBALANCE_WAIT: Duration = Duration::from_secs(40);

/// What a member has processed and not committed yet. The lock is held from poll to the end of
/// processing, so that a revocation waits for what is in hand.
type Processed = Arc<tokio::sync::Mutex<BTreeMap<TopicPartition, i64>>>;

/// Commits what was processed before partitions are given up.
struct CommitOnRevoke {
    processed: Processed,
}

impl RebalanceListener for CommitOnRevoke {
    fn revoked<'a>(
        &'a self,
        context: RevokedContext,
        partitions: &'a [TopicPartition],
    ) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            let mut processed = self.processed.lock().await;
            let offsets: Vec<(TopicPartition, i64)> = partitions
                .iter()
                .filter_map(|partition| processed.remove_entry(partition))
                .collect();
            if let Err(error) = context.commit_offsets(&offsets).await {
                eprintln!("commit while revoking: {error}");
            }
        })
    }
}

/// A member that processes until it is told to stop, then commits and leaves.
struct Member {
    consumer: Arc<Consumer>,
    stop: watch::Sender<bool>,
    task: JoinHandle<Result<()>>,
}

#[derive(Clone)]
struct Group {
    target: Arc<Target>,
    topic: String,
    group_id: String,
    /// What the members offer, in the order in which they join.
    assignors: [&'static [Assignor]; 2],
    protocol: GroupProtocol,
    history: Arc<Mutex<History>>,
}

impl Group {
    /// Starts a member; `number` tells it from others in the history.
    fn join(&self, number: u32) -> Result<Member> {
        let processed = Processed::default();
        let [first, second] = self.assignors;
        let offered = if number == 1 { first } else { second };
        let config = ConsumerConfig::group(self.group_id.as_str())
            .auto_offset_reset(OffsetReset::Earliest)
            .assignors(offered.iter().copied())
            .group_protocol(self.protocol)
            .session_timeout(Duration::from_secs(6))
            .heartbeat_interval(Duration::from_millis(200))
            .poll_records_max(20)
            .rebalance_listener(CommitOnRevoke {
                processed: Arc::clone(&processed),
            });
        let client = self.target.new_client()?;
        let consumer = Arc::new(Consumer::new(&client, config)?);
        let (stop, stopped) = watch::channel(false);
        let task = tokio::spawn({
            let (group, consumer) = (self.clone(), Arc::clone(&consumer));
            async move {
                consumer.subscribe([group.topic.as_str()]).await?;
                group
                    .process(&consumer, &processed, number, stopped)
                    .await?;
                consumer.close().await?;
                client.close().await;
                Ok(())
            }
        });
        Ok(Member {
            consumer,
            stop,
            task,
        })
    }

    async fn process(
        &self,
        consumer: &Consumer,
        processed: &Processed,
        number: u32,
        stopped: watch::Receiver<bool>,
    ) -> Result<()> {
        while !*stopped.borrow() {
            let mut in_hand = processed.lock().await;
            for batch in consumer.poll(POLL_WAIT).await?.batches {
                let partition = batch.topic_partition().clone();
                for record in batch.into_records() {
                    let record = record?;
                    let (id, place) = parse(&record)?;
                    self.history().read(number, place, id);
                    in_hand.insert(partition.clone(), record.offset() + 1);
                }
            }
        }
        let offsets: Vec<(TopicPartition, i64)> = std::mem::take(&mut *processed.lock().await)
            .into_iter()
            .collect();
        consumer.commit_offsets(&offsets).await?;
        Ok(())
    }

    fn history(&self) -> std::sync::MutexGuard<'_, History> {
        self.history.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Produces numbers to all partitions in turn.
    async fn produce(&self, numbers: std::ops::Range<u64>) -> Result<()> {
        let producer = self.target.producer(ProducerConfig::default())?;
        for number in numbers {
            let partition = i32::try_from(number % u64::try_from(PARTITIONS)?)?;
            let id = RecordId {
                lane: u32::try_from(partition)?,
                number,
            };
            let value = id.to_string();
            let record = Record::to(&self.topic).value(&value).partition(partition);
            let metadata = producer.send(record).await?;
            let place = metadata.offset().map(|offset| Place { partition, offset });
            self.history().acknowledged(id, place);
        }
        producer.close().await?;
        Ok(())
    }

    async fn until(&self, what: &str, is_so: impl Fn() -> bool) -> Result<()> {
        let ask = async || Ok(is_so().then_some(()));
        eventually_within(REBALANCE_WAIT, what, ask).await
    }

    async fn until_all_read(&self) -> Result<()> {
        self.until("everything read", || {
            let history = self.history();
            history.acknowledged_and_read_count() == history.acknowledged_count()
        })
        .await
    }
}

impl Member {
    fn partitions(&self) -> usize {
        self.consumer.assignment().len()
    }

    async fn leave(self) -> Result<()> {
        self.stop.send_replace(true);
        self.task.await?.context("a member failed")
    }
}

/// One member, then two while records keep coming, then one again.
pub(crate) async fn check(
    target: Arc<Target>,
    protocol: GroupProtocol,
    assignors: [&'static [Assignor]; 2],
) -> Result<()> {
    let group = Group {
        topic: target.topic("group", PARTITIONS).await?,
        group_id: unique("group"),
        target,
        assignors,
        protocol,
        history: Arc::default(),
    };
    let all = usize::try_from(PARTITIONS)?;
    group.produce(0..100).await?;
    let first = group.join(1)?;
    group
        .until("the first has all", || first.partitions() == all)
        .await?;

    let more = tokio::spawn({
        let group = group.clone();
        async move { group.produce(100..500).await }
    });
    let second = group.join(2)?;
    group
        .until("they share", || {
            first.partitions() == all / 2 && second.partitions() == all / 2
        })
        .await?;
    more.await??;
    group.until_all_read().await?;

    first.leave().await?;
    group
        .until("the second has all", || second.partitions() == all)
        .await?;
    group.produce(500..600).await?;
    group.until_all_read().await?;
    second.leave().await?;
    group.history().assert_sound();

    let lag = group.target.admin().group_lag(&group.group_id).await?;
    let behind: Vec<_> = lag.iter().filter(|row| row.lag() != Some(0)).collect();
    assert!(lag.len() == all && behind.is_empty(), "{lag:?}");
    Ok(())
}

/// Both members offer the same.
async fn check_with(offered: &'static [Assignor]) -> Result<()> {
    on_target(async |target| check(target, GroupProtocol::Classic, [offered, offered]).await).await
}

#[tokio::test(flavor = "multi_thread")]
async fn two_members_rebalance_with_range() -> Result<()> {
    check_with(&[Assignor::Range]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn two_members_rebalance_with_round_robin() -> Result<()> {
    check_with(&[Assignor::RoundRobin]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn two_members_rebalance_with_sticky() -> Result<()> {
    check_with(&[Assignor::Sticky]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn two_members_rebalance_with_cooperative_sticky() -> Result<()> {
    check_with(&[Assignor::CooperativeSticky]).await
}

/// Each member prefers an assignor that the other does not know.
#[tokio::test(flavor = "multi_thread")]
async fn members_agree_on_an_assignor_that_both_know() -> Result<()> {
    let first = &[Assignor::Range, Assignor::Sticky];
    let second = &[Assignor::RoundRobin, Assignor::Sticky];
    on_target(async |target| check(target, GroupProtocol::Classic, [first, second]).await).await
}
