//! The task that keeps metadata up to date: asks any broker when a refresh is due, and merges the
//! answer. Ends when it is aborted.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use super::schedule::Outcome;
use super::{Metadata, State};
use crate::config::ClientConfig;
use crate::error::Error;
use crate::lane::Lane;
use crate::net::Connection;
use crate::wire::messages::metadata_request::MetadataRequestTopic;
use crate::wire::messages::{MetadataRequest, MetadataResponse, TopicName};
use crate::wire::{ApiKey, ErrorClass, StrBytes};

/// Version 4 is the first that can ask without creating (Kafka 0.11); from 13 on a broker may answer
/// with an error instead (KIP-1102).
const VERSIONS: (i16, i16) = (4, 12);

/// Refreshes `metadata` over `lane` whenever it is due.
pub(crate) async fn keep_fresh(metadata: Arc<Metadata>, lane: Lane, config: Arc<ClientConfig>) {
    loop {
        wait_until_due(&metadata).await;
        let plan = metadata.start_refresh();
        let result = refresh(&metadata, &lane, &config, &plan).await;
        metadata.finish_refresh(result);
    }
}

/// The topics of one refresh.
struct Plan {
    /// Somebody waits for these; asking for them may create them.
    wanted: Vec<Arc<str>>,
    /// These are only kept up to date.
    tracked: Vec<Arc<str>>,
}

async fn wait_until_due(metadata: &Metadata) {
    loop {
        let now = Instant::now();
        let due = metadata.lock().schedule.due(now);
        match due {
            Some(due) if due <= now => return,
            Some(due) => {
                tokio::select! {
                    () = sleep_until(due) => {}
                    () = metadata.wake.notified() => {}
                }
            }
            None => metadata.wake.notified().await,
        }
    }
}

/// Asks for what is planned; says whether anything changed.
async fn refresh(
    metadata: &Metadata,
    lane: &Lane,
    config: &ClientConfig,
    plan: &Plan,
) -> Result<bool, Error> {
    let connection = lane.any_connection().await?;
    let timeout = config.request_timeout;
    let mut is_changed = false;
    if !plan.wanted.is_empty() {
        let may_create = config.allow_auto_create_topics;
        let response = ask(&connection, Some(&plan.wanted), may_create, timeout).await?;
        is_changed |= metadata.merge(&plan.wanted, response);
    }
    if plan.wanted.is_empty() || !plan.tracked.is_empty() {
        let response = ask(&connection, Some(&plan.tracked), false, timeout).await?;
        is_changed |= metadata.merge(&plan.tracked, response);
    }
    Ok(is_changed)
}

/// Asks a broker for `topics`, or for all there are; with `may_create` it may create unknown ones.
pub(crate) async fn ask(
    connection: &Connection,
    topics: Option<&[Arc<str>]>,
    may_create: bool,
    timeout: Duration,
) -> Result<MetadataResponse, Error> {
    let (min, max) = VERSIONS;
    let version = connection
        .version_within(ApiKey::Metadata, min, max)
        .ok_or_else(|| connection.unsupported("Metadata"))?;
    let topics = topics.map(|topics| {
        let named = |name: &Arc<str>| TopicName(StrBytes::from_string(name.to_string()));
        topics
            .iter()
            .map(|name| MetadataRequestTopic::default().with_name(Some(named(name))))
            .collect()
    });
    let request = MetadataRequest::default()
        .with_topics(topics)
        .with_allow_auto_topic_creation(may_create);
    connection.call_at(&request, version, timeout).await
}

impl Metadata {
    fn start_refresh(&self) -> Plan {
        let mut state = self.lock();
        state.schedule.started();
        let wanted: Vec<Arc<str>> = state.wanted.keys().cloned().collect();
        let tracked = state
            .tracked
            .keys()
            .filter(|name| !state.wanted.contains_key(*name));
        let tracked = tracked.cloned().collect();
        Plan { wanted, tracked }
    }

    /// Merges an answer; returns whether anything changed.
    fn merge(&self, asked: &[Arc<str>], response: MetadataResponse) -> bool {
        let mut state = self.lock();
        let merged = state.cache.merge(asked, response, Instant::now());
        for name in &merged.gone {
            tracing::warn!(event = "topic_gone", topic = %name);
            if state
                .tracked
                .get(name)
                .is_some_and(|interest| interest.tracked == 0)
            {
                state.tracked.remove(name);
            }
        }
        if merged.is_changed {
            self.publish(&state);
        }
        merged.is_changed
    }

    fn finish_refresh(&self, result: Result<bool, Error>) {
        let now = Instant::now();
        let mut state = self.lock();
        let outcome = match &result {
            Ok(true) => Outcome::Changed,
            Ok(false) => Outcome::Unchanged,
            Err(error) => {
                tracing::warn!(event = "metadata_refresh_failed", error = %error);
                if error.class() == ErrorClass::Terminal {
                    Outcome::Refused
                } else {
                    Outcome::Failed
                }
            }
        };
        state.schedule.finished(outcome, now);
        if outcome != Outcome::Refused && state.is_incomplete() {
            state.schedule.request(now);
        }
        state.last_error = result.err();
        if outcome == Outcome::Refused {
            // Whoever follows versions looks, and finds the refusal.
            self.versions.send_modify(|_| {});
        }
        self.refreshes.send_modify(|count| *count += 1);
    }
}

impl State {
    /// Whether a topic is missing that is waited for or tracked, or a partition has no leader: then
    /// the next refresh should not wait for old age.
    fn is_incomplete(&self) -> bool {
        let snapshot = self.cache.snapshot();
        let mut names = self.wanted.keys().chain(self.tracked.keys());
        names.any(|name| match snapshot.topics.get(name) {
            Some(topic) => {
                snapshot.absent.contains_key(name)
                    || topic
                        .partitions
                        .iter()
                        .any(|partition| partition.leader.is_none())
            }
            None => true,
        })
    }
}
