//! One schedule from beginning to end: set up, make trouble, calm down, check.
//!
//! Owns the order of things and the checks. Producers and members have files of their own.

use crate::members;
use crate::producers;
use anyhow::{Context, Result, ensure};
use milena_broker::Broker;
use milena_client::consumer::{Consumer, ConsumerConfig, OffsetReset};
use milena_client::{Client, ClientConfig};
use milena_sim::history::{History, Place, RecordId};
use milena_sim::proxy::{Proxy, Weather};
use milena_sim::schedule::{ConnectionPlan, Schedule};
use milena_sim::target::{all_partitions, eventually_within, take};
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

pub(crate) const TOPIC: &str = "chaos";
/// Once the weather is calm everything settles within this, or it never will.
pub(crate) const CALM_WAIT: Duration = Duration::from_secs(30);
/// Far above what closing takes: one or two requests with their timeouts.
pub(crate) const CLOSE_WAIT: Duration = Duration::from_secs(5);
const REQUEST_TIMEOUT: Duration = Duration::from_millis(400);

/// What a run did.
#[derive(Clone, Debug, Default)]
pub(crate) struct Summary {
    acknowledged: usize,
    in_doubt: usize,
    disturbed_connections: u64,
    group_reads: usize,
}

impl Summary {
    pub(crate) fn add(&mut self, other: &Self) {
        self.acknowledged += other.acknowledged;
        self.in_doubt += other.in_doubt;
        self.disturbed_connections += other.disturbed_connections;
        self.group_reads += other.group_reads;
    }
}

/// What producers and members share.
#[derive(Clone)]
pub(crate) struct Setting {
    pub(crate) bootstrap: String,
    pub(crate) schedule: Arc<Schedule>,
    pub(crate) history: Arc<Mutex<History>>,
}

impl Setting {
    /// Gives up on a silent connection soon and comes back at once.
    pub(crate) fn client_config(&self) -> ClientConfig {
        let (first, most) = (Duration::from_millis(2), Duration::from_millis(40));
        ClientConfig::new(&self.bootstrap)
            .connect_timeout(REQUEST_TIMEOUT)
            .request_timeout(REQUEST_TIMEOUT)
            .metadata_max_age(Duration::from_secs(1))
            .reconnect_backoff(first, most)
            .retry_backoff(first, most)
    }

    pub(crate) fn client(&self) -> Result<Client> {
        Ok(Client::new(self.client_config())?)
    }

    pub(crate) fn history(&self) -> std::sync::MutexGuard<'_, History> {
        self.history.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Runs `schedule` and checks everything it must hold.
pub(crate) async fn run(schedule: &Schedule) -> Result<Summary> {
    let disturbed = Arc::new(AtomicU64::new(0));
    let (plans, counted) = (schedule.clone(), Arc::clone(&disturbed));
    let proxy = Proxy::listen(move |number| {
        let plan = plans.connection(number);
        let is_disturbed = plan != ConnectionPlan::default();
        counted.fetch_add(is_disturbed.into(), Ordering::Relaxed);
        plan
    })
    .await?;
    let broker = Broker::builder()
        .property("num.partitions", &schedule.load.partitions.to_string())?
        .property("advertised.listeners", &proxy.address().to_string())?
        .property("group.min.session.timeout.ms", "100")?
        .property("group.consumer.session.timeout.ms", "900")?
        .property("group.consumer.heartbeat.interval.ms", "50")?
        .start()
        .await?;
    proxy.forward_to(broker.address());
    for plan in &schedule.faults {
        broker.faults().nth(plan.api, plan.nth, plan.fault);
    }
    let setting = Setting {
        bootstrap: proxy.address().to_string(),
        schedule: Arc::new(schedule.clone()),
        history: Arc::default(),
    };

    let mut summary = drive(&setting, &proxy, &broker).await?;
    read_back(&setting).await?;
    summary.acknowledged = setting.history().acknowledged_count();
    summary.in_doubt = setting.history().in_doubt_count();
    summary.disturbed_connections = disturbed.load(Ordering::Relaxed);

    proxy.stop().await;
    broker.stop().await;
    no_task_is_left().await?;
    Ok(summary)
}

/// Lets producers and members work through the trouble and behind it.
async fn drive(setting: &Setting, proxy: &Proxy, broker: &Broker) -> Result<Summary> {
    proxy.set_weather(Weather::Rough);
    let group = members::start(setting);
    let produced = producers::start(setting);
    make_trouble(&setting.schedule, proxy).await;
    broker.faults().clear();
    proxy.set_weather(Weather::Calm);

    let settled = tokio::time::timeout(CALM_WAIT, produced).await;
    settled
        .with_context(|| format!("records are not settled {CALM_WAIT:?} after the trouble"))???;
    members::until_committed(setting).await?;
    let missing = |read: &BTreeSet<RecordId>| setting.history().acknowledged_not_in(read);
    let group_reads = group.finish(missing, CALM_WAIT).await?;
    Ok(Summary {
        group_reads,
        ..Summary::default()
    })
}

async fn make_trouble(schedule: &Schedule, proxy: &Proxy) {
    let started = Instant::now();
    for outage in &schedule.outages {
        tokio::time::sleep_until(started + outage.after).await;
        proxy.set_weather(Weather::Down);
        tokio::time::sleep(outage.lasts).await;
        proxy.set_weather(Weather::Rough);
    }
    tokio::time::sleep_until(started + schedule.rough).await;
}

/// Reads every partition from its beginning to its end and compares with what was promised.
async fn read_back(setting: &Setting) -> Result<()> {
    let client = setting.client()?;
    let config = ConsumerConfig::new().auto_offset_reset(OffsetReset::Earliest);
    let reader = Consumer::new(&client, config)?;
    let partitions = all_partitions(TOPIC, setting.schedule.load.partitions);
    reader.assign(partitions.clone()).await?;
    let mut ends = 0;
    for partition in &partitions {
        ends += reader.watermarks(partition, CALM_WAIT).await?.high;
    }
    for record in take(&reader, usize::try_from(ends)?).await? {
        let place = Place {
            partition: record.partition,
            offset: record.offset,
        };
        setting
            .history()
            .read(0, place, RecordId::of_value(record.value.as_deref())?);
    }
    reader.close().await?;
    client.close().await;
    let anomalies = setting.history().anomalies();
    ensure!(anomalies.is_empty(), "{anomalies:?}");
    Ok(())
}

/// Everything was closed: tasks end by themselves, and soon.
async fn no_task_is_left() -> Result<()> {
    let metrics = tokio::runtime::Handle::current().metrics();
    let ask = async || Ok((metrics.num_alive_tasks() == 0).then_some(()));
    let ended = eventually_within(CLOSE_WAIT, "after closing no task is left", ask).await;
    ended.with_context(|| format!("{} tasks are alive", metrics.num_alive_tasks()))
}
