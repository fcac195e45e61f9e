//! The `milena` program as a process: a broker of its own that can be killed.
//!
//! Owns finding the program and starting `milena broker`. Knows nothing of what clients do with it.

use crate::ports;
use anyhow::{Context, Result, bail, ensure};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::process::{Child, Command as AsyncCommand};
use tokio::time::Instant;

const START_WAIT: Duration = Duration::from_secs(30);
const RETRY_INTERVAL: Duration = Duration::from_millis(10);

/// The `milena` program: what `MILENA_BIN` names, else built now.
///
/// # Errors
/// When it does not build.
pub fn milena() -> Result<PathBuf> {
    static PROGRAM: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let found = PROGRAM.get_or_init(|| match std::env::var_os("MILENA_BIN") {
        Some(path) => Ok(path.into()),
        None => build().map_err(|error| format!("{error:#}")),
    });
    found.clone().map_err(anyhow::Error::msg)
}

/// Whether `program` can be run at all, asked with `arguments`.
pub fn is_installed(program: &str, arguments: &[&str]) -> bool {
    let mut command = Command::new(program);
    command
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

/// Whether a test that needs `program` has to be left out because it is not installed.
///
/// # Panics
/// When it is not installed and `MILENA_REQUIRE_KAFKA=1` says that nothing may be left out.
pub fn is_missing(program: &str, arguments: &[&str]) -> bool {
    let is_missing = !is_installed(program, arguments);
    if is_missing {
        let is_required = std::env::var("MILENA_REQUIRE_KAFKA").is_ok_and(|value| value == "1");
        assert!(!is_required, "{program} {arguments:?} does not run here");
        eprintln!("skipped: {program} {arguments:?} does not run here");
    }
    is_missing
}

/// A free port on loopback, which the system gives to nobody else.
///
/// # Errors
/// As [`ports::hold`].
pub fn free_port() -> Result<u16> {
    Ok(ports::hold()?.local_addr()?.port())
}

/// A running `milena broker`; dropping it kills the process.
#[derive(Debug)]
pub struct BrokerProcess {
    child: Child,
    address: SocketAddr,
}

impl BrokerProcess {
    /// Starts a broker that keeps its data in `data` and returns when it accepts connections.
    ///
    /// # Errors
    /// When it ends, or does not listen in time.
    pub async fn start(port: u16, data: Option<&Path>, properties: &[&str]) -> Result<Self> {
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        let mut command = AsyncCommand::new(milena()?);
        command.args(["broker", "--listen", &address.to_string()]);
        if let Some(data) = data {
            command.arg("--data").arg(data);
        }
        for property in properties {
            command.args(["-X", property]);
        }
        let child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .context("cannot start milena broker")?;
        let mut broker = Self { child, address };
        broker.wait_until_it_listens().await?;
        Ok(broker)
    }

    /// `host:port` for clients.
    pub fn bootstrap(&self) -> String {
        self.address.to_string()
    }

    /// Ends the process with SIGKILL, at once and without a chance to write anything, and waits
    /// until it is gone.
    ///
    /// # Errors
    /// When the process cannot be waited for.
    pub async fn kill(mut self) -> Result<()> {
        self.child.kill().await.context("cannot kill the broker")
    }

    async fn wait_until_it_listens(&mut self) -> Result<()> {
        let deadline = Instant::now() + START_WAIT;
        while TcpStream::connect(self.address).await.is_err() {
            if let Some(status) = self.child.try_wait()? {
                bail!("milena broker ended with {status}");
            }
            ensure!(
                Instant::now() < deadline,
                "milena broker does not listen on {} after {START_WAIT:?}",
                self.address
            );
            tokio::time::sleep(RETRY_INTERVAL).await;
        }
        Ok(())
    }
}

fn build() -> Result<PathBuf> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["build", "--package", "milena-cli", "--bin", "milena"])
        .args(["--message-format", "json-render-diagnostics"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .stderr(Stdio::inherit())
        .output()
        .context("cannot run cargo build")?;
    ensure!(output.status.success(), "milena does not build");
    let messages = String::from_utf8_lossy(&output.stdout);
    messages
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
        .filter_map(|message| message["executable"].as_str().map(PathBuf::from))
        .find(|path| path.file_stem().is_some_and(|name| name == "milena"))
        .context("cargo built no program milena")
}
