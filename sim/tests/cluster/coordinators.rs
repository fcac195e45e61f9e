//! Coordinators of groups and of transactions that are killed, paused and restarted: members and
//! producers find the next one, commits go on, and nothing is lost or read twice.

use super::nodes::Nodes;
use super::{PARTITIONS, READ_WAIT, TURN, client_config, create_topic, seed};
use anyhow::{Context, Result, ensure};
use milena_client::admin::TransactionFilter;
use milena_client::consumer::{ConsumerConfig, OffsetReset};
use milena_client::group::GroupProtocol;
use milena_client::producer::{Producer, ProducerConfig};
use milena_client::transaction::Outcome;
use milena_client::{Admin, Client, NodeId};
use milena_sim::history::RecordId;
use milena_sim::load::Load;
use milena_sim::readers::{Member, Readers};
use milena_sim::target::{eventually_within, unique};
use milena_sim::transactions::TransactionLoad;
use std::collections::BTreeSet;
use std::time::Duration;

/// Longer than it takes a cluster to have another coordinator: who is away for less keeps its partitions.
const SESSION: Duration = Duration::from_secs(20);
const MEMBERS: usize = 2;
/// A coordinator is taken from a group at work, and given back only after commits went on.
const COMMITTED_BETWEEN: i64 = 300;
const ENDED_BETWEEN: usize = 10;

/// What happens to a coordinator, and what makes it good again.
const KILL: (&str, &str) = ("kill", "start");
const PAUSE: (&str, &str) = ("pause", "resume");

/// Members of a group at work.
struct Group {
    id: String,
    readers: Readers,
}

impl Group {
    /// Starts the members and waits until each has partitions, so that nobody moves afterwards.
    async fn start(nodes: &Nodes, admin: &Admin, topic: &str, by: GroupProtocol) -> Result<Self> {
        let id = unique("regained");
        let config = ConsumerConfig::group(id.as_str())
            .group_protocol(by)
            .auto_offset_reset(OffsetReset::Earliest)
            .rebalance_timeout(SESSION);
        let member = Member {
            client: client_config(nodes.bootstrap()),
            consumer: match by {
                // The brokers' settings say how often and how long.
                GroupProtocol::Consumer => config,
                _ => config
                    .session_timeout(SESSION)
                    .heartbeat_interval(Duration::from_millis(500)),
            },
            topic: topic.to_owned(),
            joins_after: Duration::ZERO,
            stays: None,
            is_dropped: false,
            close_wait: Duration::from_secs(20),
        };
        let readers = Readers::start(vec![member; MEMBERS]);
        eventually_within(READ_WAIT, "every member has partitions", async || {
            let Ok(group) = describe(admin, &id).await else {
                return Ok(None);
            };
            let busy = group
                .members
                .iter()
                .filter(|one| !one.assignment.is_empty());
            Ok((group.state == "Stable" && busy.count() == MEMBERS).then_some(()))
        })
        .await?;
        Ok(Self { id, readers })
    }

    async fn coordinator(&self, admin: &Admin) -> Result<NodeId> {
        let what = "the group has a coordinator";
        eventually_within(READ_WAIT, what, async || {
            Ok(describe(admin, &self.id)
                .await
                .ok()
                .map(|one| one.coordinator))
        })
        .await
    }

    /// How many records are behind the group's committed offsets.
    async fn committed(&self, admin: &Admin) -> Option<i64> {
        let offsets = admin.committed_offsets(&self.id).await.ok()?;
        Some(offsets.iter().map(|one| one.offset).sum())
    }

    async fn until_committed(&self, admin: &Admin, count: i64) -> Result<()> {
        let what = format!("{count} records are committed");
        eventually_within(READ_WAIT, &what, async || {
            let committed = self.committed(admin).await;
            Ok(committed.filter(|committed| *committed >= count).map(drop))
        })
        .await
    }

    /// Takes the coordinator away, sees that commits go on without it, and gives it back, whatever was
    /// seen: other tests need it.
    async fn strike(&self, nodes: &Nodes, admin: &Admin, trouble: (&str, &str)) -> Result<()> {
        let (away, back) = trouble;
        let node = self.coordinator(admin).await?;
        nodes.change(away, number(node)?).await?;
        let regained = self.regain(admin, node).await;
        nodes.change(back, number(node)?).await?;
        regained
    }

    async fn regain(&self, admin: &Admin, former: NodeId) -> Result<()> {
        let before = eventually_within(READ_WAIT, "offsets are told", async || {
            Ok(self.committed(admin).await)
        })
        .await?;
        self.until_committed(admin, before + COMMITTED_BETWEEN)
            .await?;
        let now = self.coordinator(admin).await?;
        eprintln!("{former} is away, {now} coordinates {}", self.id);
        ensure!(now != former, "{former} still coordinates");
        Ok(())
    }
}

async fn describe(admin: &Admin, id: &str) -> Result<milena_client::admin::GroupDescription> {
    let described = admin.describe_groups(&[id]).await?;
    let (_, group) = described.into_iter().next().context("a group")?;
    Ok(group?)
}

/// Nodes are counted as they are numbered.
fn number(node: NodeId) -> Result<u16> {
    Ok(u16::try_from(node.0)?)
}

#[tokio::test(flavor = "multi_thread")]
async fn groups_regain_a_coordinator_that_is_killed_or_paused() -> Result<()> {
    let Some(nodes) = Nodes::from_environment()? else {
        return Ok(());
    };
    let _turn = TURN.lock().await;
    let client = Client::new(client_config(nodes.bootstrap()))?;
    let admin = Admin::new(&client);
    let topic = create_topic(&admin, "regained").await?;
    let mut groups = Vec::new();
    for protocol in [GroupProtocol::Classic, GroupProtocol::Consumer] {
        groups.push(Group::start(&nodes, &admin, &topic, protocol).await?);
    }
    let producer = Producer::new(&client, ProducerConfig::default())?;
    let load = Load::start(&producer, &topic, PARTITIONS);
    for trouble in [KILL, PAUSE] {
        for group in &groups {
            let struck = group.strike(&nodes, &admin, trouble).await;
            struck.with_context(|| format!("{trouble:?} of {}", group.id))?;
        }
    }
    let history = load.stop().await?;
    producer.close().await?;
    let acknowledged = history.acknowledged_count();
    for group in groups {
        group
            .until_committed(&admin, i64::try_from(acknowledged)?)
            .await?;
        let missing = |read: &BTreeSet<RecordId>| history.acknowledged_not_in(read);
        let read = group.readers.finish(missing, READ_WAIT).await?;
        eprintln!("{acknowledged} acknowledged, {} read {read}", group.id);
        ensure!(read == acknowledged, "{read} were read of {acknowledged}");
    }
    client.close().await;
    Ok(())
}

/// The node that coordinates a transactional id, once there is exactly one that says so.
async fn transaction_coordinator(admin: &Admin, id: &str) -> Result<NodeId> {
    let what = "the producer has a coordinator";
    eventually_within(READ_WAIT, what, async || {
        let Ok(listed) = admin.list_transactions(&TransactionFilter::default()).await else {
            return Ok(None);
        };
        let mut own = listed.iter().filter(|one| one.transactional_id == id);
        let first = own.next().map(|one| one.coordinator);
        Ok(first.filter(|_| own.next().is_none()))
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transactional_producer_regains_a_coordinator_that_is_killed_or_paused() -> Result<()> {
    let Some(nodes) = Nodes::from_environment()? else {
        return Ok(());
    };
    let _turn = TURN.lock().await;
    let client = Client::new(client_config(nodes.bootstrap()))?;
    let admin = Admin::new(&client);
    let topic = create_topic(&admin, "regained-transactions").await?;
    let id = unique("regained");
    let mut load = TransactionLoad::start(&client, &id, &topic, PARTITIONS, seed());
    for (away, back) in [KILL, PAUSE] {
        load.until_ended(ENDED_BETWEEN).await?;
        let node = transaction_coordinator(&admin, &id).await?;
        nodes.change(away, number(node)?).await?;
        let ended = load.until_ended(ENDED_BETWEEN).await;
        nodes.change(back, number(node)?).await?;
        ended.with_context(|| format!("{away} of {node}"))?;
        let now = transaction_coordinator(&admin, &id).await?;
        eprintln!("{away} of {node}: {now} coordinates {id}");
        ensure!(now != node, "{node} still coordinates");
    }
    let history = load.stop().await?;
    ensure!(
        history.count(Outcome::Committed) > 0,
        "nothing was committed"
    );
    history.verify(&client).await?;
    client.close().await;
    Ok(())
}
