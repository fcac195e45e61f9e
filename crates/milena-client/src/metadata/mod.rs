//! What is known about the cluster: brokers, topics, leaders. A snapshot that everybody reads without
//! waiting, and a task that keeps it up to date. Knows nothing of records.

mod cache;
mod leaders;
mod refresh;
mod schedule;
mod snapshot;

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwap;
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, timeout_at};

use crate::config::{BrokerAddress, ClientConfig};
use crate::error::Error;
use crate::topology::NodeId;
use crate::wire::ErrorClass;
use crate::wire::messages::MetadataResponse;
use cache::Cache;
use schedule::Schedule;

pub(crate) use leaders::NamedLeaders;
pub(crate) use refresh::{ask, keep_fresh};
pub(crate) use snapshot::{ClusterSnapshot, TopicMetadata};

/// The shared, always readable picture of the cluster.
pub(crate) struct Metadata {
    snapshot: ArcSwap<ClusterSnapshot>,
    versions: watch::Sender<u64>,
    /// Counts the refreshes that ended, whether or not they changed anything.
    refreshes: watch::Sender<u64>,
    state: Mutex<State>,
    /// Wakes the refresh task.
    wake: Notify,
}

struct State {
    cache: Cache,
    schedule: Schedule,
    /// Topics of every refresh, and how often they were tracked.
    tracked: HashMap<Arc<str>, Interest>,
    /// Topics that somebody waits for right now.
    wanted: HashMap<Arc<str>, usize>,
    /// Why the last refresh failed, if it did.
    last_error: Option<Error>,
    /// There will be no more refreshes.
    is_closed: bool,
}

impl State {
    /// Why refreshes cannot succeed, if that is so: closed, or refused by the cluster.
    fn terminal_error(&self) -> Option<Error> {
        if self.is_closed {
            return Some(Error::Closed);
        }
        let error = self.last_error.as_ref();
        error
            .filter(|error| error.class() == ErrorClass::Terminal)
            .cloned()
    }
}

/// Why a topic is part of every refresh.
#[derive(Debug, Default)]
struct Interest {
    /// `track` minus `untrack`.
    tracked: usize,
    /// It was looked up; kept until it is gone.
    is_looked_up: bool,
}

impl Metadata {
    /// Knows nothing yet. [`keep_fresh`] must run for anything to be found out.
    pub(crate) fn new(config: &ClientConfig) -> Self {
        let pause = config.retry_backoff;
        let schedule = Schedule::new(config.metadata_max_age, pause, config.retry_backoff_max);
        Self {
            snapshot: ArcSwap::default(),
            versions: watch::Sender::new(0),
            refreshes: watch::Sender::new(0),
            state: Mutex::new(State {
                cache: Cache::default(),
                schedule,
                tracked: HashMap::new(),
                wanted: HashMap::new(),
                last_error: None,
                is_closed: false,
            }),
            wake: Notify::new(),
        }
    }

    /// The newest picture. Cheap; never waits.
    pub(crate) fn snapshot(&self) -> Arc<ClusterSnapshot> {
        self.snapshot.load_full()
    }

    /// Announces the version of each new picture.
    pub(crate) fn subscribe(&self) -> watch::Receiver<u64> {
        self.versions.subscribe()
    }

    /// Asks for a refresh of all tracked topics in the background, soon; many requests become one, and
    /// pauses lie between refreshes (`retry.backoff.ms`).
    pub(crate) fn request_refresh(&self) {
        self.lock().schedule.request(Instant::now());
        self.wake.notify_one();
    }

    /// The topic, fetched if it is not known yet, and kept up to date from now on.
    ///
    /// # Errors
    /// [`Error::UnknownTopic`] if it does not exist by `deadline`, [`Error::Broker`] at once if the
    /// cluster refuses it for good, the last connection error if no broker answered.
    pub(crate) async fn topic(
        &self,
        name: &str,
        deadline: Instant,
    ) -> Result<Arc<TopicMetadata>, Error> {
        if let Some(topic) = self.snapshot().present_topic(name) {
            self.look_up(name);
            return Ok(topic);
        }
        let started = Instant::now();
        let mut refreshes = self.refreshes.subscribe();
        let _wanted = Wanted::new(self, name)?;
        while timeout_at(deadline, refreshes.changed()).await.is_ok() {
            let snapshot = self.snapshot();
            if let Some(topic) = snapshot.present_topic(name) {
                self.look_up(name);
                return Ok(topic);
            }
            if let Some(error) = self.lock().terminal_error() {
                return Err(error);
            }
            if let Some(code) = snapshot
                .absent
                .get(name)
                .filter(|code| !code.is_retriable())
            {
                return Err(Error::broker(*code, format!("metadata of topic {name}")));
            }
        }
        Err(self.why_not_found(name, deadline - started))
    }

    /// Asks for a refresh and waits until one succeeds.
    ///
    /// # Errors
    /// The reason of the last failure if there was none by `deadline`.
    pub(crate) async fn refreshed(&self, deadline: Instant) -> Result<Arc<ClusterSnapshot>, Error> {
        let started = Instant::now();
        let mut refreshes = self.refreshes.subscribe();
        self.request_refresh();
        while timeout_at(deadline, refreshes.changed()).await.is_ok() {
            let state = self.lock();
            if let Some(error) = state.terminal_error() {
                return Err(error);
            }
            if state.last_error.is_none() {
                return Ok(self.snapshot());
            }
        }
        let after = deadline - started;
        let timeout = Error::Timeout {
            what: "refresh of metadata".to_owned(),
            after,
        };
        Err(self.lock().last_error.clone().unwrap_or(timeout))
    }

    /// Why refreshes cannot succeed, if that is so.
    pub(crate) fn refusal(&self) -> Option<Error> {
        self.lock().terminal_error()
    }

    /// Includes topics in every refresh, starting with one now if a topic is new.
    pub(crate) fn track<I: IntoIterator<Item = Arc<str>>>(&self, topics: I) {
        let mut state = self.lock();
        let mut is_news = false;
        for topic in topics {
            is_news |= !state.cache.snapshot().topics.contains_key(&topic);
            state.tracked.entry(topic).or_default().tracked += 1;
        }
        if is_news {
            state.schedule.request(Instant::now());
            self.wake.notify_one();
        }
    }

    /// No longer includes topics in refreshes, once for each time they were tracked.
    pub(crate) fn untrack<'a, I: IntoIterator<Item = &'a str>>(&self, topics: I) {
        let mut state = self.lock();
        for topic in topics {
            let Some(interest) = state.tracked.get_mut(topic) else {
                continue;
            };
            interest.tracked = interest.tracked.saturating_sub(1);
            if interest.tracked == 0 && !interest.is_looked_up {
                state.tracked.remove(topic);
                state.cache.forget_absent(topic);
            }
        }
    }

    /// Takes over the brokers and the controller of an answer that somebody else asked for.
    pub(crate) fn learn_brokers(&self, response: &MetadataResponse) {
        let mut state = self.lock();
        if state.cache.learn_cluster(response) {
            self.publish(&state);
        }
    }

    /// Adds a broker that an answer other than metadata named, such as a coordinator.
    pub(crate) fn learn_broker(&self, node: NodeId, address: BrokerAddress) {
        let mut state = self.lock();
        if state.cache.learn_broker(node, address) {
            self.publish(&state);
        }
    }

    /// There will be no more refreshes; who waits for one need not any longer.
    pub(crate) fn close(&self) {
        let mut state = self.lock();
        state.is_closed = true;
        state.last_error = Some(Error::Closed);
        self.refreshes.send_modify(|count| *count += 1);
    }

    /// Whether it was closed.
    pub(crate) fn is_closed(&self) -> bool {
        self.lock().is_closed
    }

    fn look_up(&self, name: &str) {
        let mut state = self.lock();
        match state.tracked.get_mut(name) {
            Some(interest) => interest.is_looked_up = true,
            None => {
                state.tracked.insert(
                    name.into(),
                    Interest {
                        tracked: 0,
                        is_looked_up: true,
                    },
                );
            }
        }
    }

    fn why_not_found(&self, name: &str, after: std::time::Duration) -> Error {
        let state = self.lock();
        match &state.last_error {
            Some(error) => error.clone(),
            None if state.cache.snapshot().absent.contains_key(name) => {
                Error::UnknownTopic { topic: name.into() }
            }
            None => Error::Timeout {
                what: format!("metadata of topic {name}"),
                after,
            },
        }
    }

    fn publish(&self, state: &State) {
        let snapshot = state.cache.snapshot();
        self.snapshot.store(Arc::new(snapshot.clone()));
        self.versions.send_replace(snapshot.version);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Metadata {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let version = self.snapshot().version;
        formatter
            .debug_struct("Metadata")
            .field("version", &version)
            .finish_non_exhaustive()
    }
}

/// Somebody waits for a topic for as long as this lives.
struct Wanted<'a> {
    metadata: &'a Metadata,
    name: Arc<str>,
}

impl<'a> Wanted<'a> {
    fn new(metadata: &'a Metadata, name: &str) -> Result<Self, Error> {
        let name: Arc<str> = name.into();
        let mut state = metadata.lock();
        if state.is_closed {
            return Err(Error::Closed);
        }
        *state.wanted.entry(Arc::clone(&name)).or_default() += 1;
        state.schedule.request(Instant::now());
        metadata.wake.notify_one();
        drop(state);
        Ok(Self { metadata, name })
    }
}

impl Drop for Wanted<'_> {
    fn drop(&mut self) {
        let mut state = self.metadata.lock();
        if let Some(count) = state.wanted.get_mut(&self.name) {
            *count -= 1;
            if *count == 0 {
                state.wanted.remove(&self.name);
                if !state.tracked.contains_key(&self.name) {
                    state.cache.forget_absent(&self.name);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
