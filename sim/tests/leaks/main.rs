//! Clients that come and go by the hundred leave nothing behind: no task, no open file, no memory,
//! whether they are closed or only dropped.
//!
//! A process of its own, because it counts what the process has.

use anyhow::{Context, Result, ensure};
use milena_broker::Broker;
use milena_client::consumer::{Consumer, ConsumerConfig, OffsetReset};
use milena_client::producer::{Producer, ProducerConfig, Record};
use milena_client::{Admin, Client, ClientConfig};
use milena_sim::target::{eventually_within, take};
use std::time::Duration;
use tokio::runtime::Handle;

const TOPIC: &str = "leaks";
/// Rounds before anything is counted: they fill pools and allocator arenas.
const WARM_UP: u32 = 40;
const ROUNDS: u32 = 120;
/// What all rounds together may keep: a leaked client has some 20 kB at least.
const MEMORY_KB_MAX: u64 = 2 * 1024;
const SETTLE_WAIT: Duration = Duration::from_secs(20);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Closed,
    Dropped,
}

#[test]
fn clients_that_come_and_go_leave_nothing_behind() -> Result<()> {
    for end in [End::Closed, End::Dropped] {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let checked = runtime.block_on(check(end));
        checked.with_context(|| format!("{end:?} clients"))?;
    }
    Ok(())
}

async fn check(end: End) -> Result<()> {
    let broker = Broker::builder()
        .property("group.min.session.timeout.ms", "100")?
        .start()
        .await?;
    let tasks = Handle::current().metrics().num_alive_tasks();
    let files = open_files();
    for number in 0..WARM_UP {
        live(&broker, number, end).await?;
    }
    settled(tasks, files).await?;
    let memory = memory_kb();
    for number in 0..ROUNDS {
        live(&broker, number, end).await?;
    }
    settled(tasks, files).await?;
    let grown = memory_kb().saturating_sub(memory);
    eprintln!("{end:?}: {ROUNDS} rounds, {tasks} tasks, {files} files, memory grew by {grown} kB");
    ensure!(grown <= MEMORY_KB_MAX, "memory grew by {grown} kB");
    broker.stop().await;
    Ok(())
}

/// One client with everything that can be made of it, at work.
async fn live(broker: &Broker, number: u32, end: End) -> Result<()> {
    let client = Client::new(ClientConfig::new(&broker.bootstrap()))?;
    let producer = Producer::new(&client, ProducerConfig::default())?;
    producer.send(Record::to(TOPIC).value("value")).await?;
    let config = ConsumerConfig::group(format!("leaks-{}", number % 4))
        .auto_offset_reset(OffsetReset::Earliest)
        .session_timeout(Duration::from_millis(300))
        .heartbeat_interval(Duration::from_millis(100))
        .enable_auto_commit(true);
    let member = Consumer::new(&client, config)?;
    member.subscribe([TOPIC]).await?;
    take(&member, 1).await?;
    Admin::new(&client).list_topics().await?;
    if end == End::Closed {
        producer.close().await?;
        member.close().await?;
        client.close().await;
    }
    Ok(())
}

/// Waits until as many tasks live and files are open as before.
async fn settled(tasks: usize, files: usize) -> Result<()> {
    let metrics = Handle::current().metrics();
    let now = || (metrics.num_alive_tasks(), open_files());
    let is_settled = || now().0 <= tasks && now().1 <= files;
    let ask = async || Ok(is_settled().then_some(()));
    let settled = eventually_within(SETTLE_WAIT, "tasks and files as before", ask).await;
    settled.with_context(|| format!("{:?} instead of {:?}", now(), (tasks, files)))
}

/// 0 where the system does not tell.
fn open_files() -> usize {
    std::fs::read_dir("/proc/self/fd").map_or(0, Iterator::count)
}

/// Resident memory; 0 where the system does not tell.
fn memory_kb() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let number = line.and_then(|rest| rest.trim().strip_suffix(" kB"));
    number.and_then(|number| number.parse().ok()).unwrap_or(0)
}
