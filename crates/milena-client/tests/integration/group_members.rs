//! Members come, go, stall and restart.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use futures_util::future::BoxFuture;
use milena_broker::{ApiKey, ErrorCode, Fault};
use milena_client::consumer::Consumer;
use milena_client::group::{Assignor, RebalanceListener, RevokedContext};
use milena_client::{Error, TopicPartition};

use crate::consumer_support::{
    GROUP_PROPERTIES, LONG, client, consume, eventually, eventually_share, group, member, number,
    produce,
};
use crate::support::start_broker_with;

/// Who has which partition, as listeners are told.
#[derive(Default)]
struct Ledger {
    owners: HashMap<TopicPartition, &'static str>,
    /// Every partition that somebody got while another had it.
    conflicts: Vec<String>,
    lost: Vec<TopicPartition>,
}

/// Writes into the ledger for one member.
struct Clerk {
    name: &'static str,
    ledger: Arc<Mutex<Ledger>>,
}

impl RebalanceListener for Clerk {
    fn assigned<'a>(&'a self, partitions: &'a [TopicPartition]) -> BoxFuture<'a, ()> {
        let mut ledger = self.ledger.lock().unwrap();
        for partition in partitions {
            if let Some(owner) = ledger.owners.insert(partition.clone(), self.name) {
                ledger
                    .conflicts
                    .push(format!("{partition}: {owner}, then {}", self.name));
            }
        }
        Box::pin(std::future::ready(()))
    }

    fn revoked<'a>(
        &'a self,
        _: RevokedContext,
        partitions: &'a [TopicPartition],
    ) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            // Whoever waits for these must wait until this is over.
            tokio::time::sleep(Duration::from_millis(100)).await;
            let mut ledger = self.ledger.lock().unwrap();
            for partition in partitions {
                ledger.owners.remove(partition);
            }
        })
    }

    fn lost<'a>(&'a self, partitions: &'a [TopicPartition]) -> BoxFuture<'a, ()> {
        let mut ledger = self.ledger.lock().unwrap();
        for partition in partitions {
            ledger.owners.remove(partition);
            ledger.lost.push(partition.clone());
        }
        Box::pin(std::future::ready(()))
    }
}

async fn check_hand_over(assignor: Assignor) {
    let broker = start_broker_with(GROUP_PROPERTIES).await;
    let client = client(&broker);
    produce(&client, "t", 0, 0, 1).await;
    let ledger = Arc::new(Mutex::new(Ledger::default()));
    let join = async |name: &'static str| {
        let clerk = Clerk {
            name,
            ledger: Arc::clone(&ledger),
        };
        member(
            &client,
            group("g").assignors([assignor]).rebalance_listener(clerk),
        )
        .await
    };
    let a = join("a").await;
    eventually_share(&[(&a, 6)]).await;
    let b = join("b").await;
    eventually_share(&[(&a, 3), (&b, 3)]).await;
    let c = join("c").await;
    eventually_share(&[(&a, 2), (&b, 2), (&c, 2)]).await;
    a.close().await.unwrap();
    eventually_share(&[(&b, 3), (&c, 3)]).await;
    b.close().await.unwrap();
    eventually_share(&[(&c, 6)]).await;
    eventually("c is told", || ledger.lock().unwrap().owners.len() == 6).await;
    c.close().await.unwrap();
    let ledger = ledger.lock().unwrap();
    assert_eq!(ledger.conflicts, [""; 0], "{assignor}");
    assert!(
        ledger.owners.is_empty() && ledger.lost.is_empty(),
        "{assignor}"
    );
}

#[tokio::test]
async fn pitfall_16_no_partition_ever_has_two_owners() {
    check_hand_over(Assignor::CooperativeSticky).await;
    check_hand_over(Assignor::Range).await;
}

#[tokio::test]
async fn a_cooperative_group_falls_back_when_a_range_member_comes() {
    let broker = start_broker_with(GROUP_PROPERTIES).await;
    let client = client(&broker);
    produce(&client, "t", 0, 0, 1).await;
    let both = member(&client, group("g")).await;
    eventually_share(&[(&both, 6)]).await;
    let range = member(&client, group("g").assignors([Assignor::Range])).await;
    eventually_share(&[(&both, 3), (&range, 3)]).await;
    range.close().await.unwrap();
    eventually_share(&[(&both, 6)]).await;
    let sticky = member(&client, group("g").assignors([Assignor::CooperativeSticky])).await;
    eventually_share(&[(&both, 3), (&sticky, 3)]).await;
    let stranger = member(&client, group("g").assignors([Assignor::Range])).await;
    let error = stranger.poll(LONG).await.unwrap_err();
    assert_eq!(
        error.code(),
        Some(ErrorCode::InconsistentGroupProtocol),
        "{error}"
    );
    assert!(!stranger.is_alive());
    assert!(stranger.poll(LONG).await.is_err(), "for good");
    stranger.close().await.unwrap();
}

#[tokio::test]
async fn pitfall_26_dropping_a_member_never_blocks_and_frees_its_partitions() {
    let broker = start_broker_with(GROUP_PROPERTIES).await;
    let client = client(&broker);
    produce(&client, "t", 0, 0, 10).await;
    let a = member(
        &client,
        group("g").session_timeout(Duration::from_secs(600)),
    )
    .await;
    let b = member(
        &client,
        group("g").session_timeout(Duration::from_secs(600)),
    )
    .await;
    eventually_share(&[(&a, 3), (&b, 3)]).await;
    let started = Instant::now();
    drop(a);
    assert!(started.elapsed() < Duration::from_secs(1));
    eventually_share(&[(&b, 6)]).await;
}

#[tokio::test]
async fn pitfall_26_dropping_a_member_ends_its_tasks() {
    let broker = start_broker_with(GROUP_PROPERTIES).await;
    let client = client(&broker);
    produce(&client, "t", 0, 0, 10).await;
    let metrics = tokio::runtime::Handle::current().metrics();
    let before = metrics.num_alive_tasks();
    let consumer = member(&client, group("g").enable_auto_commit(true)).await;
    consume(&consumer, 5).await;
    drop(consumer);
    // The shared connection and the broker's side of it may be new.
    eventually("tasks end", || metrics.num_alive_tasks() <= before + 4).await;
}

#[tokio::test]
async fn pitfall_28_a_stalled_application_is_told_at_once_and_comes_back() {
    let broker = start_broker_with(GROUP_PROPERTIES).await;
    let client = client(&broker);
    produce(&client, "t", 0, 0, 10).await;
    let ledger = Arc::new(Mutex::new(Ledger::default()));
    let clerk = Clerk {
        name: "a",
        ledger: Arc::clone(&ledger),
    };
    let impatient = group("g")
        .rebalance_timeout(Duration::from_millis(300))
        .rebalance_listener(clerk);
    let consumer = member(&client, impatient).await;
    let record = consumer.consume_next(LONG).await.unwrap().unwrap();
    assert_eq!(number(&record), 0);
    // Nobody polls.
    eventually("the member leaves", || consumer.health().is_stalled).await;
    assert!(!consumer.is_alive());
    assert_eq!(ledger.lock().unwrap().lost.len(), 6);
    assert_eq!(consumer.assignment(), []);
    let error = consumer.consume_next(LONG).await.unwrap_err();
    assert!(matches!(error, Error::PartitionsLost { .. }), "{error}");
    assert_eq!(consume(&consumer, 1).await, [0], "nothing was committed");
    assert!(consumer.is_alive());
}

#[tokio::test]
async fn an_application_that_waits_in_poll_is_not_stalled() {
    let broker = start_broker_with(GROUP_PROPERTIES).await;
    let client = client(&broker);
    produce(&client, "t", 0, 0, 1).await;
    let impatient = group("g").rebalance_timeout(Duration::from_millis(200));
    let consumer = member(&client, impatient).await;
    consume(&consumer, 1).await;
    let waited = consumer.poll(Duration::from_secs(1)).await.unwrap();
    assert!(waited.is_empty());
    assert!(consumer.is_alive() && !consumer.health().is_stalled);
}

#[tokio::test]
async fn pitfall_28_a_fenced_static_member_is_told_at_once() {
    let broker = start_broker_with(GROUP_PROPERTIES).await;
    let client = client(&broker);
    produce(&client, "t", 0, 0, 10).await;
    let first = member(&client, group("g").group_instance_id("i")).await;
    eventually_share(&[(&first, 6)]).await;
    let second = member(&client, group("g").group_instance_id("i")).await;
    eventually_share(&[(&second, 6)]).await;
    let error = loop {
        // What was fetched before it heard may still come.
        match first.poll(LONG).await {
            Ok(_) => {}
            Err(error) => break error,
        }
    };
    assert!(matches!(error, Error::MembershipLost { .. }), "{error}");
    assert!(first.poll(LONG).await.is_err());
    assert!(!first.is_alive() && second.is_alive());
    assert_eq!(first.assignment(), []);
}

#[tokio::test]
async fn a_static_member_finds_its_partitions_after_a_restart() {
    let broker = start_broker_with(GROUP_PROPERTIES).await;
    let client = client(&broker);
    produce(&client, "t", 0, 0, 1).await;
    let other = member(&client, group("g").group_instance_id("other")).await;
    let first = member(&client, group("g").group_instance_id("i")).await;
    eventually_share(&[(&first, 3), (&other, 3)]).await;
    let (before, generation) = (first.assignment(), first.health().generation);
    first.close().await.unwrap();
    let again = member(&client, group("g").group_instance_id("i")).await;
    eventually_share(&[(&again, 3), (&other, 3)]).await;
    assert_eq!(
        (again.assignment(), again.health().generation),
        (before, generation)
    );
}

#[tokio::test]
async fn a_member_survives_failures_of_its_coordinator() {
    let broker = start_broker_with(GROUP_PROPERTIES).await;
    let client = client(&broker);
    produce(&client, "t", 0, 0, 10).await;
    let faults = broker.faults();
    faults.next(
        ApiKey::JoinGroup,
        Fault::Fail(ErrorCode::CoordinatorLoadInProgress),
    );
    faults.next(ApiKey::SyncGroup, Fault::Fail(ErrorCode::NotCoordinator));
    faults.next(
        ApiKey::OffsetFetch,
        Fault::Fail(ErrorCode::UnstableOffsetCommit),
    );
    faults.next(
        ApiKey::FindCoordinator,
        Fault::Fail(ErrorCode::CoordinatorNotAvailable),
    );
    let consumer = member(&client, group("g")).await;
    assert_eq!(consume(&consumer, 5).await, [0, 1, 2, 3, 4]);
    let generation = consumer.health().generation;
    for fault in [
        Fault::Fail(ErrorCode::NotCoordinator),
        Fault::Fail(ErrorCode::CoordinatorNotAvailable),
        Fault::Disconnect,
    ] {
        faults.times(ApiKey::Heartbeat, 2, fault);
        let seen = faults.requests_seen(ApiKey::Heartbeat);
        eventually("heartbeats go on", || {
            faults.requests_seen(ApiKey::Heartbeat) > seen + 3
        })
        .await;
    }
    assert_eq!(consumer.health().generation, generation);
    assert_eq!(consume(&consumer, 5).await, [5, 6, 7, 8, 9]);
}

#[tokio::test]
async fn a_member_the_coordinator_forgot_joins_again() {
    let broker = start_broker_with(GROUP_PROPERTIES).await;
    let client = client(&broker);
    produce(&client, "t", 0, 0, 10).await;
    let ledger = Arc::new(Mutex::new(Ledger::default()));
    let clerk = Clerk {
        name: "a",
        ledger: Arc::clone(&ledger),
    };
    // The coordinator in fact remembers the old member until its session ends.
    let short = group("g").session_timeout(Duration::from_millis(500));
    let consumer = member(&client, short.rebalance_listener(clerk)).await;
    assert_eq!(consume(&consumer, 5).await, [0, 1, 2, 3, 4]);
    consumer.commit().await.unwrap();
    broker
        .faults()
        .next(ApiKey::Heartbeat, Fault::Fail(ErrorCode::UnknownMemberId));
    eventually("partitions are lost", || {
        ledger.lock().unwrap().lost.len() == 6
    })
    .await;
    assert_eq!(consume(&consumer, 5).await, [5, 6, 7, 8, 9]);
}

#[tokio::test]
async fn a_topic_created_after_the_subscription_is_shared() {
    let broker = start_broker_with(GROUP_PROPERTIES).await;
    let client = client(&broker);
    let a = member(&client, group("g")).await;
    let b = member(&client, group("g")).await;
    eventually("both are members", || a.is_alive() && b.is_alive()).await;
    produce(&client, "t", 0, 0, 1).await;
    eventually_share(&[(&a, 3), (&b, 3)]).await;
}

#[tokio::test]
async fn changing_the_subscription_changes_the_assignment() {
    let broker = start_broker_with(GROUP_PROPERTIES).await;
    let client = client(&broker);
    produce(&client, "t", 0, 0, 1).await;
    produce(&client, "u", 0, 0, 1).await;
    let consumer = member(&client, group("g")).await;
    eventually_share(&[(&consumer, 6)]).await;
    consumer.subscribe(["t", "u"]).await.unwrap();
    eventually_share(&[(&consumer, 12)]).await;
    consumer.subscribe(["u"]).await.unwrap();
    eventually_share(&[(&consumer, 6)]).await;
    assert!(
        consumer
            .assignment()
            .iter()
            .all(|partition| &*partition.topic == "u")
    );
    consumer.subscribe(Vec::<String>::new()).await.unwrap();
    eventually_share(&[(&consumer, 0)]).await;
    let error = consumer
        .assign(vec![TopicPartition::new("t", 0)])
        .await
        .unwrap_err();
    assert!(matches!(error, Error::InvalidState { .. }), "{error}");
}

/// Takes what comes until nothing came for a while.
async fn drain(consumer: &Consumer) -> Vec<u32> {
    let mut numbers = Vec::new();
    while let Some(record) = consumer
        .consume_next(Duration::from_millis(300))
        .await
        .unwrap()
    {
        numbers.push(number(&record));
    }
    numbers
}

#[tokio::test]
async fn two_members_read_everything_once_when_nobody_moves() {
    let broker = start_broker_with(GROUP_PROPERTIES).await;
    let client = client(&broker);
    for partition in 0..6 {
        let from = u32::try_from(partition).unwrap() * 100;
        produce(&client, "t", partition, from, from + 100).await;
    }
    let a = member(&client, group("g")).await;
    let b = member(&client, group("g")).await;
    eventually_share(&[(&a, 3), (&b, 3)]).await;
    let (from_a, from_b) = tokio::join!(drain(&a), drain(&b));
    let mut all: Vec<u32> = from_a.iter().chain(&from_b).copied().collect();
    all.sort_unstable();
    let distinct: HashSet<u32> = all.iter().copied().collect();
    assert_eq!(distinct.len(), 600, "of {} records", all.len());
    assert_eq!(all.len(), 600);
}
