//! Mixed groups: one member of ours, one of librdkafka and one of the Java client share a topic,
//! rebalance, and lose nothing.
//!
//! Owns the members as programs (`groups/member.py`, `groups/Member.java`) and what is expected of
//! them together.

use super::peers::{Classes, Peer, java, python};
use anyhow::{Context, Result, anyhow, ensure};
use milena_client::Client;
use milena_client::consumer::{Consumer, ConsumerConfig, OffsetReset};
use milena_client::group::{Assignor, GroupProtocol};
use milena_client::producer::{ProducerConfig, Record};
use milena_sim::target::{Target, eventually_within, on_target, unique};
use std::collections::BTreeMap;
use std::process::Stdio;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::task::JoinHandle;

const PARTITIONS: u32 = 6;
const WAIT: Duration = Duration::from_secs(60);
const POLL_WAIT: Duration = Duration::from_millis(50);
const PYTHON_SOURCE: &str = include_str!("groups/member.py");
const JAVA_SOURCE: &str = include_str!("groups/Member.java");

/// How often each record was read, by anyone.
type Seen = Arc<Mutex<BTreeMap<u32, u32>>>;

/// What the members have in common.
#[derive(Clone, Copy)]
struct Terms {
    protocol: GroupProtocol,
    /// Of classic groups.
    assignor: Assignor,
}

impl Terms {
    fn protocol_name(self) -> &'static str {
        match self.protocol {
            GroupProtocol::Consumer => "consumer",
            _ => "classic",
        }
    }
}

/// A member of another client.
struct Foreign {
    peer: Peer,
    child: Child,
    assigned: Arc<Mutex<usize>>,
    reading: JoinHandle<Result<()>>,
}

impl Foreign {
    fn start(peer: Peer, arguments: &[&str], seen: &Seen) -> Result<Self> {
        static CLASSES: Classes = Classes::new();
        let mut command = match peer {
            Peer::Librdkafka => {
                let mut command = Command::new(python());
                command.args(["-c", PYTHON_SOURCE]);
                command
            }
            Peer::Java => java(&CLASSES, "Member", JAVA_SOURCE)?,
        };
        let mut child = command
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let output = child.stdout.take().context("stdout is piped")?;
        let assigned = Arc::new(Mutex::new(0));
        let reading = tokio::spawn({
            let (assigned, seen) = (Arc::clone(&assigned), Arc::clone(seen));
            async move {
                let mut lines = BufReader::new(output).lines();
                while let Some(line) = lines.next_line().await? {
                    match line.split_once(' ') {
                        Some(("read", number)) => {
                            *lock(&seen).entry(number.parse()?).or_default() += 1;
                        }
                        Some(("assigned", count)) => *lock(&assigned) = count.parse()?,
                        _ => ensure!(line == "over", "what is {line:?}"),
                    }
                }
                Ok(())
            }
        });
        Ok(Self {
            peer,
            child,
            assigned,
            reading,
        })
    }

    fn partitions(&self) -> usize {
        *lock(&self.assigned)
    }

    /// Ends its input, upon which it leaves.
    async fn leave(mut self) -> Result<()> {
        drop(self.child.stdin.take());
        let ended = tokio::time::timeout(WAIT, self.child.wait()).await;
        let status = ended.with_context(|| format!("{:?} does not end", self.peer))??;
        ensure!(status.success(), "{:?} ended with {status}", self.peer);
        self.reading.await?
    }
}

/// A member of ours.
struct Own {
    consumer: Arc<Consumer>,
    client: Client,
    polling: JoinHandle<()>,
}

impl Own {
    async fn start(
        target: &Target,
        topic: &str,
        group: &str,
        terms: Terms,
        seen: &Seen,
    ) -> Result<Self> {
        let config = ConsumerConfig::group(group)
            .group_protocol(terms.protocol)
            .assignors([terms.assignor])
            .auto_offset_reset(OffsetReset::Earliest)
            .session_timeout(Duration::from_secs(6))
            .heartbeat_interval(Duration::from_millis(200))
            .enable_auto_commit(true)
            .auto_commit_interval(Duration::from_millis(100));
        let client = target.new_client()?;
        let consumer = Arc::new(Consumer::new(&client, config)?);
        consumer.subscribe([topic]).await?;
        let polling = tokio::spawn({
            let (consumer, seen) = (Arc::clone(&consumer), Arc::clone(seen));
            async move {
                loop {
                    match consumer.poll(POLL_WAIT).await {
                        Ok(polled) => {
                            for batch in polled.batches {
                                for record in batch.into_records().flatten() {
                                    let value = record.value().unwrap_or_default();
                                    let text = String::from_utf8_lossy(value);
                                    if let Ok(number) = text.parse() {
                                        *lock(&seen).entry(number).or_default() += 1;
                                    }
                                }
                            }
                        }
                        Err(error) => eprintln!("poll: {error}"),
                    }
                }
            }
        });
        Ok(Self {
            consumer,
            client,
            polling,
        })
    }

    fn partitions(&self) -> usize {
        self.consumer.assignment().len()
    }

    async fn leave(self) -> Result<()> {
        self.polling.abort();
        self.consumer.close().await?;
        self.client.close().await;
        Ok(())
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn produce(target: &Target, topic: &str, numbers: std::ops::Range<u32>) -> Result<()> {
    let producer = target.producer(ProducerConfig::default())?;
    for number in numbers {
        let partition = i32::try_from(number % PARTITIONS)?;
        let value = number.to_string();
        let record = Record::to(topic).partition(partition).value(&value);
        producer.send(record).await?;
    }
    Ok(producer.close().await?)
}

async fn until(what: &str, is_so: impl Fn() -> Result<(), String>) -> Result<()> {
    let ended = eventually_within(WAIT, what, async || Ok(is_so().ok())).await;
    // Why it is not so now says more than that it was not so in time.
    ended.map_err(|error| match is_so() {
        Err(why) => anyhow!("{what}: {why} after {WAIT:?}"),
        Ok(()) => error,
    })
}

fn all_read(seen: &Seen, count: u32) -> Result<(), String> {
    let missing: Vec<u32> = {
        let seen = lock(seen);
        (0..count)
            .filter(|number| !seen.contains_key(number))
            .collect()
    };
    match missing.is_empty() {
        true => Ok(()),
        false => Err(format!(
            "{} of {count} are missing: {missing:?}",
            missing.len()
        )),
    }
}

/// Ours is there first, the others join while records keep coming, then leave one by one.
async fn check(target: Arc<Target>, terms: Terms, peers: Vec<Peer>) -> Result<()> {
    let topic = target.topic("mixed", i32::try_from(PARTITIONS)?).await?;
    let group = unique("mixed");
    let seen = Seen::default();
    let own = Own::start(&target, &topic, &group, terms, &seen).await?;
    produce(&target, &topic, 0..120).await?;
    let (protocol, assignor) = (terms.protocol_name(), terms.assignor.name());
    let arguments = [target.bootstrap(), &topic, &group, protocol, assignor];
    let mut others = Vec::new();
    for peer in peers {
        others.push(Foreign::start(peer, &arguments, &seen)?);
    }
    let mut produced = 120;
    loop {
        let share = usize::try_from(PARTITIONS)? / (1 + others.len());
        until("everybody has a share", || {
            let counts: Vec<usize> = others.iter().map(Foreign::partitions).collect();
            match own.partitions() == share && counts.iter().all(|count| *count == share) {
                true => Ok(()),
                false => Err(format!("ours {}, others {counts:?}", own.partitions())),
            }
        })
        .await?;
        produce(&target, &topic, produced..produced + 120).await?;
        produced += 120;
        until("everything is read", || all_read(&seen, produced)).await?;
        match others.pop() {
            // Records keep coming while it leaves.
            Some(other) => {
                let (left, sent) = tokio::join!(
                    other.leave(),
                    produce(&target, &topic, produced..produced + 60)
                );
                left?;
                sent?;
                produced += 60;
            }
            None => break,
        }
    }
    own.leave().await?;
    let twice = lock(&seen).values().filter(|count| **count > 1).count();
    println!("{protocol} {assignor}: {produced} records, {twice} of them read more than once");
    Ok(())
}

async fn check_classic(assignor: Assignor, peers: &[Peer]) -> Result<()> {
    let mut present = Peer::present();
    present.retain(|peer| peers.contains(peer));
    let protocol = GroupProtocol::Classic;
    let terms = Terms { protocol, assignor };
    on_target(async |target| check(target, terms, present).await).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mixed_group_shares_with_range() -> Result<()> {
    check_classic(Assignor::Range, &Peer::ALL).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mixed_group_shares_with_round_robin() -> Result<()> {
    check_classic(Assignor::RoundRobin, &Peer::ALL).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mixed_group_shares_with_cooperative_sticky() -> Result<()> {
    check_classic(Assignor::CooperativeSticky, &Peer::ALL).await
}

/// librdkafka has no such assignor.
#[tokio::test(flavor = "multi_thread")]
async fn a_mixed_group_shares_with_sticky() -> Result<()> {
    check_classic(Assignor::Sticky, &[Peer::Java]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mixed_group_shares_with_the_consumer_protocol() -> Result<()> {
    let terms = Terms {
        protocol: GroupProtocol::Consumer,
        assignor: Assignor::Range,
    };
    on_target(async |target| check(target, terms, Peer::present()).await).await
}
