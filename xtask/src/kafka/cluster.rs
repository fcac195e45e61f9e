//! A running cluster: started, recorded on disk, found again, stopped.
//!
//! Everything of a cluster lies in `.kafka/PORT` of the checkout: properties, data, one log file a
//! node, and `cluster.json` that says which processes were started. Knows nothing of the tests.

use super::ports::Ports;
use super::process::ProcessIdentity;
use super::properties::{NodeAddress, server_properties};
use super::secured::{self, Secured};
use super::{jars, probe};
use crate::workspace;
use anyhow::{Context, Result, bail, ensure};
use serde::{Deserialize, Serialize};
use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A cluster is up after about 2 s, with three nodes 6 s; a busy machine gets far more.
const START_WAIT: Duration = Duration::from_secs(120);
const POLL_INTERVAL: Duration = Duration::from_millis(100);
const RECORD_FILE: &str = "cluster.json";
/// A fixed id: a cluster of ours never meets another one.
const CLUSTER_ID: &str = "TWlsZW5hVGVzdHNPbmx5MA";

/// What to start.
#[derive(Clone, Debug)]
pub(crate) struct ClusterOptions {
    pub(crate) version: String,
    pub(crate) nodes: u16,
    /// Port of the first broker; 0 takes free ports.
    pub(crate) port: u16,
    /// Adds listeners with TLS and SASL.
    pub(crate) secured: bool,
    /// Lines `name=value` appended to every `server.properties`.
    pub(crate) properties: Vec<String>,
}

/// What can be done to a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum NodeChange {
    /// SIGKILL: it ends without writing anything
    Kill,
    /// SIGSTOP: it stands still, its connections stay open
    Pause,
    /// SIGCONT: a paused node goes on
    Resume,
    /// Start it again on the data it left
    Start,
}

/// A cluster that was started from this checkout. Dropping it leaves it running.
#[derive(Debug)]
pub(crate) struct Cluster {
    dir: PathBuf,
    record: Record,
}

#[derive(Debug, Serialize, Deserialize)]
struct Record {
    version: String,
    broker_ports: Vec<u16>,
    processes: Vec<ProcessIdentity>,
}

impl Cluster {
    /// Starts a cluster and returns when every node answers and knows all others.
    /// What was started is stopped again when that fails.
    pub(crate) fn start(options: &ClusterOptions) -> Result<Self> {
        let jars = jars::ensure_jars(&options.version)?;
        let runs = runs_dir();
        fs::create_dir_all(&runs).with_context(|| format!("cannot create {}", runs.display()))?;
        let lock = File::create(runs.join("start.lock"))?;
        lock.lock().context("cannot lock the run folder")?;

        let mut ports = Ports::default();
        let nodes = choose_ports(options, &mut ports)?;
        let dir = runs.join(nodes[0].broker_port.to_string());
        if let Some(left) = Self::read(dir.clone())?
            && left.nodes_up() > 0
        {
            bail!(
                "nodes of an earlier cluster still run: `cargo xtask kafka stop --port {}` first",
                left.port()
            );
        }
        if dir.exists() {
            fs::remove_dir_all(&dir).with_context(|| format!("cannot clear {}", dir.display()))?;
        }
        let mut cluster = Self {
            dir,
            record: Record {
                version: options.version.clone(),
                broker_ports: nodes.iter().map(|node| node.broker_port).collect(),
                processes: Vec::new(),
            },
        };
        let started = cluster
            .launch(&jars, &nodes, ports, options)
            .and_then(|mut children| cluster.wait_until_up(&mut children));
        if let Err(error) = started {
            cluster.stop().context("after a failed start")?;
            return Err(error);
        }
        Ok(cluster)
    }

    /// The clusters recorded in this checkout, by port; some of their nodes may have ended since.
    pub(crate) fn recorded() -> Result<Vec<Self>> {
        let runs = runs_dir();
        let mut clusters = Vec::new();
        let Ok(entries) = fs::read_dir(&runs) else {
            return Ok(clusters);
        };
        for entry in entries {
            clusters.extend(Self::read(entry?.path())?);
        }
        clusters.sort_by_key(Self::port);
        Ok(clusters)
    }

    /// The cluster recorded in `dir`, if there is one.
    fn read(dir: PathBuf) -> Result<Option<Self>> {
        let file = dir.join(RECORD_FILE);
        let Ok(text) = fs::read_to_string(&file) else {
            return Ok(None);
        };
        let record = serde_json::from_str(&text)
            .with_context(|| format!("{} is damaged: remove it", file.display()))?;
        Ok(Some(Self { dir, record }))
    }

    /// Ends the processes of this cluster and removes its data. The logs stay.
    pub(crate) fn stop(&mut self) -> Result<()> {
        ProcessIdentity::end_all(&self.record.processes)?;
        let _already_gone = fs::remove_dir_all(self.dir.join("data"));
        let _already_gone = fs::remove_file(self.dir.join(RECORD_FILE));
        Ok(())
    }

    /// The cluster of this checkout whose first broker has `port`.
    pub(crate) fn at(port: u16) -> Result<Self> {
        Self::read(runs_dir().join(port.to_string()))?
            .with_context(|| format!("no cluster at port {port} was started from this checkout"))
    }

    /// Does something to the process of one node, counted from 1.
    pub(crate) fn change_node(&mut self, id: u16, change: NodeChange) -> Result<()> {
        let process = usize::from(id)
            .checked_sub(1)
            .and_then(|index| self.record.processes.get_mut(index))
            .with_context(|| format!("there is no node {id}"))?;
        match change {
            NodeChange::Kill => process.kill(),
            NodeChange::Pause => process.pause(),
            NodeChange::Resume => process.resume(),
            NodeChange::Start => {
                ensure!(!process.is_running(), "node {id} runs already");
                self.start_again(id)
            }
        }
    }

    /// Starts a node on the data it left and returns when it answers.
    fn start_again(&mut self, id: u16) -> Result<()> {
        let jars = jars::ensure_jars(self.version())?;
        let mut child = self.spawn_node(&jars, id)?;
        let index = usize::from(id) - 1;
        self.record.processes[index] = ProcessIdentity::of(child.id())?;
        self.write_record()?;
        let port = self.record.broker_ports[index];
        let deadline = Instant::now() + START_WAIT;
        while probe::brokers_known(port).is_err() {
            if let Some(status) = child.try_wait()? {
                bail!("node {id} ended ({status}): {}", self.log_tail(id));
            }
            ensure!(Instant::now() < deadline, "node {id} does not answer");
            std::thread::sleep(POLL_INTERVAL);
        }
        Ok(())
    }

    pub(crate) fn bootstrap(&self) -> String {
        let addresses = self.record.broker_ports.iter();
        addresses
            .map(|port| format!("127.0.0.1:{port}"))
            .collect::<Vec<_>>()
            .join(",")
    }

    pub(crate) fn port(&self) -> u16 {
        self.record.broker_ports.first().copied().unwrap_or(0)
    }

    pub(crate) fn version(&self) -> &str {
        &self.record.version
    }

    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    /// The folder with certificates and addresses, if there are secured listeners.
    pub(crate) fn security_dir(&self) -> Option<PathBuf> {
        Some(secured::dir(&self.dir)).filter(|dir| dir.is_dir())
    }

    pub(crate) fn nodes_count(&self) -> usize {
        self.record.broker_ports.len()
    }

    pub(crate) fn nodes_up(&self) -> usize {
        let processes = self.record.processes.iter();
        processes.filter(|process| process.is_running()).count()
    }

    fn launch(
        &mut self,
        jars: &Path,
        nodes: &[NodeAddress],
        mut ports: Ports,
        options: &ClusterOptions,
    ) -> Result<Vec<Child>> {
        let mut children = Vec::new();
        let secured = options
            .secured
            .then(|| Secured::prepare(&self.dir, nodes, &mut ports))
            .transpose()?;
        let users: Vec<String> = match &secured {
            Some(_) => secured::scram_users()
                .map(|user| format!("--add-scram={user}"))
                .to_vec(),
            None => Vec::new(),
        };
        for node in nodes {
            let data = self.dir.join("data").join(node.id.to_string());
            fs::create_dir_all(&data)
                .with_context(|| format!("cannot create {}", data.display()))?;
            let file = self.dir.join(format!("node-{}.properties", node.id));
            let mut extra = secured
                .as_ref()
                .map_or_else(Vec::new, |secured| secured.lines(*node));
            extra.extend_from_slice(&options.properties);
            let text = server_properties(self.version(), *node, nodes, &data, &extra);
            fs::write(&file, text).with_context(|| format!("cannot write {}", file.display()))?;
            self.format_storage(jars, *node, &file, &users)?;
        }
        drop(ports);
        for node in nodes {
            let child = self.spawn_node(jars, node.id)?;
            self.record.processes.push(ProcessIdentity::of(child.id())?);
            self.write_record()?;
            children.push(child);
        }
        Ok(children)
    }

    fn format_storage(
        &self,
        jars: &Path,
        node: NodeAddress,
        properties: &Path,
        users: &[String],
    ) -> Result<()> {
        let log = self.log_file(node.id)?;
        let status = java(jars)
            .args(["kafka.tools.StorageTool", "format", "-t", CLUSTER_ID, "-c"])
            .arg(properties)
            .args(users)
            .stdout(log.try_clone()?)
            .stderr(log)
            .status()
            .context("cannot run java")?;
        ensure!(
            status.success(),
            "Kafka's storage tool failed: {}",
            self.log_tail(node.id)
        );
        Ok(())
    }

    fn spawn_node(&self, jars: &Path, id: u16) -> Result<Child> {
        let log = self.log_file(id)?;
        java(jars)
            .arg("kafka.Kafka")
            .arg(self.dir.join(format!("node-{id}.properties")))
            .stdout(log.try_clone()?)
            .stderr(log)
            .process_group(0)
            .spawn()
            .context("cannot run java")
    }

    fn wait_until_up(&self, children: &mut [Child]) -> Result<()> {
        let deadline = Instant::now() + START_WAIT;
        let mut waiting = self.record.broker_ports.clone();
        loop {
            waiting.retain(|port| {
                probe::brokers_known(*port).map_or(true, |known| known < self.nodes_count())
            });
            if waiting.is_empty() {
                return Ok(());
            }
            for (index, child) in children.iter_mut().enumerate() {
                if let Some(status) = child.try_wait()? {
                    let id = u16::try_from(index + 1).unwrap_or(u16::MAX);
                    bail!("node {id} ended ({status}): {}", self.log_tail(id));
                }
            }
            if Instant::now() >= deadline {
                bail!(
                    "ports {waiting:?} did not answer within {START_WAIT:?}; logs are in {}",
                    self.dir.display()
                );
            }
            std::thread::sleep(POLL_INTERVAL);
        }
    }

    fn write_record(&self) -> Result<()> {
        let file = self.dir.join(RECORD_FILE);
        let fresh = self.dir.join(format!("{RECORD_FILE}.new"));
        fs::write(&fresh, serde_json::to_vec_pretty(&self.record)?)?;
        fs::rename(&fresh, &file).with_context(|| format!("cannot write {}", file.display()))
    }

    fn log_path(&self, id: u16) -> PathBuf {
        self.dir.join(format!("node-{id}.log"))
    }

    fn log_file(&self, id: u16) -> Result<File> {
        let path = self.log_path(id);
        let mut options = File::options();
        options
            .create(true)
            .append(true)
            .open(&path)
            .with_context(|| format!("cannot open {}", path.display()))
    }

    /// The last line of a node's log that names a problem, and where the rest is.
    fn log_tail(&self, id: u16) -> String {
        let path = self.log_path(id);
        let text = fs::read_to_string(&path).unwrap_or_default();
        let problem = |line: &&str| line.contains("ERROR") || line.contains("Exception");
        let line = text
            .lines()
            .find(problem)
            .or_else(|| text.lines().next_back())
            .unwrap_or("the log is empty");
        format!("{line} (see {})", path.display())
    }
}

fn runs_dir() -> PathBuf {
    workspace::root().join(".kafka")
}

fn java(jars: &Path) -> Command {
    let mut command = Command::new("java");
    command
        .args(["-Xmx512m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"])
        .arg("-Dorg.slf4j.simpleLogger.showDateTime=true")
        .arg("-cp")
        .arg(jars.join("*"))
        .stdin(Stdio::null());
    command
}

/// Finds ports for all nodes. Those asked for come first: one that is chosen must not be one of them.
fn choose_ports(options: &ClusterOptions, ports: &mut Ports) -> Result<Vec<NodeAddress>> {
    let mut broker_ports = Vec::new();
    for index in 0..options.nodes {
        broker_ports.push(match options.port {
            0 => ports.choose()?,
            first => ports.take(
                first
                    .checked_add(index)
                    .context("the ports of the last nodes would pass 65535")?,
            )?,
        });
    }
    (1..)
        .zip(broker_ports)
        .map(|(id, broker_port)| {
            Ok(NodeAddress {
                id,
                broker_port,
                controller_port: ports.choose()?,
            })
        })
        .collect()
}
