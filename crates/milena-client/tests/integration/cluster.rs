//! A broker for each test, or the cluster that `MILENA_TEST_BOOTSTRAP` names for those that work on
//! any, so that the same tests run on Apache Kafka by hand.

use std::time::Duration;

use milena_broker::{Broker, Faults};
use milena_client::{Admin, Client, ClientConfig};

use crate::support::start_broker;

/// Longer than anything here takes on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// A cluster to test on.
pub(crate) struct Cluster {
    bootstrap: String,
    _broker: Option<Broker>,
}

impl Cluster {
    /// The cluster that the environment names, else a broker of our own.
    pub(crate) async fn start() -> Self {
        match std::env::var("MILENA_TEST_BOOTSTRAP") {
            Ok(bootstrap) => Self {
                bootstrap,
                _broker: None,
            },
            Err(_) => {
                let broker = start_broker().await;
                Self {
                    bootstrap: broker.bootstrap(),
                    _broker: Some(broker),
                }
            }
        }
    }

    /// A client of this cluster.
    pub(crate) fn client(&self) -> Client {
        client(&self.bootstrap)
    }

    /// The administration of this cluster.
    pub(crate) fn admin(&self) -> Admin {
        Admin::new(&self.client())
    }
}

/// A broker whose faults the test may order.
pub(crate) async fn start_broker_with_faults() -> (Broker, Faults) {
    let broker = start_broker().await;
    let faults = broker.faults();
    (broker, faults)
}

/// A client that does not wait long before it tries again.
pub(crate) fn client(bootstrap: &str) -> Client {
    let config = ClientConfig::new(bootstrap)
        .retry_backoff(Duration::from_millis(10), Duration::from_millis(100))
        .reconnect_backoff(Duration::from_millis(10), Duration::from_millis(100));
    Client::new(config).expect("the configuration is valid")
}

/// A name that no other test and no earlier run uses.
pub(crate) fn unique(prefix: &str) -> String {
    format!("{prefix}-{}", uuid::Uuid::new_v4().simple())
}
