//! One task a broker that keeps fetching ahead.
//!
//! Owns the loop plan → request → deliver and its pauses; the rules of
//! sessions are `session`'s, the words `fetch`'s, the queues `partitions`'.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use crate::wire::messages::ApiKey;
use crate::wire::messages::fetch_response::FetchResponse;
use tokio::time::Instant;
use uuid::Uuid;

use super::fetch::{
    self, Asked, FETCH_VERSION_MAX, FETCH_VERSION_MIN, FETCH_VERSION_WITH_SESSIONS,
    FETCH_VERSION_WITH_TOPIC_IDS, FetchSettings,
};
use super::fetch_size::{FetchReport, FetchSize};
use super::partitions::{Delivered, FetchedPartition};
use super::session::{FetchParams, FetchSession, SessionOutcome};
use super::shared::Shared;
use crate::backoff::Backoff;
use crate::error::Error;
use crate::topology::{NodeId, TopicPartition};
use crate::wire::ErrorCode;

/// Fetches from one broker until dropped.
pub(super) struct Fetcher {
    shared: Arc<Shared>,
    node: NodeId,
    session: FetchSession,
    size: FetchSize,
    backoff: Backoff,
    /// How many brokers share the room for responses.
    brokers_count: usize,
}

/// What to ask for now.
struct Wanted {
    params: BTreeMap<TopicPartition, FetchParams>,
    asked: Asked,
    /// No other replica is to be recommended for one of them.
    wants_leader: bool,
}

impl Fetcher {
    pub(super) fn new(shared: Arc<Shared>, node: NodeId) -> Self {
        let config = shared.client.config();
        let backoff = Backoff::new(config.retry_backoff, config.retry_backoff_max);
        let size = FetchSize::new(shared.config.fetch_bytes_max);
        Self {
            shared,
            node,
            size,
            session: FetchSession::new(),
            backoff,
            brokers_count: 1,
        }
    }

    /// Fetches for as long as the consumer lives.
    pub(super) async fn run(mut self) {
        while self.shared.check_usable().is_ok() {
            let wanted = self.wait_for_work().await;
            let asked = wanted.asked.clone();
            match self.fetch(wanted).await {
                Ok(()) => self.backoff.reset(),
                Err(error) => self.on_failure(&asked, &error).await,
            }
        }
    }

    /// Waits until there is something to fetch and room for it.
    async fn wait_for_work(&mut self) -> Wanted {
        let shared = Arc::clone(&self.shared);
        loop {
            let mut work = std::pin::pin!(shared.work.notified());
            let mut room = std::pin::pin!(shared.room.notified());
            work.as_mut().enable();
            room.as_mut().enable();
            let now = Instant::now();
            let (wanted, wake_at) = self.plan(now);
            if let Some(wanted) = wanted {
                return wanted;
            }
            tokio::select! {
                () = work => {}
                () = room => {}
                () = sleep_until(wake_at) => {}
            }
        }
    }

    /// What to fetch now, or when to look again.
    fn plan(&mut self, now: Instant) -> (Option<Wanted>, Option<Instant>) {
        let snapshot = self.shared.client.metadata().snapshot();
        let config = &self.shared.config;
        let mut partitions = self.shared.partitions();
        let wake_at = partitions.wake_at(now);
        if !self.shared.has_room(&partitions) {
            // Paused partitions must not starve the others.
            partitions.drop_paused();
            if !self.shared.has_room(&partitions) {
                return (None, wake_at);
            }
        }
        self.brokers_count = partitions.brokers_count(now).max(1);
        let wanted = partitions.wanted_from(self.node, now);
        drop(partitions);
        if wanted.is_empty() {
            return (None, wake_at);
        }
        let mut params = BTreeMap::new();
        let mut asked = Asked::new();
        let mut wants_leader = false;
        for (partition, from) in wanted {
            let topic_id = snapshot
                .topic(&partition.topic)
                .map_or(Uuid::nil(), |topic| topic.id);
            asked.insert(partition.clone(), (from.offset, from.incarnation));
            wants_leader |= from.wants_leader;
            let bytes_max = config.partition_fetch_bytes_max;
            let wanted = FetchParams {
                topic_id,
                fetch_offset: from.offset,
                current_leader_epoch: from.current_leader_epoch,
                last_fetched_epoch: from.last_fetched_epoch,
                partition_bytes_max: i32::try_from(bytes_max).unwrap_or(i32::MAX),
            };
            params.insert(partition, wanted);
        }
        let wanted = Wanted {
            params,
            asked,
            wants_leader,
        };
        (Some(wanted), wake_at)
    }

    async fn fetch(&mut self, wanted: Wanted) -> Result<(), Error> {
        let connection = self.shared.lane.connection(self.node).await?;
        let has_topic_ids = wanted
            .params
            .values()
            .all(|params| !params.topic_id.is_nil());
        let version_max = if has_topic_ids {
            FETCH_VERSION_MAX
        } else {
            FETCH_VERSION_WITH_TOPIC_IDS - 1
        };
        let version = connection
            .version_within(ApiKey::Fetch, FETCH_VERSION_MIN, version_max)
            .ok_or_else(|| Error::Unsupported {
                address: format!("broker {}", self.node),
                api: "Fetch".to_owned(),
            })?;
        let topic_names: HashMap<Uuid, Arc<str>> = wanted
            .params
            .iter()
            .filter(|_| version >= FETCH_VERSION_WITH_TOPIC_IDS)
            .map(|(partition, params)| (params.topic_id, Arc::clone(&partition.topic)))
            .collect();
        if version < FETCH_VERSION_WITH_SESSIONS {
            self.session = FetchSession::new();
        }
        let config = &self.shared.config;
        let share = config.prefetch_bytes_max / 2 / self.brokers_count;
        let mut settings = FetchSettings::new(config, self.size.ask(share.max(1)));
        if wanted.wants_leader {
            settings.rack = Arc::default();
        }
        let plan = self.session.plan(wanted.params);
        let request = fetch::request(&plan, &settings, version);
        let timeout = settings.wait_max + self.shared.client.config().request_timeout;
        let asked_at = Instant::now();
        let response = connection.call_at(&request, version, timeout).await?;
        let pause_ms = u64::try_from(response.throttle_time_ms).unwrap_or(0);
        self.size.on_answer(FetchReport {
            bytes_asked: settings.bytes_max,
            bytes_received: records_bytes(&response),
            took: asked_at.elapsed(),
            is_awaited: self.shared.partitions().queued_bytes() == 0,
        });
        self.take_in(response, &wanted.asked, &topic_names)?;
        if pause_ms > 0 {
            // A quota is used up: the broker would not read the next request before (KIP-219).
            tokio::time::sleep(Duration::from_millis(pause_ms)).await;
        }
        Ok(())
    }

    fn take_in(
        &mut self,
        response: FetchResponse,
        asked: &Asked,
        topic_names: &HashMap<Uuid, Arc<str>>,
    ) -> Result<(), Error> {
        let code = ErrorCode::from(response.error_code);
        match self.session.on_response(code, response.session_id) {
            SessionOutcome::Accepted => {}
            SessionOutcome::Restarted => return Ok(()),
            SessionOutcome::Failed(code) => {
                return Err(Error::broker(
                    code,
                    format!("fetch from broker {}", self.node),
                ));
            }
        }
        let isolation_level = self.shared.config.isolation_level;
        let leaders = fetch::leaders(&response, topic_names);
        let fetched = fetch::read(response, asked, topic_names, isolation_level);
        let delivered = self.deliver(fetched);
        let metadata = self.shared.client.metadata();
        metadata.learn_leaders(self.node, &leaders, &delivered.stale);
        if delivered.has_work {
            self.shared.work.notify_waiters();
        }
        if delivered.is_ready {
            self.shared.ready.notify_waiters();
        }
        Ok(())
    }

    fn deliver(&self, fetched: Vec<FetchedPartition>) -> Delivered {
        let is_diverging = |part: &FetchedPartition| part.result.is_diverging();
        // A position that may go back must be exact: the reader stands still meanwhile.
        let _reader = fetched
            .iter()
            .any(is_diverging)
            .then(|| self.shared.synced_reader());
        let mut partitions = self.shared.partitions();
        partitions.deliver(self.node, fetched, Instant::now())
    }

    /// The broker is away or talks nonsense: pause, and see whether its
    /// partitions have moved. Positions stay (PITFALLS 10).
    async fn on_failure(&mut self, asked: &Asked, error: &Error) {
        self.session.on_failure();
        let (node, partitions) = (self.node, asked.len());
        tracing::debug!(event = "fetch_failed", %node, partitions, %error);
        self.shared
            .partitions()
            .on_node_failed(node, asked.keys(), Instant::now());
        match error {
            // The client under this consumer: nothing can come any more.
            Error::Closed => return self.shared.fail(Error::Closed),
            // Credentials do not become right by trying again.
            Error::Authentication { .. } | Error::Tls { .. } => {
                return self.shared.fail(error.clone());
            }
            error if !error.is_retriable() => self.shared.report(error.clone()),
            _ => {}
        }
        self.shared.client.metadata().request_refresh();
        self.shared.work.notify_waiters();
        tokio::time::sleep(self.backoff.next_delay()).await;
    }
}

fn records_bytes(response: &FetchResponse) -> usize {
    let partitions = response
        .responses
        .iter()
        .flat_map(|topic| &topic.partitions);
    let records = partitions.filter_map(|partition| partition.records.as_ref());
    records.map(bytes::Bytes::len).sum()
}

/// Sleeps until `at`, or for ever.
pub(super) async fn sleep_until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}
