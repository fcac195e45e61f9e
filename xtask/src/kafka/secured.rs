//! Secured listeners beside the plain one: ports, certificates, users.
//!
//! What they are is shared with the suite that meets them; this owns where they are.

#[path = "../../../sim/src/secured/setup.rs"]
#[expect(unreachable_pub, reason = "it is public in the suite")]
mod setup;

use super::ports::Ports;
use super::properties::NodeAddress;
use anyhow::{Context, Result};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

pub(super) use setup::scram_users;

/// The folder of certificates and of the file with the listeners' addresses.
const FOLDER: &str = "security";
const LISTENERS_FILE: &str = "listeners";

/// The secured listeners of a cluster.
pub(super) struct Secured {
    dir: PathBuf,
    /// The ports of a node, in the order of [`setup::LISTENERS`].
    ports: BTreeMap<u16, Vec<u16>>,
}

/// The folder in a cluster's own.
pub(super) fn dir(cluster_dir: &Path) -> PathBuf {
    cluster_dir.join(FOLDER)
}

impl Secured {
    /// Makes certificates and chooses free ports.
    pub(super) fn prepare(
        cluster_dir: &Path,
        nodes: &[NodeAddress],
        free: &mut Ports,
    ) -> Result<Self> {
        let dir = dir(cluster_dir);
        fs::create_dir_all(&dir).with_context(|| format!("cannot create {}", dir.display()))?;
        setup::write_certificates(&dir)?;
        let mut ports = BTreeMap::new();
        for node in nodes {
            let own: Result<Vec<u16>> = setup::LISTENERS.iter().map(|_| free.choose()).collect();
            ports.insert(node.id, own?);
        }
        let secured = Self { dir, ports };
        secured.write_listeners(nodes)?;
        Ok(secured)
    }

    /// Lines for the `server.properties` of a node; they override what stands before them.
    pub(super) fn lines(&self, node: NodeAddress) -> Vec<String> {
        let plain = format!("PLAINTEXT://127.0.0.1:{}", node.broker_port);
        let secured = self
            .addresses(node.id)
            .map(|(name, port)| format!("{name}://127.0.0.1:{port}"));
        let advertised = [plain]
            .into_iter()
            .chain(secured)
            .collect::<Vec<_>>()
            .join(",");
        let mut lines = vec![
            format!(
                "listeners={advertised},CONTROLLER://127.0.0.1:{}",
                node.controller_port
            ),
            format!("advertised.listeners={advertised}"),
            format!(
                "listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,{}",
                setup::protocol_map()
            ),
        ];
        let properties = setup::properties(&self.dir);
        lines.extend(
            properties
                .iter()
                .map(|(name, value)| format!("{name}={value}")),
        );
        lines
    }

    fn addresses(&self, node: u16) -> impl Iterator<Item = (&'static str, u16)> {
        let ports = self.ports.get(&node).into_iter().flatten().copied();
        setup::LISTENERS.iter().map(|(name, _)| *name).zip(ports)
    }

    /// Writes `NAME=HOST:PORT,…` for the suite to find.
    fn write_listeners(&self, nodes: &[NodeAddress]) -> Result<()> {
        let mut listeners: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        for node in nodes {
            let plain = [("PLAINTEXT", node.broker_port)].into_iter();
            for (name, port) in plain.chain(self.addresses(node.id)) {
                let servers = listeners.entry(name).or_default();
                servers.push(format!("127.0.0.1:{port}"));
            }
        }
        let lines = listeners
            .iter()
            .map(|(name, servers)| format!("{name}={}\n", servers.join(",")));
        let path = self.dir.join(LISTENERS_FILE);
        fs::write(&path, lines.collect::<String>())
            .with_context(|| format!("cannot write {}", path.display()))
    }
}
