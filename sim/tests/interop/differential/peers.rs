//! The other clients as programs: lines in, lines out.
//!
//! Owns how they are built and started. librdkafka is confluent-kafka for Python; the Java client
//! runs from the jars in the folder that `MILENA_KAFKA_JARS` names.

use super::line::Line;
use crate::run;
use anyhow::{Context, Result, ensure};
use milena_sim::program::is_missing;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use tempfile::TempDir;
use tokio::process::Command;

const PYTHON_SOURCE: &str = include_str!("peer.py");
const JAVA_SOURCE: &str = include_str!("Peer.java");
/// A folder with the jars of the Java client; `cargo xtask kafka jars` prints one.
const JARS_VARIABLE: &str = "MILENA_KAFKA_JARS";

/// A folder with compiled classes.
pub(super) type Classes = OnceLock<Result<TempDir, String>>;

/// Another client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Peer {
    Librdkafka,
    Java,
}

impl Peer {
    pub(super) const ALL: [Self; 2] = [Self::Librdkafka, Self::Java];

    /// The peers that can run here; the others are named, unless all are required.
    pub(super) fn present() -> Vec<Self> {
        let is_present = |peer: &Self| match peer {
            Self::Librdkafka => !is_missing(&python(), &["-c", "import confluent_kafka"]),
            Self::Java => jars().is_some() && !is_missing("javac", &["-version"]),
        };
        Self::ALL.into_iter().filter(is_present).collect()
    }

    /// Writes `lines`, with a partitioner by the name that librdkafka has for it; the partition and
    /// offset of each.
    pub(super) async fn produce(
        self,
        bootstrap: &str,
        topic: &str,
        codec: &str,
        partitioner: &str,
        lines: &[Line],
    ) -> Result<Vec<(i32, i64)>> {
        let input: String = lines.iter().map(|line| format!("{line}\n")).collect();
        let arguments = ["produce", bootstrap, topic, codec, partitioner];
        let output = run(self.command()?.args(arguments), &input).await?;
        let places = output.lines().map(|line| {
            let (partition, offset) = line.split_once(' ').context("no offset")?;
            Ok((partition.parse()?, offset.parse()?))
        });
        let places = places.collect::<Result<Vec<_>>>()?;
        ensure!(
            places.len() == lines.len(),
            "{self:?} wrote {}",
            places.len()
        );
        Ok(places)
    }

    /// Reads `count` records from the beginning of every partition, sorted by place.
    pub(super) async fn consume(
        self,
        bootstrap: &str,
        topic: &str,
        partitions: i32,
        count: usize,
    ) -> Result<Vec<Line>> {
        let (partitions, count) = (partitions.to_string(), count.to_string());
        let isolation = "read_uncommitted";
        let arguments = ["consume", bootstrap, topic, &partitions, &count, isolation];
        let output = run(self.command()?.args(arguments), "").await?;
        let mut lines = output
            .lines()
            .map(Line::parse)
            .collect::<Result<Vec<_>>>()?;
        lines.sort();
        Ok(lines)
    }

    fn command(self) -> Result<Command> {
        let mut command = match self {
            Self::Librdkafka => {
                let mut command = Command::new(python());
                command.args(["-c", PYTHON_SOURCE]);
                command
            }
            Self::Java => {
                static CLASSES: Classes = Classes::new();
                java(&CLASSES, "Peer", JAVA_SOURCE)?
            }
        };
        command.env("PYTHONUNBUFFERED", "0");
        Ok(command)
    }
}

/// Runs the Java class `name`, which is compiled once a run.
pub(super) fn java(classes: &Classes, name: &str, source: &str) -> Result<Command> {
    let compiled = classes.get_or_init(|| compile(name, source).map_err(|e| format!("{e:#}")));
    let classes = match compiled {
        Ok(folder) => folder.path(),
        Err(error) => return Err(anyhow::Error::msg(error.clone())),
    };
    let mut command = Command::new("java");
    command
        .args(["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"])
        .arg("-Dorg.slf4j.simpleLogger.defaultLogLevel=error")
        .arg("-cp")
        .arg(class_path(&[classes])?)
        .arg(name);
    Ok(command)
}

pub(super) fn python() -> String {
    std::env::var("MILENA_PYTHON").unwrap_or_else(|_| "python3".to_owned())
}

fn jars() -> Option<PathBuf> {
    let folder = std::env::var_os(JARS_VARIABLE).map(PathBuf::from);
    if folder.is_none() {
        let is_required = std::env::var("MILENA_REQUIRE_KAFKA").is_ok_and(|value| value == "1");
        assert!(!is_required, "{JARS_VARIABLE} is not set");
        eprintln!("skipped: {JARS_VARIABLE} is not set, so there is no Java client");
    }
    folder
}

fn class_path(first: &[&Path]) -> Result<std::ffi::OsString> {
    let jars = jars().context("there are no jars")?.join("*");
    let parts = first.iter().copied().chain([jars.as_path()]);
    Ok(std::env::join_paths(parts)?)
}

fn compile(name: &str, text: &str) -> Result<TempDir> {
    let folder = tempfile::tempdir()?;
    let source = folder.path().join(format!("{name}.java"));
    std::fs::write(&source, text)?;
    let output = std::process::Command::new("javac")
        .arg("-cp")
        .arg(class_path(&[])?)
        .arg("-d")
        .arg(folder.path())
        .arg(&source)
        .output()
        .context("cannot run javac")?;
    ensure!(
        output.status.success(),
        "{name}.java does not compile: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(folder)
}
