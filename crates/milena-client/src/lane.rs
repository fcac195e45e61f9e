//! Connections by node: which address a node has comes from metadata, how a connection gets up from
//! the pool.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::config::BrokerAddress;
use crate::error::Error;
use crate::metadata::Metadata;
use crate::net::{Connection, Dialler, Pool};
use crate::topology::NodeId;
use crate::wire::{ErrorClass, Request};

/// A set of connections of its own, one per broker.
///
/// A broker answers the requests of one connection one after the other, so a fetch that waits for
/// records or a join that waits for other members holds up all that is behind it. Whoever sends such
/// requests takes a lane of its own; the client's shared lane is for requests that are answered at
/// once. Clones share connections; dropping the last one closes them.
#[derive(Debug, Clone)]
pub(crate) struct Lane {
    dialler: Arc<Dialler>,
    bootstrap: Arc<[Arc<BrokerAddress>]>,
    metadata: Arc<Metadata>,
    pool: Arc<Pool>,
}

/// A broker that could be asked, and when.
struct Candidate {
    not_before: Instant,
    /// The cluster's own brokers come before the bootstrap addresses that once led to them.
    is_bootstrap: bool,
    /// Spreads clients over brokers.
    order: u32,
    address: Arc<BrokerAddress>,
}

impl Lane {
    /// A lane without connections yet.
    pub(crate) fn new(
        dialler: Arc<Dialler>,
        bootstrap: Arc<[Arc<BrokerAddress>]>,
        metadata: Arc<Metadata>,
    ) -> Self {
        let pool = Arc::new(Pool::new(Arc::clone(&dialler)));
        Self {
            dialler,
            bootstrap,
            metadata,
            pool,
        }
    }

    /// Another lane to the same cluster, without connections yet.
    pub(crate) fn sibling(&self) -> Self {
        let pool = Arc::new(Pool::new(Arc::clone(&self.dialler)));
        Self {
            pool,
            ..self.clone()
        }
    }

    /// The connections, for closing them.
    pub(crate) fn pool(&self) -> &Arc<Pool> {
        &self.pool
    }

    /// The connection to `node`, dialled if it is not up: after a failure with growing pauses, which
    /// this waits out.
    ///
    /// # Errors
    /// [`Error::UnknownBroker`] if metadata does not have the node (a refresh is on its way then),
    /// [`Error::Connect`] if an attempt failed.
    pub(crate) async fn connection(&self, node: NodeId) -> Result<Connection, Error> {
        let snapshot = self.metadata.snapshot();
        let Some(address) = snapshot.brokers.get(&node) else {
            self.metadata.request_refresh();
            return Err(Error::UnknownBroker { node });
        };
        let result = self.pool.connection(address).await;
        if matches!(result, Err(Error::Connect { .. })) {
            self.metadata.request_refresh();
        }
        result
    }

    /// A connection to any broker: the least loaded that is up, else the first that can be dialled.
    /// When none of the known brokers can be reached, the bootstrap addresses are tried again.
    pub(crate) async fn any_connection(&self) -> Result<Connection, Error> {
        if let Some(connection) = self.pool.least_loaded() {
            return Ok(connection);
        }
        let mut last_error = None;
        for candidate in self.candidates() {
            match self.pool.connection(&candidate.address).await {
                Ok(connection) => return Ok(connection),
                // Other brokers would refuse the same credentials, and might count the attempts.
                Err(error) if error.class() == ErrorClass::Terminal => return Err(error),
                Err(error) => last_error = Some(error),
            }
        }
        Err(last_error.unwrap_or(Error::Closed))
    }

    /// Sends a request to `node` in the highest common version; waits up to `timeout` for the answer.
    pub(crate) async fn call<R: Request>(
        &self,
        node: NodeId,
        request: &R,
        timeout: Duration,
    ) -> Result<R::Response, Error> {
        self.connection(node).await?.call(request, timeout).await
    }

    /// All addresses, in the order in which to try them: those that need not be waited for first.
    fn candidates(&self) -> Vec<Candidate> {
        let now = Instant::now();
        let snapshot = self.metadata.snapshot();
        let candidate = |address: &Arc<BrokerAddress>, is_bootstrap| Candidate {
            not_before: self.pool.not_before(address).unwrap_or(now).max(now),
            is_bootstrap,
            order: fastrand::u32(..),
            address: Arc::clone(address),
        };
        let known = snapshot
            .brokers
            .values()
            .map(|address| candidate(address, false));
        let bootstrap = self.bootstrap.iter();
        let bootstrap = bootstrap
            .filter(|address| !snapshot.brokers.values().any(|known| known == *address))
            .map(|address| candidate(address, true));
        let mut candidates: Vec<Candidate> = known.chain(bootstrap).collect();
        candidates.sort_by_key(|found| (found.not_before, found.is_bootstrap, found.order));
        candidates
    }
}
