//! Looking after topics, groups and the cluster: one file a subject. Each call finds the broker that
//! is responsible, and tries again until it answers or the time is up.

mod acls;
mod cluster;
mod config_list;
mod configs;
mod consumer_groups;
mod each;
mod features;
mod group_members;
mod group_offsets;
mod groups;
mod hanging;
mod leaders;
mod log_dirs;
mod offsets;
mod partitions;
mod quotas;
mod reassignments;
mod records;
mod scram;
mod topic_pages;
mod topics;
mod transactions;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use tracing::Span;

use crate::client::{Client, CoordinatorType, Lane};
use crate::error::Error;
use crate::metadata;
use crate::net::Connection;
use crate::retry::retry_until;
use crate::spans::{ADMIN_CALL, messaging_span, observed};
use crate::topology::NodeId;
use crate::wire::messages::MetadataResponse;
use crate::wire::{ErrorCode, StrBytes};

pub use acls::{Acl, AclFilter, AclName, AclOperation, AclPattern, AclPermission, AclResourceType};
pub use cluster::{BrokerDescription, ClusterDescription};
pub use config_list::ConfigKind;
pub use configs::{
    ChangeMode, ConfigChange, ConfigDetail, ConfigEntry, ConfigResource, ConfigSource,
    ConfigSynonym,
};
pub use features::{Feature, FeatureDirection, FeatureUpdate, Features};
pub use group_members::MemberName;
pub use group_offsets::{NewOffset, PlannedOffset, ResetTo};
pub use groups::{GroupDescription, GroupFilter, GroupListing, MemberDescription};
pub use hanging::HangingTransaction;
pub use leaders::ElectionType;
pub use log_dirs::{LogDirDescription, Replica, ReplicaInfo};
pub use offsets::{CommittedOffset, OffsetAt, PartitionLag};
pub use partitions::NewPartitions;
pub use quotas::{QuotaChange, QuotaEntity, QuotaEntityType, QuotaMatch, QuotaValues};
pub use reassignments::{NewReplicas, Reassignment};
pub use records::DeleteBefore;
pub use scram::{ScramChange, ScramCredentialInfo, ScramMechanism};
pub use topic_pages::{PageStart, TopicPage};
pub use topics::{
    CreateMode, CreatedTopic, NewTopic, PartitionDescription, TopicDescription, TopicListing,
};
pub use transactions::{
    ProducerDescription, TransactionDescription, TransactionFilter, TransactionListing,
};

/// What was asked about several things: each one's name and its own result, in the order asked.
pub type PerItem<T, K = String> = Vec<(K, Result<T, Error>)>;

/// The administration of one cluster, over connections of its own. Cheap to clone.
///
/// Every call ends within [`Admin::timeout`], and repeats what a broker says may succeed later. An
/// error of the call as a whole means that no broker gave an answer; what went wrong with one topic or
/// group is in its own result.
///
/// ```no_run
/// # use milena_client::{Admin, Client, ClientConfig, Error, admin::NewTopic};
/// # async fn example() -> Result<(), Error> {
/// let client = Client::new(ClientConfig::new("localhost:9092"))?;
/// let admin = Admin::new(&client);
/// admin.create_topic(NewTopic::new("orders").partitions(12)).await?;
/// for topic in admin.list_topics().await? {
///     println!("{} {}", topic.name, topic.partitions);
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Admin {
    client: Client,
    lane: Lane,
    timeout: Duration,
}

impl Admin {
    /// The administration of `client`'s cluster.
    #[must_use]
    pub fn new(client: &Client) -> Self {
        Self {
            client: client.clone(),
            lane: client.lane(),
            timeout: client.config().request_timeout,
        }
    }

    /// How long each call may take, attempts and pauses together. Default: the client's
    /// `request.timeout.ms`.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Repeats `attempt` until it succeeds, cannot succeed, or the time is up.
    async fn retry<T, F>(&self, what: &str, attempt: impl FnMut() -> F) -> Result<T, Error>
    where
        F: Future<Output = Result<T, Error>>,
    {
        let deadline = Instant::now() + self.timeout;
        let asking = retry_until(deadline, self.client.config(), what, attempt);
        observed(self.span(what), asking).await
    }

    fn span(&self, what: &str) -> Span {
        let client_id = &self.client.config().client_id;
        messaging_span!("admin", "client", client_id, { ADMIN_CALL } = what)
    }

    /// A connection to the broker that looks after a group.
    async fn group_coordinator(&self, group_id: &str) -> Result<Connection, Error> {
        let kind = CoordinatorType::Group;
        let coordinator = self.client.coordinator(group_id, kind).await?;
        self.lane.connection(coordinator).await
    }

    /// The time a broker is told it may take: a bit less than we wait for it.
    fn broker_timeout_ms(&self) -> i32 {
        i32::try_from(self.timeout.as_millis() * 9 / 10).unwrap_or(i32::MAX)
    }

    /// A connection to the controller, looked up anew.
    async fn controller(&self) -> Result<Connection, Error> {
        let response = self.metadata(Some(&[])).await?;
        match response.controller_id.0 {
            id if id >= 0 => self.lane.connection(NodeId(id)).await,
            _ => self.lane.any_connection().await,
        }
    }

    /// A connection to this node, or to any.
    async fn connection_to(&self, node: Option<NodeId>) -> Result<Connection, Error> {
        match node {
            Some(node) => self.known_node(node).await,
            None => self.lane.any_connection().await,
        }
    }

    /// A connection to a node that may not be known yet.
    async fn known_node(&self, node: NodeId) -> Result<Connection, Error> {
        match self.lane.connection(node).await {
            Err(Error::UnknownBroker { .. }) => {
                self.metadata(Some(&[])).await?;
                self.lane.connection(node).await
            }
            connected => connected,
        }
    }

    /// The metadata of `topics`, or of all, straight from a broker; creates nothing.
    async fn metadata(&self, topics: Option<&[Arc<str>]>) -> Result<MetadataResponse, Error> {
        let connection = self.lane.any_connection().await?;
        let response = metadata::ask(&connection, topics, false, self.timeout).await?;
        self.client.metadata().learn_brokers(&response);
        Ok(response)
    }
}

/// The result of one item: its code, with the broker's own words if it sent any.
fn check(
    code: i16,
    message: Option<&StrBytes>,
    what: impl FnOnce() -> String,
) -> Result<(), Error> {
    match ErrorCode::from(code) {
        ErrorCode::None => Ok(()),
        code => {
            let what = what();
            let context = match message.filter(|message| !message.is_empty()) {
                Some(message) => format!("{what}: {}", message.trim_end_matches('.')),
                None => what,
            };
            Err(Error::Broker { code, context })
        }
    }
}

fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

/// Puts the answers into the order of the questions. One without an answer is the broker's mistake.
fn in_order<T>(names: &[&str], mut answers: PerItem<T>) -> PerItem<T> {
    let answer = |name: &&str| {
        let found = answers.iter().position(|(answered, _)| answered == name);
        match found {
            Some(position) => answers.swap_remove(position),
            None => {
                let error = Error::protocol(format!("the broker said nothing about {name}"));
                ((*name).to_owned(), Err(error))
            }
        }
    };
    names.iter().map(answer).collect()
}
