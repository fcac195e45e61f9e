//! Clients of other languages: programs of their own, in `peers/`, with the same loads.
//!
//! Owns how they are built and called, and why one is not there. They are called as
//! `PROGRAM WORK BROKERS PARTITIONS MESSAGES CODEC` and print what the clients of this program print.

use crate::clients::Work;
use crate::load::Load;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A client of another language.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Peer {
    Franz,
    Java,
    Python,
    Faststream,
}

/// A peer that can run here.
#[derive(Clone, Debug)]
pub(crate) struct Program {
    pub(crate) peer: Peer,
    /// The program and what comes before the arguments of a run.
    command: Vec<OsString>,
}

/// Names the folder with the jars of the Java client; `cargo xtask bench` sets it.
const JARS_VARIABLE: &str = "MILENA_KAFKA_JARS";

impl Peer {
    pub(crate) const ALL: [Self; 4] = [Self::Franz, Self::Java, Self::Python, Self::Faststream];

    /// As the report names it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Franz => "franz-go",
            Self::Java => "Java client (warm)",
            Self::Python => "confluent-kafka for Python",
            Self::Faststream => "faststream (confluent)",
        }
    }

    /// Whether its program does such work.
    pub(crate) fn does(self, work: Work) -> bool {
        match self {
            Self::Franz | Self::Java => !matches!(work, Work::Handle | Work::Retry | Work::Idle),
            Self::Python => !matches!(work, Work::Retry | Work::Idle),
            Self::Faststream => work == Work::Handle,
        }
    }

    /// Builds what has to be built.
    ///
    /// # Errors
    /// Why this peer is not measured, as a sentence.
    pub(crate) fn prepare(self) -> Result<Program, String> {
        let folder = built();
        std::fs::create_dir_all(&folder)
            .map_err(|error| format!("{} cannot be made: {error}", folder.display()))?;
        let command = match self {
            Self::Franz => franz()?,
            Self::Java => java()?,
            Self::Python => python("confluent_kafka", "peer.py")?,
            Self::Faststream => python("faststream.confluent", "stream.py")?,
        };
        Ok(Program {
            peer: self,
            command,
        })
    }
}

impl Program {
    pub(crate) fn command(&self, work: Work, load: &Load) -> Command {
        let mut parts = self.command.iter();
        let mut command = Command::new(parts.next().expect("invariant: there is a program"));
        command
            .args(parts)
            .args([work.name(), &load.brokers])
            .arg(load.partitions.to_string())
            .arg(load.messages.to_string())
            .arg(load.codec.name());
        command
    }
}

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("peers")
        .join(name)
}

fn built() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("target")
        .join("peers")
}

fn franz() -> Result<Vec<OsString>, String> {
    let program = built().join("franz");
    let mut build = Command::new("go");
    build
        .args(["build", "-o"])
        .arg(&program)
        .arg(".")
        .current_dir(folder("franz"));
    run(&mut build, "go")?;
    Ok(vec![program.into()])
}

fn java() -> Result<Vec<OsString>, String> {
    let jars = std::env::var_os(JARS_VARIABLE)
        .ok_or_else(|| format!("{JARS_VARIABLE} does not name the jars of the Java client"))?;
    let jars = Path::new(&jars).join("*");
    let mut build = Command::new("javac");
    build.arg("-cp").arg(&jars).arg("-d").arg(built());
    run(build.arg(folder("java").join("BenchPeer.java")), "javac")?;
    let class_path = std::env::join_paths([built(), jars]).map_err(|error| error.to_string())?;
    let fixed = [
        "java",
        "-Dorg.slf4j.simpleLogger.defaultLogLevel=error",
        "-cp",
    ];
    let mut command: Vec<OsString> = fixed.iter().map(OsString::from).collect();
    command.extend([class_path, "BenchPeer".into()]);
    Ok(command)
}

fn python(package: &str, program: &str) -> Result<Vec<OsString>, String> {
    let python = std::env::var_os("MILENA_PYTHON").unwrap_or_else(|| "python3".into());
    let mut import = Command::new(&python);
    run(import.args(["-c", &format!("import {package}")]), package)?;
    Ok(vec![python, folder("python").join(program).into()])
}

/// Runs a command to its end; the reason why it failed, in one line.
fn run(command: &mut Command, what: &str) -> Result<(), String> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("{what} cannot be run: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let text = String::from_utf8_lossy(&output.stderr);
    let line = text.lines().rfind(|line| !line.trim().is_empty());
    Err(format!("{what}: {}", line.unwrap_or("it failed")))
}
