//! The group of a run, as the schedule has it.

use crate::run::{CALM_WAIT, CLOSE_WAIT, Setting, TOPIC};
use anyhow::{Context, Result};
use milena_client::consumer::{Consumer, ConsumerConfig, OffsetReset};
use milena_client::group::GroupProtocol;
use milena_sim::readers::{Member, Readers};
use milena_sim::target::{all_partitions, eventually_within};
use std::time::Duration;

const GROUP: &str = "chaos";

/// Starts the members; the last one stays to the end.
pub(crate) fn start(setting: &Setting) -> Readers {
    let plans = &setting.schedule.members;
    let config = ConsumerConfig::group(GROUP).auto_offset_reset(OffsetReset::Earliest);
    let config = if setting.schedule.is_coordinator_assigning {
        // The broker's settings say how often and how long.
        config.group_protocol(GroupProtocol::Consumer)
    } else {
        config
            .session_timeout(Duration::from_millis(900))
            .heartbeat_interval(Duration::from_millis(50))
    };
    let config = config
        .rebalance_timeout(Duration::from_secs(2))
        .isolation_level(setting.isolation_level())
        .fetch_wait_max(Duration::from_millis(100));
    let members = plans.iter().enumerate().map(|(index, plan)| {
        let is_last = index + 1 == plans.len();
        Member {
            client: setting.client_config(),
            consumer: config.clone(),
            topic: TOPIC.to_owned(),
            joins_after: plan.joins_after,
            stays: Some(plan.stays).filter(|_| !is_last),
            is_dropped: plan.is_dropped && !is_last,
            close_wait: CLOSE_WAIT,
        }
    });
    Readers::start(members.collect())
}

/// Waits until the group's offsets lie behind everything acknowledged. A member that was dropped keeps
/// its partitions until its session ends; then another one reads on where it had committed.
pub(crate) async fn until_committed(setting: &Setting) -> Result<()> {
    let client = setting.client()?;
    let reader = Consumer::new(&client, ConsumerConfig::group(GROUP))?;
    let partitions = all_partitions(TOPIC, setting.schedule.load.partitions);
    let mut behind = Vec::new();
    let what = "everything acknowledged is committed";
    let outcome = eventually_within(CALM_WAIT, what, async || {
        behind.clear();
        for (partition, committed) in reader.committed(&partitions).await? {
            let last = setting.history().last_acknowledged(partition.partition);
            if last.is_some_and(|last| committed.unwrap_or(0) <= last) {
                behind.push((partition.partition, committed, last));
            }
        }
        Ok(behind.is_empty().then_some(()))
    });
    let outcome = outcome.await;
    outcome.with_context(|| format!("(partition, committed, last): {behind:?}"))?;
    reader.close().await?;
    client.close().await;
    Ok(())
}
