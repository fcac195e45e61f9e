//! Membership over time: patterns, static members, topics that come and go, in groups of both
//! protocols.

use anyhow::{Result, ensure};
use futures_util::future::BoxFuture;
use milena_client::consumer::{Consumer, ConsumerConfig, OffsetReset};
use milena_client::group::{Assignor, GroupProtocol, RebalanceListener};
use milena_client::producer::{ProducerConfig, Record};
use milena_client::{Client, ClientConfig, Error, TopicPartition};
use milena_sim::target::{Target, eventually_within, on_target, unique};
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio::time::Instant;

const POLL_WAIT: Duration = Duration::from_millis(50);
const REBALANCE_WAIT: Duration = Duration::from_secs(40);
/// How often a classic member looks for topics that fit its pattern.
const METADATA_AGE: Duration = Duration::from_millis(300);

/// A quick member of a group.
pub(crate) fn config(group: &str, protocol: GroupProtocol) -> ConsumerConfig {
    ConsumerConfig::group(group)
        .group_protocol(protocol)
        .assignors([Assignor::CooperativeSticky])
        .auto_offset_reset(OffsetReset::Earliest)
        .session_timeout(Duration::from_secs(6))
        .heartbeat_interval(Duration::from_millis(200))
}

/// Members of a group that poll all the time and drop what they get.
pub(crate) struct Members {
    client: Client,
    consumers: Vec<Arc<Consumer>>,
    polling: Vec<JoinHandle<()>>,
}

impl Members {
    pub(crate) fn start(target: &Target, configs: Vec<ConsumerConfig>) -> Result<Self> {
        let client_config = ClientConfig::new(target.bootstrap()).metadata_max_age(METADATA_AGE);
        let client = Client::new(client_config)?;
        let mut members = Self {
            client,
            consumers: Vec::new(),
            polling: Vec::new(),
        };
        for config in configs {
            members.add(config)?;
        }
        Ok(members)
    }

    pub(crate) fn add(&mut self, config: ConsumerConfig) -> Result<()> {
        let consumer = Arc::new(Consumer::new(&self.client, config)?);
        self.consumers.push(Arc::clone(&consumer));
        self.polling.push(tokio::spawn(async move {
            loop {
                match consumer.poll(POLL_WAIT).await {
                    Err(error) if consumer.health().fatal.is_some() => {
                        eprintln!("poll: {error}");
                        return;
                    }
                    Err(Error::Closed) => return,
                    Err(error) => eprintln!("poll: {error}"),
                    Ok(_) => {}
                }
            }
        }));
        Ok(())
    }

    pub(crate) async fn subscribe(&self, topic: &str) -> Result<()> {
        for consumer in &self.consumers {
            consumer.subscribe([topic]).await?;
        }
        Ok(())
    }

    pub(crate) fn first(&self) -> &Consumer {
        &self.consumers[0]
    }

    /// The partitions of each, by index.
    pub(crate) fn partitions(&self) -> Vec<Vec<i32>> {
        let indexes = |consumer: &Arc<Consumer>| {
            let assignment = consumer.assignment();
            assignment.iter().map(|one| one.partition).collect()
        };
        self.consumers.iter().map(indexes).collect()
    }

    /// Why the first cannot be a member any more.
    fn fatal(&self) -> Option<String> {
        let fatal = self.first().health().fatal;
        fatal.map(|error| error.to_string())
    }

    /// The topics of the first one's partitions.
    fn topics(&self) -> Vec<String> {
        let assignment = self.first().assignment();
        let mut topics: Vec<String> = assignment.iter().map(|one| one.topic.to_string()).collect();
        topics.dedup();
        topics
    }

    pub(crate) async fn close(self) -> Result<()> {
        for task in &self.polling {
            task.abort();
        }
        for consumer in &self.consumers {
            consumer.close().await?;
        }
        self.client.close().await;
        Ok(())
    }
}

/// Waits until something is so.
pub(crate) async fn until(what: &str, is_so: impl Fn() -> Result<bool>) -> Result<()> {
    let ask = async || Ok(is_so()?.then_some(()));
    eventually_within(REBALANCE_WAIT, what, ask).await
}

/// A pattern takes in what comes and leaves what goes.
pub(crate) async fn check_pattern(target: &Target, protocol: GroupProtocol) -> Result<()> {
    let prefix = unique("pattern");
    let create = async |suffix: &str| -> Result<String> {
        let name = format!("{prefix}-{suffix}");
        let topic = milena_client::admin::NewTopic::new(&name).partitions(1);
        target.create(topic).await?;
        Ok(name)
    };
    let first = create("a").await?;
    create("b.other").await?;
    let members = Members::start(target, vec![config(&unique("pattern"), protocol)])?;
    members
        .first()
        .subscribe_pattern(&format!("{prefix}-[a-z]"))
        .await?;
    until("the one that fits", || {
        Ok(members.topics() == [first.clone()] || members.fatal().is_some())
    })
    .await?;
    if let Some(error) = members.fatal() {
        // Apache Kafka 3.9 has the new protocol without patterns, and the client says so.
        ensure!(error.contains("cannot subscribe to a pattern"), "{error}");
        println!("skipped: {error}");
        return members.close().await;
    }
    let second = create("c").await?;
    let both = [first.clone(), second.clone()];
    until("the new one as well", || Ok(members.topics() == both)).await?;
    target.admin().delete_topics(&[first.as_str()]).await?;
    until("the one that is left", || {
        Ok(members.topics() == [second.clone()])
    })
    .await?;
    members.close().await
}

/// A static member that comes back within its session finds its partitions, and the others do not
/// notice; another one with its name does not get them.
pub(crate) async fn check_static(target: &Target, protocol: GroupProtocol) -> Result<()> {
    let topic = target.topic("static", 4).await?;
    let group = unique("static");
    let with_name = |name: &str| config(&group, protocol).group_instance_id(name);
    let stays = Members::start(target, vec![with_name("stays")])?;
    stays.subscribe(&topic).await?;
    let comes_back = Members::start(target, vec![with_name("comes-back")])?;
    comes_back.subscribe(&topic).await?;
    until("they share", || {
        Ok(stays.partitions()[0].len() == 2 && comes_back.partitions()[0].len() == 2)
    })
    .await?;
    let generation = || stays.first().health().generation;
    let (before, kept) = (generation(), comes_back.partitions());
    let other_kept = stays.partitions();
    comes_back.close().await?;

    let comes_back = Members::start(target, vec![with_name("comes-back")])?;
    comes_back.subscribe(&topic).await?;
    until("it has what it had", || {
        ensure!(
            stays.partitions() == other_kept,
            "the other one had to move"
        );
        Ok(comes_back.partitions() == kept)
    })
    .await?;
    assert_eq!(generation(), before, "nobody rebalanced");
    comes_back.close().await?;
    stays.close().await
}

/// A topic that is deleted and created again is consumed from its beginning.
pub(crate) async fn check_recreated(target: &Target, protocol: GroupProtocol) -> Result<()> {
    let topic = target.topic("recreated", 1).await?;
    let config = config(&unique("recreated"), protocol).enable_auto_commit(true);
    let client_config = ClientConfig::new(target.bootstrap()).metadata_max_age(METADATA_AGE);
    let client = Client::new(client_config)?;
    let consumer = Consumer::new(&client, config)?;
    consumer.subscribe([topic.as_str()]).await?;
    for round in ["first", "second"] {
        let producing = target.new_client()?;
        let producer =
            milena_client::producer::Producer::new(&producing, ProducerConfig::default())?;
        for _ in 0..3 {
            producer.send(Record::to(&topic).value(round)).await?;
        }
        producer.close().await?;
        producing.close().await;
        read_three(&consumer, round).await?;
        if round == "first" {
            target.admin().delete_topics(&[topic.as_str()]).await?;
            let new = milena_client::admin::NewTopic::new(&topic).partitions(1);
            until_created(target, new).await?;
        }
    }
    consumer.close().await?;
    client.close().await;
    Ok(())
}

/// Deleting takes the brokers a moment.
pub(crate) async fn until_created(
    target: &Target,
    topic: milena_client::admin::NewTopic,
) -> Result<()> {
    eventually_within(REBALANCE_WAIT, "the topic is created again", async || {
        Ok(target.admin().create_topic(topic.clone()).await.ok())
    })
    .await?;
    Ok(())
}

async fn read_three(consumer: &Consumer, expected: &str) -> Result<()> {
    let deadline = Instant::now() + REBALANCE_WAIT;
    let mut count = 0;
    while count < 3 {
        ensure!(Instant::now() < deadline, "only {count} of {expected} came");
        match consumer.consume_next(POLL_WAIT).await {
            Ok(Some(record)) => {
                assert_eq!(record.value(), Some(expected.as_bytes()));
                count += 1;
            }
            Ok(None) => {}
            // The topic is gone for a moment.
            Err(error) => eprintln!("consume: {error}"),
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pattern_takes_in_topics_that_come_later() -> Result<()> {
    on_target(async |target| check_pattern(&target, GroupProtocol::Classic).await).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_static_member_restarts_within_its_session() -> Result<()> {
    on_target(async |target| check_static(&target, GroupProtocol::Classic).await).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_static_member_whose_name_is_taken_is_out() -> Result<()> {
    on_target(async |target| {
        let topic = target.topic("fenced", 1).await?;
        let group = unique("fenced");
        let config = || config(&group, GroupProtocol::Classic).group_instance_id("one");
        let mut members = Members::start(&target, vec![config()])?;
        members.subscribe(&topic).await?;
        until("it is in", || Ok(members.partitions() == [[0]])).await?;
        members.add(config())?;
        members.consumers[1].subscribe([topic.as_str()]).await?;
        until("the first is out", || {
            let fatal = members.first().health().fatal;
            Ok(matches!(fatal, Some(Error::MembershipLost { .. })))
        })
        .await?;
        until("the second is in", || {
            Ok(members.consumers[1].health().is_member)
        })
        .await?;
        assert!(!members.first().is_alive());
        let error = members
            .first()
            .poll(POLL_WAIT)
            .await
            .expect_err("it is out");
        assert!(error.to_string().contains("FENCED") || error.to_string().contains("instance"));
        members.consumers[1].close().await?;
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_topic_created_again_is_consumed_again() -> Result<()> {
    on_target(async |target| check_recreated(&target, GroupProtocol::Classic).await).await
}

struct Panics;

impl RebalanceListener for Panics {
    fn assigned<'a>(&'a self, partitions: &'a [TopicPartition]) -> BoxFuture<'a, ()> {
        Box::pin(async move { assert!(partitions.is_empty(), "on purpose") })
    }
}

/// The application hears of it, and the member goes on.
#[tokio::test(flavor = "multi_thread")]
async fn pitfall_28_a_listener_that_panics_does_not_take_the_member_with_it() -> Result<()> {
    on_target(async |target| {
        let topic = target.topic("panics", 1).await?;
        let producer = target.producer(ProducerConfig::default())?;
        producer.send(Record::to(&topic).value("v")).await?;
        producer.close().await?;
        let config = config(&unique("panics"), GroupProtocol::Classic).rebalance_listener(Panics);
        let consumer = Consumer::new(target.client(), config)?;
        consumer.subscribe([topic.as_str()]).await?;
        let error = consumer.consume_next(REBALANCE_WAIT).await;
        let error = error.expect_err("the panic is told").to_string();
        assert!(error.contains("panicked in `assigned`"), "{error}");
        let record = consumer.consume_next(REBALANCE_WAIT).await?;
        assert!(record.is_some() && consumer.is_alive());
        Ok(consumer.close().await?)
    })
    .await
}

/// Every callback fires, in order, also those of commits that closing finds under way.
#[tokio::test(flavor = "multi_thread")]
async fn pitfall_29_callbacks_of_commits_always_fire() -> Result<()> {
    on_target(async |target| {
        let topic = target.topic("async", 1).await?;
        let partition = TopicPartition::new(topic.as_str(), 0);
        let group = unique("async");
        let members = Members::start(&target, vec![config(&group, GroupProtocol::Classic)])?;
        let (tell, mut told) = tokio::sync::mpsc::channel(128);
        let commit = |consumer: &Consumer, offset: i64| {
            let tell = tell.clone();
            consumer.commit_offsets_async(&[(partition.clone(), offset)], move |result| {
                let _ = tell.try_send((offset, result.is_ok()));
            });
        };
        // Not subscribed yet: it commits as nobody in particular.
        commit(members.first(), 1);
        assert_eq!(told.recv().await, Some((1, true)));
        members.subscribe(&topic).await?;
        until("it is in", || Ok(members.partitions() == [[0]])).await?;
        for offset in 2..50 {
            commit(members.first(), offset);
        }
        let consumer = Arc::clone(&members.consumers[0]);
        members.close().await?;
        for offset in 2..50 {
            assert_eq!(told.recv().await, Some((offset, true)));
        }
        commit(&consumer, 50);
        assert_eq!(told.recv().await, Some((50, false)), "it is closed");
        let lag = target.admin().group_lag(&group).await?;
        assert_eq!(lag[0].committed, Some(49));

        // Dropped in the middle.
        let consumer = Consumer::new(target.client(), config(&group, GroupProtocol::Classic))?;
        consumer.assign(vec![partition.clone()]).await?;
        for offset in 51..60 {
            commit(&consumer, offset);
        }
        drop(consumer);
        for _ in 51..60 {
            told.recv().await.expect("a callback for each");
        }
        Ok(())
    })
    .await
}
