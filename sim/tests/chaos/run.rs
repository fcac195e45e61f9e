//! One schedule from beginning to end: set up, make trouble, calm down, check.
//!
//! Owns the order of things and the checks. Producers and members have files of their own.

use crate::members;
use crate::producers;
use crate::transactors;
use anyhow::{Context, Result, ensure};
use milena_broker::Broker;
use milena_client::consumer::{Consumer, ConsumerConfig, IsolationLevel, OffsetReset};
use milena_client::{Client, ClientConfig};
use milena_sim::history::{History, Place, RecordId};
use milena_sim::proxy::{Proxy, Weather};
use milena_sim::schedule::{ConnectionPlan, Schedule};
use milena_sim::target::{all_partitions, eventually_within, take};
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

pub(crate) const TOPIC: &str = "chaos";
/// Once the weather is calm everything settles within this, or it never will.
pub(crate) const CALM_WAIT: Duration = Duration::from_secs(30);
/// Far above what closing takes: one or two requests with their timeouts.
pub(crate) const CLOSE_WAIT: Duration = Duration::from_secs(5);
/// How long nothing may come before it is taken for certain that nothing will.
const QUIET: Duration = Duration::from_millis(50);
const REQUEST_TIMEOUT: Duration = Duration::from_millis(400);

/// What a run did.
#[derive(Clone, Debug, Default)]
pub(crate) struct Summary {
    acknowledged: usize,
    in_doubt: usize,
    disturbed_connections: u64,
    group_reads: usize,
    /// Transactional producers that others took the place of.
    pub(crate) fenced: usize,
}

impl Summary {
    pub(crate) fn add(&mut self, other: &Self) {
        self.acknowledged += other.acknowledged;
        self.in_doubt += other.in_doubt;
        self.disturbed_connections += other.disturbed_connections;
        self.group_reads += other.group_reads;
        self.fenced += other.fenced;
    }
}

/// What producers and members share.
#[derive(Clone)]
pub(crate) struct Setting {
    pub(crate) bootstrap: String,
    pub(crate) schedule: Arc<Schedule>,
    pub(crate) history: Arc<Mutex<History>>,
    pub(crate) fenced: Arc<AtomicUsize>,
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

    /// What the readers of the run ask for.
    pub(crate) fn isolation_level(&self) -> IsolationLevel {
        match self.schedule.is_transactional {
            true => IsolationLevel::ReadCommitted,
            false => IsolationLevel::ReadUncommitted,
        }
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
        .property(
            "transaction.version",
            &schedule.transaction_version.to_string(),
        )?
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
        fenced: Arc::default(),
    };

    let mut summary = drive(&setting, &proxy, &broker).await?;
    read_back(&setting).await?;
    summary.acknowledged = setting.history().acknowledged_count();
    summary.fenced = setting.fenced.load(Ordering::Relaxed);
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
    let produced = match setting.schedule.is_transactional {
        true => transactors::start(setting),
        false => producers::start(setting),
    };
    tokio::join!(
        make_trouble(&setting.schedule, proxy),
        elect(&setting.schedule, broker)
    );
    broker.faults().clear();
    proxy.set_weather(Weather::Calm);

    let settled = tokio::time::timeout(CALM_WAIT, produced).await;
    settled
        .with_context(|| format!("records are not settled {CALM_WAIT:?} after the trouble"))???;
    members::until_committed(setting).await?;
    let unexpected = RefCell::default();
    let missing = |read: &BTreeSet<RecordId>| {
        *unexpected.borrow_mut() = setting.history().unexpected_in(read);
        setting.history().acknowledged_not_in(read)
    };
    let group_reads = group.finish(missing, CALM_WAIT).await?;
    let unexpected: Vec<RecordId> = unexpected.into_inner();
    ensure!(
        unexpected.is_empty(),
        "the group read what was never to be there: {unexpected:?}"
    );
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

async fn elect(schedule: &Schedule, broker: &Broker) {
    let started = Instant::now();
    for election in &schedule.elections {
        tokio::time::sleep_until(started + election.after).await;
        // There is no topic before the first record.
        let _too_early = broker.elect_leader(TOPIC, election.partition);
    }
}

/// Reads every partition from its beginning to its end and compares with what was promised.
async fn read_back(setting: &Setting) -> Result<()> {
    let client = setting.client()?;
    let config = ConsumerConfig::new()
        .auto_offset_reset(OffsetReset::Earliest)
        .isolation_level(setting.isolation_level());
    let reader = Consumer::new(&client, config)?;
    let partitions = all_partitions(TOPIC, setting.schedule.load.partitions);
    reader.assign(partitions.clone()).await?;
    let count = if setting.schedule.is_transactional {
        // Offsets do not count records: markers have some, and so has what was aborted.
        setting.history().acknowledged_count()
    } else {
        let mut ends = 0;
        for partition in &partitions {
            ends += reader.watermarks(partition, CALM_WAIT).await?.high;
        }
        usize::try_from(ends)?
    };
    let mut records = take(&reader, count).await?;
    records.extend(reader.consume_next(QUIET).await?);
    for record in records {
        let place = Place {
            partition: record.partition(),
            offset: record.offset(),
        };
        setting
            .history()
            .read(0, place, RecordId::of_value(record.value())?);
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
