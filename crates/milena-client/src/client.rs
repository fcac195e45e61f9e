//! The shared heart of every producer, consumer and admin.

use std::sync::Arc;

use crate::config::ClientConfig;
use crate::error::Error;
use crate::metadata::Metadata;
use crate::net::Connection;
use crate::topology::NodeId;
use crate::wire::Request;

/// A client of one cluster. Cheap to clone; all clones share connections and metadata.
#[derive(Clone)]
pub struct Client {
    inner: Arc<Inner>,
}

struct Inner {
    config: ClientConfig,
    metadata: Metadata,
}

/// What a coordinator is responsible for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CoordinatorType {
    /// A consumer group.
    Group,
    /// A transactional id.
    Transaction,
}

/// A set of connections of its own, for requests that keep a broker waiting: a broker answers the
/// requests of one connection one after the other, so a long poll or a join holds up all behind it.
/// Dropping it closes its connections.
#[derive(Clone)]
pub(crate) struct Lane {
    client: Client,
}

impl Lane {
    /// A connection of this lane to `node`.
    pub(crate) async fn connection(&self, node: NodeId) -> Result<Connection, Error> {
        self.client.connection(node).await
    }

    /// Sends a request on this lane.
    pub(crate) async fn call<R: Request>(
        &self,
        node: NodeId,
        request: &R,
    ) -> Result<R::Response, Error> {
        self.client.call(node, request).await
    }
}

impl Client {
    /// A client for the cluster that `config` leads to. Connects when first used; must be called
    /// within a tokio runtime.
    ///
    /// # Errors
    /// [`Error::Config`] if the configuration is not valid.
    pub fn new(config: ClientConfig) -> Result<Self, Error> {
        let _ = config;
        Err(Error::Closed)
    }

    /// Asks the cluster for its metadata once, to see that it can be reached.
    pub async fn check_connection(&self) -> Result<(), Error> {
        Err(Error::Closed)
    }

    /// Closes all connections and ends all tasks; calls after that fail with [`Error::Closed`].
    pub async fn close(&self) {}

    pub(crate) fn config(&self) -> &ClientConfig {
        &self.inner.config
    }

    pub(crate) fn metadata(&self) -> &Metadata {
        &self.inner.metadata
    }

    /// A set of connections of its own; see [`Lane`].
    pub(crate) fn lane(&self) -> Lane {
        Lane {
            client: self.clone(),
        }
    }

    /// The shared connection to `node`, dialled if it is not up.
    pub(crate) async fn connection(&self, node: NodeId) -> Result<Connection, Error> {
        let _ = node;
        Err(Error::Closed)
    }

    /// A shared connection to any broker.
    pub(crate) async fn any_connection(&self) -> Result<Connection, Error> {
        Err(Error::Closed)
    }

    /// Sends a request to `node` in the highest common version and waits up to `request.timeout.ms`.
    pub(crate) async fn call<R: Request>(
        &self,
        node: NodeId,
        request: &R,
    ) -> Result<R::Response, Error> {
        let _ = (node, request);
        Err(Error::Closed)
    }

    /// The node that coordinates `key`, asked for anew; retried up to `request.timeout.ms`.
    pub(crate) async fn coordinator(
        &self,
        key: &str,
        kind: CoordinatorType,
    ) -> Result<NodeId, Error> {
        let _ = (key, kind);
        Err(Error::Closed)
    }
}
