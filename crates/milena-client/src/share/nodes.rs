//! The brokers a share consumer fetches from.
//!
//! Owns one session a broker, the fetches under way, and what they brought; a
//! fetch goes on when the poll that started it is over, so that nothing acquired
//! is forgotten.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::Instant;

use super::config::ShareConfig;
use super::hand::Given;
use super::read::{Acquired, read};
use super::requests::{ShareRequests, SharedPartition, read_acknowledge, read_fetch};
use super::session::{PartitionId, SharePlan, ShareSession};
use super::{AcknowledgementFailure, ShareRecord};
use crate::backoff::Backoff;
use crate::client::{Client, Lane};
use crate::error::Error;
use crate::topology::{NodeId, TopicPartition};
use crate::wire::ErrorCode;
use crate::wire::messages::share_fetch_response::ShareFetchResponse;

/// What is needed to talk to brokers.
pub(super) struct Link {
    pub(super) client: Client,
    /// Fetches wait on the broker; nothing else may wait behind them.
    pub(super) lane: Lane,
    pub(super) requests: ShareRequests,
    pub(super) config: ShareConfig,
}

struct Node {
    session: ShareSession,
    is_busy: bool,
    retry_at: Option<Instant>,
    backoff: Backoff,
}

/// A fetch that is over.
struct Done {
    node: NodeId,
    plan: SharePlan,
    result: Result<ShareFetchResponse, Error>,
}

/// All brokers, and what they brought.
pub(super) struct Nodes {
    link: Arc<Link>,
    nodes: HashMap<NodeId, Node>,
    in_flight: JoinSet<Done>,
    /// Names of the partitions that were ever assigned.
    names: HashMap<PartitionId, TopicPartition>,
    pub(super) ready: VecDeque<(NodeId, ShareRecord)>,
    pub(super) failures: Vec<AcknowledgementFailure>,
    pub(super) errors: VecDeque<Error>,
    pub(super) lock_timeout: Option<Duration>,
}

impl Nodes {
    pub(super) fn new(link: Arc<Link>) -> Self {
        Self {
            link,
            nodes: HashMap::new(),
            in_flight: JoinSet::new(),
            names: HashMap::new(),
            ready: VecDeque::new(),
            failures: Vec::new(),
            errors: VecDeque::new(),
            lock_timeout: None,
        }
    }

    /// Has verdicts told with the next requests to their brokers.
    pub(super) fn acknowledge(&mut self, given: Vec<Given>) {
        for one in given {
            let node = self
                .nodes
                .entry(one.node)
                .or_insert_with(|| new_node(&self.link));
            node.session
                .acknowledge(one.partition, one.offset, one.verdict);
        }
    }

    /// Starts a fetch from each broker that leads something of `assigned`, has
    /// verdicts to be told, or has partitions to forget, and is not busy. Returns
    /// when to come again for those that have to wait.
    pub(super) fn launch(&mut self, assigned: &BTreeSet<PartitionId>) -> Option<Instant> {
        let now = Instant::now();
        let wanted = self.by_leader(assigned);
        for node in wanted.keys() {
            self.nodes
                .entry(*node)
                .or_insert_with(|| new_node(&self.link));
        }
        let mut wake_at: Option<Instant> = None;
        let nothing = BTreeSet::new();
        for (id, node) in &mut self.nodes {
            if node.is_busy {
                continue;
            }
            if let Some(at) = node.retry_at.filter(|at| *at > now) {
                wake_at = Some(wake_at.map_or(at, |wake_at| wake_at.min(at)));
                continue;
            }
            let wanted = wanted.get(id).unwrap_or(&nothing);
            if wanted.is_empty() && !node.session.has_partitions() && !node.session.has_waiting() {
                continue;
            }
            let plan = node.session.plan_fetch(wanted);
            // Nobody waits for records of nothing.
            let wait = match wanted.is_empty() {
                true => Duration::ZERO,
                false => self.link.config.fetch_wait_max,
            };
            node.is_busy = true;
            let (link, id) = (Arc::clone(&self.link), *id);
            self.in_flight.spawn(async move {
                let result = fetch(&link, id, &plan, wait).await;
                Done {
                    node: id,
                    plan,
                    result,
                }
            });
        }
        wake_at
    }

    /// Takes in the next fetch that is over; for ever if there is none. Safe to
    /// drop and call again.
    pub(super) async fn next_done(&mut self) {
        match self.in_flight.join_next().await {
            Some(Ok(done)) => self.on_done(done),
            // It was cut off with the runtime.
            Some(Err(_)) => {}
            None => std::future::pending().await,
        }
    }

    /// Waits until no fetch is under way.
    pub(super) async fn settle(&mut self) {
        while !self.in_flight.is_empty() {
            self.next_done().await;
        }
    }

    /// Tells all verdicts that wait, without fetching.
    pub(super) async fn tell(&mut self) {
        let plans = self.nodes.iter_mut().filter_map(|(id, node)| {
            let plan = node.session.plan_acknowledge()?;
            Some((*id, plan))
        });
        let plans: Vec<(NodeId, SharePlan)> = plans.collect();
        for (id, plan) in plans {
            self.send(id, plan).await;
        }
    }

    /// Closes all sessions: what was not acknowledged is released.
    pub(super) async fn close(&mut self) {
        let plans = self.nodes.iter_mut().filter_map(|(id, node)| {
            let plan = node.session.plan_close()?;
            Some((*id, plan))
        });
        let plans: Vec<(NodeId, SharePlan)> = plans.collect();
        for (id, plan) in plans {
            self.send(id, plan).await;
        }
        self.ready.clear();
    }

    async fn send(&mut self, id: NodeId, plan: SharePlan) {
        let link = Arc::clone(&self.link);
        let request = link.requests.acknowledge(&plan);
        let timeout = link.client.config().request_timeout;
        let response = match link.lane.connection(id).await {
            Ok(connection) => connection.call(&request, timeout).await,
            Err(error) => Err(error),
        };
        let refused = match &response {
            Ok(response) => read_acknowledge(response)
                .map_err(|code| Error::broker(code, format!("acknowledgements to broker {id}"))),
            Err(error) => Err(error.clone()),
        };
        match refused {
            Ok(refused) => {
                if let Some(node) = self.nodes.get_mut(&id)
                    && plan.epoch > 0
                {
                    node.session.on_success(&plan);
                }
                for (partition, code) in refused {
                    self.refuse(partition, code);
                }
            }
            Err(error) => self.on_lost(id, &plan, &error),
        }
    }

    fn on_done(&mut self, done: Done) {
        let now = Instant::now();
        if let Some(node) = self.nodes.get_mut(&done.node) {
            node.is_busy = false;
            node.retry_at = None;
        }
        let response = match done.result {
            Ok(response) => response,
            Err(error) => {
                self.on_lost(done.node, &done.plan, &error);
                self.pause(done.node, now);
                return;
            }
        };
        let lock_ms = u64::try_from(response.acquisition_lock_timeout_ms).unwrap_or(0);
        match read_fetch(response) {
            Ok(partitions) => {
                self.lock_timeout = Some(Duration::from_millis(lock_ms));
                if let Some(node) = self.nodes.get_mut(&done.node) {
                    node.backoff.reset();
                    node.session.on_success(&done.plan);
                }
                for partition in partitions {
                    self.on_partition(done.node, partition);
                }
            }
            Err(code) => {
                let error = Error::broker(code, format!("share fetch from broker {}", done.node));
                self.on_lost(done.node, &done.plan, &error);
                self.pause(done.node, now);
                let is_expected = matches!(
                    code,
                    ErrorCode::ShareSessionNotFound | ErrorCode::InvalidShareSessionEpoch
                );
                if !is_expected && !code.is_retriable() {
                    self.errors.push_back(error);
                }
            }
        }
    }

    fn on_partition(&mut self, id: NodeId, partition: SharedPartition) {
        if partition.acknowledge_code != ErrorCode::None {
            self.refuse(partition.id, partition.acknowledge_code);
        }
        let Some(node) = self.nodes.get_mut(&id) else {
            return;
        };
        if partition.code != ErrorCode::None {
            node.session.forget(&partition.id);
            node.retry_at = Some(Instant::now() + node.backoff.next_delay());
            self.link.client.metadata().request_refresh();
            if !partition.code.is_retriable() {
                let error = Error::broker(partition.code, "share fetch of a partition");
                self.errors.push_back(error);
            }
            return;
        }
        let Some(name) = self.names.get(&partition.id) else {
            return;
        };
        let Acquired {
            records,
            unseen,
            error,
        } = read(partition.id, name, partition.records, &partition.acquired);
        for (offset, verdict) in unseen {
            node.session.acknowledge(partition.id, offset, verdict);
        }
        self.errors.extend(error);
        let records = records.into_iter().map(|record| (id, record));
        self.ready.extend(records);
    }

    /// Nobody knows what the broker made of `plan`; its verdicts may not count.
    fn on_lost(&mut self, id: NodeId, plan: &SharePlan, error: &Error) {
        tracing::debug!(event = "share_request_failed", node = %id, %error);
        if let Some(node) = self.nodes.get_mut(&id) {
            node.session.reset();
        }
        for partition in plan.runs.keys() {
            if let Some(name) = self.names.get(partition) {
                self.failures.push(AcknowledgementFailure {
                    partition: name.clone(),
                    error: error.clone(),
                });
            }
        }
        self.link.client.metadata().request_refresh();
    }

    fn pause(&mut self, id: NodeId, now: Instant) {
        if let Some(node) = self.nodes.get_mut(&id) {
            node.retry_at = Some(now + node.backoff.next_delay());
        }
    }

    fn refuse(&mut self, partition: PartitionId, code: ErrorCode) {
        if let Some(name) = self.names.get(&partition) {
            self.failures.push(AcknowledgementFailure {
                partition: name.clone(),
                error: Error::broker(code, format!("acknowledgements of {name}")),
            });
        }
    }

    /// Partitions by the broker that leads them, as far as that is known.
    fn by_leader(
        &mut self,
        assigned: &BTreeSet<PartitionId>,
    ) -> BTreeMap<NodeId, BTreeSet<PartitionId>> {
        let snapshot = self.link.client.metadata().snapshot();
        let topics: HashMap<_, _> = snapshot.topics.values().map(|one| (one.id, one)).collect();
        let mut wanted: BTreeMap<NodeId, BTreeSet<PartitionId>> = BTreeMap::new();
        for id in assigned {
            let leader = topics.get(&id.0).and_then(|topic| {
                let leader = topic.partition(id.1)?.leader?;
                Some((Arc::clone(&topic.name), leader))
            });
            match leader {
                Some((name, leader)) => {
                    self.names.insert(*id, TopicPartition::new(name, id.1));
                    wanted.entry(leader).or_default().insert(*id);
                }
                None => self.link.client.metadata().request_refresh(),
            }
        }
        wanted
    }
}

fn new_node(link: &Link) -> Node {
    let config = link.client.config();
    Node {
        session: ShareSession::default(),
        is_busy: false,
        retry_at: None,
        backoff: Backoff::new(config.retry_backoff, config.retry_backoff_max),
    }
}

async fn fetch(
    link: &Link,
    node: NodeId,
    plan: &SharePlan,
    wait: Duration,
) -> Result<ShareFetchResponse, Error> {
    let connection = link.lane.connection(node).await?;
    let request = link.requests.fetch(plan, &link.config, wait);
    let timeout = link.client.config().request_timeout + wait;
    connection.call(&request, timeout).await
}
