//! The way to a group's coordinator.
//!
//! Owns the knowledge of which broker coordinates the group and the
//! connections to it; must not know what is said to it.

use std::sync::Arc;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::client::{Client, CoordinatorType, Lane};
use crate::error::Error;
use crate::net::Connection;
use crate::topology::NodeId;

/// Finds the coordinator of one group and connects to it.
pub(crate) struct GroupCoordinator {
    client: Client,
    group_id: Arc<str>,
    /// A join keeps its connection waiting for as long as the rebalance takes;
    /// nothing else may wait behind it.
    lane: Lane,
    node: Mutex<Option<NodeId>>,
}

impl GroupCoordinator {
    pub(crate) fn new(client: Client, group_id: Arc<str>) -> Self {
        Self {
            lane: client.lane(),
            client,
            group_id,
            node: Mutex::new(None),
        }
    }

    pub(crate) fn group_id(&self) -> &Arc<str> {
        &self.group_id
    }

    pub(crate) fn request_timeout(&self) -> Duration {
        self.client.config().request_timeout
    }

    /// The member's own connection: joins, syncs, heartbeats.
    pub(crate) async fn member_connection(&self) -> Result<Connection, Error> {
        let node = self.find().await?;
        self.lane.connection(node).await
    }

    /// The shared connection: offsets and goodbyes, which must not wait behind
    /// a join.
    pub(crate) async fn shared_connection(&self) -> Result<Connection, Error> {
        let node = self.find().await?;
        self.client.connection(node).await
    }

    /// The next request looks for the coordinator again.
    pub(crate) fn forget(&self) {
        *self.node.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    async fn find(&self) -> Result<NodeId, Error> {
        if let Some(node) = *self.node.lock().unwrap_or_else(PoisonError::into_inner) {
            return Ok(node);
        }
        let node = self
            .client
            .coordinator(&self.group_id, CoordinatorType::Group)
            .await?;
        tracing::debug!(event = "group_coordinator_found", group = %self.group_id, %node);
        *self.node.lock().unwrap_or_else(PoisonError::into_inner) = Some(node);
        Ok(node)
    }
}
