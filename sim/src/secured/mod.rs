//! A broker with secured listeners to test against: an embedded one, or the cluster in
//! `MILENA_TEST_BROKERS` if it was started with them.

pub mod setup;

use crate::target::BROKERS_VARIABLE;
use anyhow::{Context, Result};
use milena_broker::Broker;
use milena_client::ClientConfig;
use milena_client::security::TlsConfig;
use std::collections::BTreeMap;
use std::path::PathBuf;
use tempfile::TempDir;

/// Names the folder with the certificates and the file `listeners` of the cluster under test.
pub const SECURITY_VARIABLE: &str = "MILENA_TEST_SECURITY";
const LISTENERS_FILE: &str = "listeners";

/// A cluster with the listeners of [`setup::LISTENERS`].
pub struct Secured {
    _embedded: Option<(Broker, TempDir)>,
    dir: PathBuf,
    bootstraps: BTreeMap<String, String>,
}

impl Secured {
    /// Looks the cluster up, or starts a broker in this process. `None`, said on stderr, if the
    /// cluster under test has no secured listeners.
    ///
    /// # Errors
    /// When the broker does not start, and when `MILENA_REQUIRE_KAFKA=1` says that no test may be
    /// left out.
    pub async fn start() -> Result<Option<Self>> {
        if std::env::var_os(BROKERS_VARIABLE).is_none() {
            return Self::embedded().await.map(Some);
        }
        let Some(dir) = std::env::var_os(SECURITY_VARIABLE) else {
            let is_required = std::env::var("MILENA_REQUIRE_KAFKA").is_ok_and(|value| value == "1");
            let missing = format!("{SECURITY_VARIABLE} does not name the cluster's certificates");
            anyhow::ensure!(!is_required, missing);
            eprintln!("skipped: {missing}; start it with `cargo xtask kafka start --secured`");
            return Ok(None);
        };
        let dir = PathBuf::from(dir);
        let text = std::fs::read_to_string(dir.join(LISTENERS_FILE))?;
        let lines = text.lines().filter_map(|line| line.split_once('='));
        let bootstraps = lines.map(|(name, servers)| (name.to_owned(), servers.to_owned()));
        Ok(Some(Self {
            _embedded: None,
            bootstraps: bootstraps.collect(),
            dir,
        }))
    }

    /// Starts a broker in this process.
    ///
    /// # Errors
    /// When it does not start.
    pub async fn embedded() -> Result<Self> {
        let dir = TempDir::new()?;
        setup::write_certificates(dir.path())?;
        let names = setup::LISTENERS.iter().map(|(name, _)| *name);
        let listeners: Vec<String> = ["PLAINTEXT"]
            .into_iter()
            .chain(names.clone())
            .map(|name| format!("{name}://127.0.0.1:0"))
            .collect();
        let mut builder = Broker::builder()
            .property("listeners", &listeners.join(","))?
            .property("listener.security.protocol.map", &setup::protocol_map())?;
        for (name, value) in setup::properties(dir.path()) {
            builder = builder.property(&name, &value)?;
        }
        for user in setup::scram_users() {
            builder = builder.add_scram(&user)?;
        }
        let broker = builder.start().await?;
        let mut bootstraps = BTreeMap::new();
        for name in ["PLAINTEXT"].into_iter().chain(names) {
            let address = broker.address_of(name).context("it listens there")?;
            bootstraps.insert(name.to_owned(), address.to_string());
        }
        Ok(Self {
            dir: dir.path().to_owned(),
            bootstraps,
            _embedded: Some((broker, dir)),
        })
    }

    /// `host:port`, comma-separated, of a listener.
    ///
    /// # Errors
    /// When there is no such listener.
    pub fn bootstrap(&self, listener: &str) -> Result<&str> {
        let found = self.bootstraps.get(listener);
        let found = found.with_context(|| format!("there is no listener {listener}"))?;
        Ok(found)
    }

    /// A file among the certificates.
    pub fn file(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// A client of a listener that trusts the broker, and says nothing of itself.
    ///
    /// # Errors
    /// When there is no such listener.
    pub fn config(&self, listener: &str) -> Result<ClientConfig> {
        let config = ClientConfig::new(self.bootstrap(listener)?);
        let has_tls = matches!(listener, "SSL" | "MTLS" | "SASL_SSL");
        Ok(match has_tls {
            true => config.tls(self.trust()),
            false => config,
        })
    }

    /// TLS that trusts the broker's authority.
    pub fn trust(&self) -> TlsConfig {
        TlsConfig::new().ca_file(self.file(setup::CA_FILE))
    }
}
