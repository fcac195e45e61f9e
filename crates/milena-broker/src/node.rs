//! One node: what it serves, as one value the handlers are given.
//!
//! Owns nothing itself but ties together topics, sessions, coordinators and faults. The
//! logs are reached through [`crate::topics`], so that another node may serve them.

use std::sync::Arc;

use crate::authorizer::Authorizer;
use crate::config::BrokerConfig;
use crate::config::layers::ConfigStore;
use crate::coordinator::groups::Groups;
use crate::coordinator::transactions::Transactions;
use crate::faults::Faults;
use crate::features::Features;
use crate::fetch_sessions::FetchSessions;
use crate::quotas::Quotas;
use crate::security::ScramStore;
use crate::server::RequestContext;
use crate::storage::Storage;
use crate::topics::Catalog;

/// A serving node.
pub(crate) struct Node {
    pub(crate) config: Arc<BrokerConfig>,
    pub(crate) cluster_id: String,
    pub(crate) storage: Arc<Storage>,
    pub(crate) configs: Arc<ConfigStore>,
    pub(crate) topics: Catalog,
    pub(crate) fetch_sessions: FetchSessions,
    pub(crate) groups: Groups,
    pub(crate) transactions: Transactions,
    pub(crate) authorizer: Authorizer,
    pub(crate) quotas: Quotas,
    pub(crate) features: Features,
    pub(crate) scram: ScramStore,
    pub(crate) faults: Faults,
}

impl Node {
    /// Host and port to tell this client: as configured, else where it came to.
    pub(crate) fn advertised(&self, context: &RequestContext) -> (String, u16) {
        let mut advertised = self.config.advertised.iter();
        match advertised.find(|(name, ..)| **name == *context.listener) {
            Some((_, host, port)) => (host.clone(), *port),
            None => (
                context.local.ip().to_canonical().to_string(),
                context.local.port(),
            ),
        }
    }
}
