//! Building, starting and stopping a broker.
//!
//! Owns the public [`Broker`] and its builder. What a running broker does is the
//! business of [`crate::server`] and below.

use std::net::{SocketAddr, ToSocketAddrs};
use std::path::PathBuf;
use std::sync::Arc;

use tokio::task::JoinHandle;

use crate::authorizer::Authorizer;
use crate::config::layers::ConfigStore;
use crate::config::{self, BrokerConfig, ListenerAddress};
use crate::coordinator::groups::Groups;
use crate::coordinator::transactions::Transactions;
use crate::error::BrokerError;
use crate::faults::Faults;
use crate::features::Features;
use crate::fetch_sessions::FetchSessions;
use crate::housekeeping;
use crate::log::FlushDepth;
use crate::node::Node;
use crate::quotas::Quotas;
use crate::security::{ListenerSecurity, ScramStore, ScramUser};
use crate::server::{self, Listener, ServerHandle};
use crate::storage::Storage;
use crate::topics::Catalog;

/// Where a broker keeps its data.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum StorageKind {
    /// In the process; gone when it ends.
    Memory,
    /// In this directory, which is created when it does not exist.
    ///
    /// What was acknowledged survives the end of the process, however it ends. A
    /// loss of power is survived by what was flushed before: everything once a
    /// minute (`log.flush.offset.checkpoint.interval.ms`), more often with
    /// `log.flush.interval.ms`, and before each acknowledgement with
    /// `log.flush.interval.messages=1`.
    Directory(PathBuf),
}

/// How a broker is to be started; see [`Broker::builder`].
#[derive(Debug, Clone)]
#[must_use = "a builder does nothing until it is started"]
pub struct BrokerBuilder {
    listen: String,
    storage: StorageKind,
    config: BrokerConfig,
    scram_users: Vec<ScramUser>,
}

/// A running single-node broker.
///
/// Dropping it stops it without waiting: its connections close and its directory
/// becomes free a moment later. [`Broker::stop`] waits until everything is written,
/// every connection is closed, and the directory can be opened again.
#[must_use = "a broker stops when it is dropped"]
pub struct Broker {
    /// By name; at least one.
    listeners: Vec<(Arc<str>, SocketAddr)>,
    address: SocketAddr,
    node: Arc<Node>,
    server: ServerHandle,
    /// Timers; they end with the server.
    tasks: Vec<JoinHandle<()>>,
}

impl Broker {
    /// A builder with an ephemeral port on 127.0.0.1, memory storage, and Apache
    /// Kafka's defaults, except that a new consumer group does not wait for more
    /// members (`group.initial.rebalance.delay.ms` is 0) and records are kept
    /// whatever their age (`log.retention.ms` is −1).
    pub fn builder() -> BrokerBuilder {
        BrokerBuilder {
            listen: "127.0.0.1:0".to_owned(),
            storage: StorageKind::Memory,
            config: BrokerConfig::default(),
            scram_users: Vec::new(),
        }
    }

    /// The address of its first listener, with the port the operating system chose.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// `HOST:PORT`, as `bootstrap.servers` wants it.
    #[must_use]
    pub fn bootstrap(&self) -> String {
        self.address.to_string()
    }

    /// All listeners: name, such as `SASL_SSL`, and address.
    pub fn listeners(&self) -> impl Iterator<Item = (&str, SocketAddr)> {
        let listeners = self.listeners.iter();
        listeners.map(|(name, address)| (&**name, *address))
    }

    /// The address of the listener with this name, such as `SASL_SSL`.
    #[must_use]
    pub fn address_of(&self, listener: &str) -> Option<SocketAddr> {
        let found = self
            .listeners()
            .find(|(name, _)| name.eq_ignore_ascii_case(listener))?;
        Some(found.1)
    }

    /// Orders faults for tests.
    #[must_use]
    pub fn faults(&self) -> Faults {
        self.node.faults.clone()
    }

    /// What it serves.
    pub(crate) fn node(&self) -> &Arc<Node> {
        &self.node
    }

    /// Stops gracefully: no new connections, pending work ends, everything that
    /// was acknowledged is on disk (with directory storage).
    pub async fn stop(self) {
        self.server.stop().await;
        for task in self.tasks {
            // Nothing may hold the directory's lock when this returns.
            let _ = task.await;
        }
        let node = self.node.clone();
        let flush = move || housekeeping::flush_all(&node, FlushDepth::Checkpoint);
        if let Err(error) = tokio::task::spawn_blocking(flush).await {
            tracing::error!(event = "flush_failed", error = %error);
        }
        tracing::info!(event = "broker_stopped", address = %self.address);
    }
}

impl BrokerBuilder {
    /// Listens on `HOST:PORT`; port 0 takes a free one. For listeners with TLS or SASL, write
    /// `NAME://HOST:PORT` and separate several by commas. The property `listeners` overrides this.
    pub fn listen(mut self, address: impl Into<String>) -> Self {
        self.listen = address.into();
        self
    }

    /// Chooses where the data lives.
    pub fn storage(mut self, storage: StorageKind) -> Self {
        self.storage = storage;
        self
    }

    /// Sets a broker property by Kafka's name for it, such as `num.partitions`.
    ///
    /// # Errors
    /// [`BrokerError::UnknownProperty`] names the nearest known property;
    /// [`BrokerError::InvalidProperty`] says what a good value looks like.
    pub fn property(mut self, name: &str, value: &str) -> Result<Self, BrokerError> {
        config::apply(&mut self.config, name, value)?;
        Ok(self)
    }

    /// Gives a user SCRAM credentials, written as Kafka's storage tool takes them:
    /// `SCRAM-SHA-256=[name=alice,password=secret]`, optionally with `iterations=8192`. Replaces
    /// those the user has with that mechanism.
    ///
    /// # Errors
    /// [`BrokerError::InvalidProperty`] says what is expected, without the password.
    pub fn add_scram(mut self, user: &str) -> Result<Self, BrokerError> {
        let user = ScramUser::parse(user).map_err(|reason| BrokerError::InvalidProperty {
            name: "add-scram".to_owned(),
            value: "***".to_owned(),
            reason,
        })?;
        self.scram_users.push(user);
        Ok(self)
    }

    /// Opens the storage, binds the address and starts to serve. Must be called
    /// in a tokio runtime.
    ///
    /// # Errors
    /// The address cannot be bound, or the directory is locked, damaged, or not
    /// one of ours.
    pub async fn start(self) -> Result<Broker, BrokerError> {
        let config = Arc::new(self.config);
        let directory = match self.storage {
            StorageKind::Memory => None,
            StorageKind::Directory(path) => Some(path),
        };
        let listeners = bind(&config.listener_addresses(&self.listen)?, &config)?;
        let opened = Storage::open(directory, &config)?;
        let storage = Arc::new(opened.storage);
        let configs = Arc::new(ConfigStore::open(storage.clone(), &config)?);
        let node = Arc::new(Node {
            topics: Catalog::open(storage.clone(), configs.clone(), opened.topics)?,
            configs,
            authorizer: Authorizer::open(storage.clone(), &config)?,
            quotas: Quotas::open(storage.clone(), &config)?,
            features: Features::open(storage.clone(), &config)?,
            cluster_id: opened.cluster_id,
            fetch_sessions: FetchSessions::new(config.fetch_sessions_max),
            groups: Groups::open(&config, storage.clone(), opened.groups),
            transactions: Transactions::open(storage.clone(), opened.transactions),
            scram: ScramStore::open(storage.clone())?,
            storage,
            faults: Faults::default(),
            config,
        });
        node.transactions.resume(&node);
        add_users(&node.scram, self.scram_users)?;
        let named: Vec<_> = listeners
            .iter()
            .map(|listener| (listener.name().clone(), listener.address()))
            .collect();
        let address = named[0].1;
        let server = server::serve(listeners, &node);
        let tasks = vec![
            tokio::spawn(housekeeping::run(node.clone(), server.stopping())),
            tokio::spawn(housekeeping::run_groups(node.clone(), server.stopping())),
            tokio::spawn(housekeeping::run_transactions(
                node.clone(),
                server.stopping(),
            )),
        ];
        tracing::info!(event = "broker_started", address = %address, node_id = node.config.node_id);
        Ok(Broker {
            listeners: named,
            address,
            node,
            server,
            tasks,
        })
    }
}

/// Binds all listeners, before anything is served.
fn bind(
    addresses: &[ListenerAddress],
    config: &BrokerConfig,
) -> Result<Vec<Listener>, BrokerError> {
    let bound = addresses.iter().map(|listener| {
        let security = ListenerSecurity::of(listener, &config.security)?;
        let address = resolve(listener)?;
        Listener::bind(&listener.name, address, security)
            .map_err(|source| BrokerError::Bind { address, source })
    });
    bound.collect()
}

fn add_users(store: &ScramStore, users: Vec<ScramUser>) -> Result<(), BrokerError> {
    store.change(|all| {
        for user in users {
            let credentials = all.entry(user.name).or_default();
            credentials.insert(user.mechanism, user.credential);
        }
    })
}

fn resolve(listener: &ListenerAddress) -> Result<SocketAddr, BrokerError> {
    let (host, port) = (listener.host.as_str(), listener.port);
    let invalid = |reason: String| BrokerError::InvalidAddress {
        address: format!("{host}:{port}"),
        reason,
    };
    let mut addresses = (host, port)
        .to_socket_addrs()
        .map_err(|error| invalid(format!("HOST:PORT is expected ({error})")))?;
    addresses
        .next()
        .ok_or_else(|| invalid("the host has no address".to_owned()))
}
