//! kill -9 under groups at work: members of both protocols find the broker again, commits go on, and
//! nothing is lost.

use super::{ACKNOWLEDGED_BETWEEN_KILLS, PARTITIONS, client, client_config};
use anyhow::{Context, Result};
use milena_client::Admin;
use milena_client::consumer::{ConsumerConfig, OffsetReset};
use milena_client::group::GroupProtocol;
use milena_client::producer::{Producer, ProducerConfig};
use milena_sim::history::{History, RecordId};
use milena_sim::load::Load;
use milena_sim::program::{BrokerProcess, free_port};
use milena_sim::readers::{Member, Readers};
use milena_sim::target::eventually_within;
use std::collections::BTreeSet;
use std::time::Duration;

const TOPIC: &str = "crash-groups";
const KILLS: usize = 5;
const WAIT: Duration = Duration::from_secs(60);
/// What the broker lets members of the new protocol do, as well.
const SESSION: Duration = Duration::from_secs(2);
const HEARTBEAT: Duration = Duration::from_millis(100);

fn start(bootstrap: &str, group: &str, protocol: GroupProtocol) -> Readers {
    let config = ConsumerConfig::group(group)
        .group_protocol(protocol)
        .auto_offset_reset(OffsetReset::Earliest)
        .rebalance_timeout(WAIT);
    let member = Member {
        client: client_config(bootstrap),
        consumer: match protocol {
            GroupProtocol::Consumer => config,
            _ => config
                .session_timeout(SESSION)
                .heartbeat_interval(HEARTBEAT),
        },
        topic: TOPIC.to_owned(),
        joins_after: Duration::ZERO,
        stays: None,
        is_dropped: false,
        close_wait: WAIT,
    };
    Readers::start(vec![member.clone(), member])
}

/// How many records are behind the group's committed offsets.
async fn committed(admin: &Admin, group: &str) -> Option<i64> {
    let offsets = admin.committed_offsets(group).await.ok()?;
    Some(offsets.iter().map(|one| one.offset).sum())
}

async fn until_committed(admin: &Admin, group: &str, count: i64) -> Result<()> {
    let what = format!("{group} has committed {count}");
    eventually_within(WAIT, &what, async || {
        let committed = committed(admin, group).await;
        Ok(committed.filter(|committed| *committed >= count).map(drop))
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn groups_go_on_after_their_coordinator_was_killed() -> Result<()> {
    let data = tempfile::tempdir()?;
    let port = free_port()?;
    let properties = [
        format!("num.partitions={PARTITIONS}"),
        "group.min.session.timeout.ms=100".to_owned(),
        format!("group.consumer.session.timeout.ms={}", SESSION.as_millis()),
        format!(
            "group.consumer.heartbeat.interval.ms={}",
            HEARTBEAT.as_millis()
        ),
    ];
    let properties: Vec<&str> = properties.iter().map(String::as_str).collect();
    let start_broker = || BrokerProcess::start(port, Some(data.path()), &properties);
    let mut broker = start_broker().await?;
    let client = client(&broker.bootstrap())?;
    let admin = Admin::new(&client);
    let producer = Producer::new(&client, ProducerConfig::default())?;
    let mut load = Load::start(&producer, TOPIC, PARTITIONS);
    load.until_acknowledged(1).await?;
    let groups = [GroupProtocol::Classic, GroupProtocol::Consumer].map(|protocol| {
        let name = format!("{protocol:?}");
        let readers = start(&broker.bootstrap(), &name, protocol);
        (name, readers)
    });

    let mut wanted = 0;
    for kill in 1..=KILLS {
        load.until_acknowledged(ACKNOWLEDGED_BETWEEN_KILLS).await?;
        for (group, _) in &groups {
            let committing = until_committed(&admin, group, wanted + 1).await;
            committing.with_context(|| format!("before kill {kill}"))?;
        }
        wanted = committed(&admin, &groups[0].0).await.unwrap_or(wanted);
        broker.kill().await?;
        broker = start_broker().await?;
    }
    let history = load.stop().await?;
    producer.close().await?;
    for (group, readers) in groups {
        finish(&admin, &group, readers, &history).await?;
    }
    client.close().await;
    broker.kill().await
}

/// The group reads and commits everything.
async fn finish(admin: &Admin, group: &str, readers: Readers, history: &History) -> Result<()> {
    let count = i64::try_from(history.acknowledged_count())?;
    until_committed(admin, group, count).await?;
    let missing = |read: &BTreeSet<RecordId>| history.acknowledged_not_in(read);
    let read = readers.finish(missing, WAIT).await?;
    eprintln!("{count} acknowledged, {group} read {read}");
    Ok(())
}
