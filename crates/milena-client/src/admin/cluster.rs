//! The cluster itself: its brokers, its controller, its id.

use super::{Admin, check};
use crate::error::Error;
use crate::topology::NodeId;
use crate::wire::messages::UnregisterBrokerRequest;

/// The cluster as one broker sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ClusterDescription {
    /// The id that all its brokers share.
    pub cluster_id: Option<String>,
    /// The broker that takes the creation of topics and the like.
    pub controller: Option<NodeId>,
    /// The brokers that are up, sorted by id.
    pub brokers: Vec<BrokerDescription>,
}

/// One broker.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct BrokerDescription {
    /// Its `node.id`.
    pub node: NodeId,
    /// The host it tells clients to connect to.
    pub host: String,
    /// The port it tells clients to connect to.
    pub port: i32,
    /// Its `broker.rack`.
    pub rack: Option<String>,
}

impl Admin {
    /// The brokers that are up, the controller and the cluster's id.
    ///
    /// # Errors
    /// If no broker answered.
    pub async fn describe_cluster(&self) -> Result<ClusterDescription, Error> {
        let response = self
            .retry("description of the cluster", || self.metadata(Some(&[])))
            .await?;
        let mut brokers: Vec<BrokerDescription> = response
            .brokers
            .iter()
            .map(|broker| BrokerDescription {
                node: NodeId(broker.node_id.0),
                host: broker.host.to_string(),
                port: broker.port,
                rack: broker.rack.as_ref().map(ToString::to_string),
            })
            .collect();
        brokers.sort_by_key(|broker| broker.node);
        Ok(ClusterDescription {
            cluster_id: response.cluster_id.as_ref().map(ToString::to_string),
            controller: Some(NodeId(response.controller_id.0)).filter(|node| node.0 >= 0),
            brokers,
        })
    }

    /// Has the cluster forget a broker that is down for good (KIP-631).
    ///
    /// # Errors
    /// [`Error::Broker`] with BROKER_ID_NOT_REGISTERED; else if no controller answered.
    pub async fn unregister_broker(&self, node: NodeId) -> Result<(), Error> {
        let request = UnregisterBrokerRequest::default().with_broker_id(node.0.into());
        self.retry("removal of a broker", || async {
            let connection = self.controller().await?;
            let response = connection.call(&request, self.timeout).await?;
            let message = response.error_message.as_ref();
            check(response.error_code, message, || {
                format!("cannot unregister broker {node}")
            })
        })
        .await
    }
}
