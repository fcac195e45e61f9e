//! What is known about the cluster: brokers, topics, leaders. Knows nothing of records.

mod snapshot;

use std::sync::Arc;

use arc_swap::ArcSwap;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::error::Error;
pub(crate) use snapshot::{ClusterSnapshot, PartitionMetadata, TopicMetadata};

/// The shared, always readable picture of the cluster.
pub(crate) struct Metadata {
    snapshot: ArcSwap<ClusterSnapshot>,
    version: watch::Sender<u64>,
}

impl Metadata {
    /// The newest picture. Cheap; never waits.
    pub(crate) fn snapshot(&self) -> Arc<ClusterSnapshot> {
        self.snapshot.load_full()
    }

    /// The topic, fetched if it is not known yet, and kept up to date from now on.
    ///
    /// # Errors
    /// [`Error::UnknownTopic`] if it does not exist by `deadline`.
    pub(crate) async fn topic(
        &self,
        name: &str,
        deadline: Instant,
    ) -> Result<Arc<TopicMetadata>, Error> {
        let _ = (name, deadline);
        Err(Error::Closed)
    }

    /// Asks for a refresh in the background, soon; many requests become one.
    pub(crate) fn request_refresh(&self) {}

    /// Announces the version of each new picture.
    pub(crate) fn subscribe(&self) -> watch::Receiver<u64> {
        self.version.subscribe()
    }

    /// Includes topics in every refresh.
    pub(crate) fn track<I: IntoIterator<Item = Arc<str>>>(&self, topics: I) {
        drop(topics.into_iter());
    }

    /// No longer includes topics in refreshes, once for each time they were tracked.
    pub(crate) fn untrack<'a, I: IntoIterator<Item = &'a str>>(&self, topics: I) {
        drop(topics.into_iter());
    }
}
