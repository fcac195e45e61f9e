//! The shared heart of every producer, consumer and admin: one set of connections, one picture of the
//! cluster.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::task::AbortHandle;
use tokio::time::Instant;

use crate::config::ClientConfig;
use crate::error::Error;
use crate::metadata::{Metadata, keep_fresh};
use crate::net::{Connection, Dialler, Pool};
use crate::topology::NodeId;

pub(crate) use crate::coordinator::CoordinatorType;
pub(crate) use crate::lane::Lane;

/// A client of one cluster. Cheap to clone; all clones share connections and metadata. When the last
/// one is gone, and every producer and consumer made from it, so are its tasks and connections.
///
/// ```no_run
/// # use milena_client::{Client, ClientConfig, Error};
/// # async fn example() -> Result<(), Error> {
/// let client = Client::new(ClientConfig::new("localhost:9092"))?;
/// client.check_connection().await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Client {
    inner: Arc<Inner>,
}

struct Inner {
    config: Arc<ClientConfig>,
    metadata: Arc<Metadata>,
    shared: Lane,
    /// The connections of all lanes that are still there.
    pools: Mutex<Vec<Weak<Pool>>>,
    refresher: AbortHandle,
}

impl Client {
    /// A client for the cluster that `config` leads to. Connects when first used; must be called
    /// within a tokio runtime.
    ///
    /// # Errors
    /// [`Error::Config`] if a setting does not fit, or a certificate cannot be read.
    pub fn new(config: ClientConfig) -> Result<Self, Error> {
        config.validate()?;
        let bootstrap = config
            .bootstrap_addresses()?
            .into_iter()
            .map(Arc::new)
            .collect();
        let config = Arc::new(config);
        let metadata = Arc::new(Metadata::new(&config));
        let dialler = Arc::new(Dialler::new(Arc::clone(&config))?);
        let shared = Lane::new(dialler, bootstrap, Arc::clone(&metadata));
        let refreshing = keep_fresh(Arc::clone(&metadata), shared.clone(), Arc::clone(&config));
        let refresher = tokio::spawn(refreshing).abort_handle();
        let pools = Mutex::new(vec![Arc::downgrade(shared.pool())]);
        Ok(Self {
            inner: Arc::new(Inner {
                config,
                metadata,
                shared,
                pools,
                refresher,
            }),
        })
    }

    /// Asks the cluster for its metadata once, to see that it can be reached.
    ///
    /// # Errors
    /// Why no broker answered: [`Error::Connect`] as soon as every address has been tried once.
    pub async fn check_connection(&self) -> Result<(), Error> {
        let deadline = Instant::now() + self.inner.config.request_timeout;
        self.any_connection().await?;
        self.inner.metadata.refreshed(deadline).await.map(drop)
    }

    /// Whether a connection to a broker is open, among those that requests share which are
    /// answered at once. Asks nobody: a broker that is gone without a word counts until a request
    /// times out.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.inner.shared.pool().least_loaded().is_some()
    }

    /// Closes all connections and ends all tasks, also for clones, producers and consumers of this
    /// client; calls after that fail with [`Error::Closed`]. Close those first.
    pub async fn close(&self) {
        self.inner.refresher.abort();
        self.inner.metadata.close();
        let pools = self
            .inner
            .pools
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        for pool in pools.iter().filter_map(Weak::upgrade) {
            pool.close();
        }
    }

    pub(crate) fn config(&self) -> &ClientConfig {
        &self.inner.config
    }

    pub(crate) fn metadata(&self) -> &Metadata {
        &self.inner.metadata
    }

    /// A set of connections of its own, for requests that a broker does not answer at once.
    pub(crate) fn lane(&self) -> Lane {
        let lane = self.inner.shared.sibling();
        let mut pools = self
            .inner
            .pools
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        pools.retain(|pool| pool.strong_count() > 0);
        pools.push(Arc::downgrade(lane.pool()));
        drop(pools);
        // Asked after the lane is on the list: a `close` that missed it there is seen here.
        if self.inner.metadata.is_closed() {
            lane.pool().close();
        }
        lane
    }

    /// The shared connection to `node`; see [`Lane::connection`].
    pub(crate) async fn connection(&self, node: NodeId) -> Result<Connection, Error> {
        self.inner.shared.connection(node).await
    }

    /// A shared connection to any broker; see [`Lane::any_connection`].
    pub(crate) async fn any_connection(&self) -> Result<Connection, Error> {
        self.inner.shared.any_connection().await
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let servers = &self.inner.config.bootstrap_servers;
        formatter
            .debug_struct("Client")
            .field("bootstrap_servers", servers)
            .finish_non_exhaustive()
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.refresher.abort();
    }
}
