//! What the examples run on: the cluster that the environment names, or an embedded broker.
//!
//! A program of your own needs none of this: `Config::from_env()` is all it says about the cluster.

use milena::testing::TestBroker;
use milena::{Config, ConfigBuilder};

/// A place to run an example.
pub struct Cluster {
    embedded: Option<TestBroker>,
    prefix: String,
}

impl Cluster {
    /// The cluster of `MILENA_BOOTSTRAP_SERVERS` or `MILENA_URL`; without either, a broker in this
    /// process. Topics and groups of each run have names of their own.
    ///
    /// # Errors
    /// When no port is free for the embedded broker.
    pub async fn find() -> anyhow::Result<Cluster> {
        let names = ["MILENA_BOOTSTRAP_SERVERS", "MILENA_URL"];
        let is_named = names.iter().any(|name| std::env::var_os(name).is_some());
        let embedded = match is_named {
            true => None,
            false => Some(TestBroker::start().await?),
        };
        match &embedded {
            Some(broker) => println!("on an embedded broker, {}", broker.broker().bootstrap()),
            None => println!("on the cluster that the environment names"),
        }
        let prefix = format!("example-{:08x}.", fastrand::u32(..));
        Ok(Cluster { embedded, prefix })
    }

    /// What the environment says, on this cluster.
    pub fn config(&self) -> ConfigBuilder {
        let config = Config::builder()
            .environment()
            .group_id(self.name("group"))
            .topic_prefix(&self.prefix);
        match &self.embedded {
            Some(broker) => config.bootstrap_servers(broker.broker().bootstrap()),
            None => config,
        }
    }

    /// The servers, as `bootstrap.servers` has them.
    ///
    /// # Errors
    /// When what the environment says cannot be used.
    pub fn servers(&self) -> anyhow::Result<String> {
        Ok(self.config().build()?.bootstrap_servers().join(","))
    }

    /// A name that no other run has.
    pub fn name(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }
}
