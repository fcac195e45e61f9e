//! The test runners of the workspace: built once, with the programs they start, and run from here.
//!
//! Owns how cargo is asked and how its answer is read. Knows nothing of what runs where.

use crate::lint::{FEATURES, cargo};
use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Tells suites where the `milena` program is.
const PROGRAM_VARIABLE: &str = "MILENA_BIN";
/// How many tests of a binary run at a time. Most wait for brokers, so that several share a processor.
const THREADS_VARIABLE: &str = "RUST_TEST_THREADS";
const THREADS: &str = "4";

/// A test runner that cargo built.
#[derive(Clone, Debug)]
pub(super) struct TestBinary {
    pub(super) package: String,
    pub(super) target: String,
    pub(super) is_integration: bool,
    executable: PathBuf,
    package_dir: PathBuf,
}

impl TestBinary {
    pub(super) fn command(&self) -> Command {
        let mut command = Command::new(&self.executable);
        command
            .current_dir(&self.package_dir)
            .env("CARGO_MANIFEST_DIR", &self.package_dir)
            .env(PROGRAM_VARIABLE, self.program("milena"));
        if std::env::var_os(THREADS_VARIABLE).is_none() {
            command.env(THREADS_VARIABLE, THREADS);
        }
        command
    }

    /// A program in `target/debug`, next to the `deps` folder that holds the test runner.
    pub(super) fn program(&self, name: &str) -> PathBuf {
        let profile_dir = self.executable.ancestors().nth(2);
        profile_dir.unwrap_or(Path::new("")).join(name)
    }
}

/// Builds test runners and programs in one go: building programs alone would compile what they share
/// with tests again, without what only tests ask of dependencies.
pub(super) fn build() -> Result<Vec<TestBinary>> {
    let mut command = cargo(&[
        "build",
        "--workspace",
        "--bins",
        "--examples",
        "--tests",
        "--features",
        FEATURES,
        "--message-format=json-render-diagnostics",
    ]);
    let output = command
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .context("cannot run cargo build")?;
    ensure!(output.status.success(), "the tests do not build");
    parse_messages(&String::from_utf8_lossy(&output.stdout))
}

#[derive(Deserialize)]
struct Message {
    reason: String,
    #[serde(default)]
    package_id: String,
    manifest_path: Option<PathBuf>,
    target: Option<Target>,
    profile: Option<Profile>,
    executable: Option<PathBuf>,
}

#[derive(Deserialize)]
struct Target {
    name: String,
    kind: Vec<String>,
}

#[derive(Deserialize)]
struct Profile {
    test: bool,
}

fn parse_messages(messages: &str) -> Result<Vec<TestBinary>> {
    let mut binaries = BTreeMap::new();
    for line in messages.lines().filter(|line| line.starts_with('{')) {
        let message: Message = serde_json::from_str(line).context("cannot read what cargo says")?;
        let (Some(target), Some(profile), Some(executable), Some(manifest)) = (
            message.target,
            message.profile,
            message.executable,
            message.manifest_path,
        ) else {
            continue;
        };
        if message.reason != "compiler-artifact" || !profile.test {
            continue;
        }
        let package_dir = manifest.parent().unwrap_or(Path::new("")).to_path_buf();
        let binary = TestBinary {
            package: package_name(&message.package_id, &package_dir),
            target: target.name,
            is_integration: target.kind.iter().any(|kind| kind == "test"),
            executable,
            package_dir,
        };
        binaries.insert(binary.executable.clone(), binary);
    }
    let mut binaries: Vec<TestBinary> = binaries.into_values().collect();
    binaries
        .sort_by(|one, other| (&one.package, &one.target).cmp(&(&other.package, &other.target)));
    Ok(binaries)
}

/// The name in `path+file:///dir#name@1.0.0`, or the folder's in `path+file:///dir/name#1.0.0`.
fn package_name(id: &str, dir: &Path) -> String {
    let name = id
        .rsplit_once('#')
        .and_then(|(_, fragment)| fragment.split_once('@'))
        .map(|(name, _)| name.to_owned());
    name.unwrap_or_else(|| {
        let folder = dir.file_name().unwrap_or_default();
        folder.to_string_lossy().into_owned()
    })
}

#[cfg(test)]
mod tests;
