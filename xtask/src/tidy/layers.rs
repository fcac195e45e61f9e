//! Which crate may depend on which: arrows point down.
//!
//! The table is the drawing in ARCHITECTURE.md. Reads `cargo metadata`, no source.

use super::Problem;
use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Every crate with the crates of ours it may use, directly or through others.
const LAYERS: [(&str, &[&str]); 9] = [
    ("milena-wire", &[]),
    ("milena-client", &["milena-wire"]),
    ("milena-broker", &["milena-wire"]),
    ("milena", &["milena-client", "milena-wire"]),
    (
        "example-support",
        &["milena", "milena-broker", "milena-client", "milena-wire"],
    ),
    (
        "milena-workflow",
        &["milena", "milena-client", "milena-wire"],
    ),
    (
        "milena-console",
        &["milena", "milena-client", "milena-wire"],
    ),
    (
        "milena-notifications",
        &["milena", "milena-client", "milena-wire"],
    ),
    (
        "milena-cli",
        &[
            "milena",
            "milena-broker",
            "milena-client",
            "milena-console",
            "milena-wire",
            "milena-workflow",
        ],
    ),
];
/// Allowed only behind a feature.
const OPTIONAL: [(&str, &str); 2] = [
    ("milena", "milena-broker"),
    ("milena-cli", "milena-notifications"),
];
/// These may use everything, and nothing may use them.
const ON_TOP: [&str; 9] = [
    "bench",
    "milena-budgets",
    "milena-sim",
    "s0_clients",
    "s1_publishing",
    "s2_instance",
    "s3_pipeline",
    "s4_service",
    "xtask",
];
/// A crate that must not reach another, through whatever path of normal and build dependencies.
const UNREACHABLE: [(&str, &str); 1] = [("milena-wire", "tokio")];

/// What `cargo metadata` says, as far as it matters here.
#[derive(Deserialize)]
pub(super) struct Metadata {
    packages: Vec<Package>,
    workspace_members: Vec<String>,
    resolve: Resolve,
}

#[derive(Deserialize)]
struct Package {
    id: String,
    name: String,
    manifest_path: PathBuf,
    dependencies: Vec<Dependency>,
}

#[derive(Deserialize)]
struct Dependency {
    name: String,
    /// `null` is a normal dependency.
    kind: Option<String>,
    optional: bool,
}

#[derive(Deserialize)]
struct Resolve {
    nodes: Vec<Node>,
}

#[derive(Deserialize)]
struct Node {
    id: String,
    deps: Vec<NodeDependency>,
}

#[derive(Deserialize)]
struct NodeDependency {
    pkg: String,
    dep_kinds: Vec<DependencyKind>,
}

#[derive(Deserialize)]
struct DependencyKind {
    kind: Option<String>,
}

pub(super) fn load(root: &Path) -> Result<Metadata> {
    let output = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args(["metadata", "--format-version", "1", "--all-features"])
        .current_dir(root)
        .output()
        .context("cannot run cargo metadata")?;
    ensure!(
        output.status.success(),
        "cargo metadata failed: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    serde_json::from_slice(&output.stdout).context("cannot read the answer of cargo metadata")
}

pub(super) fn check(metadata: &Metadata) -> Vec<Problem> {
    let members: BTreeMap<&str, &Package> = metadata
        .packages
        .iter()
        .filter(|package| metadata.workspace_members.contains(&package.id))
        .map(|package| (package.name.as_str(), package))
        .collect();
    let mut problems = Vec::new();
    for package in members.values() {
        for dependency in &package.dependencies {
            if members.contains_key(dependency.name.as_str())
                && let Some(message) = why_wrong(package, dependency)
            {
                problems.push(problem(package, message));
            }
        }
        let is_known = LAYERS.iter().any(|(name, _)| *name == package.name)
            || ON_TOP.contains(&package.name.as_str());
        if !is_known {
            problems.push(problem(
                package,
                format!("{} has no place in the layers of `tidy`", package.name),
            ));
        }
    }
    for (name, banned) in UNREACHABLE {
        if let Some(package) = members.get(name)
            && reachable(metadata, &package.id).contains(banned)
        {
            problems.push(problem(package, format!("{name} must not know {banned}")));
        }
    }
    problems
}

fn why_wrong(package: &Package, dependency: &Dependency) -> Option<String> {
    let (from, to) = (package.name.as_str(), dependency.name.as_str());
    if ON_TOP.contains(&to) {
        return Some(format!("nothing depends on {to}"));
    }
    let is_dev = dependency.kind.as_deref() == Some("dev");
    if is_dev || ON_TOP.contains(&from) {
        return None;
    }
    let allowed = LAYERS
        .iter()
        .any(|(name, below)| *name == from && below.contains(&to));
    if allowed {
        return None;
    }
    match (OPTIONAL.contains(&(from, to)), dependency.optional) {
        (true, true) => None,
        (true, false) => Some(format!("{from} may use {to} only behind a feature")),
        (false, _) => Some(format!("{from} must not depend on {to}: arrows point down")),
    }
}

/// The names of everything that is built into the package `id`.
fn reachable<'a>(metadata: &'a Metadata, id: &'a str) -> BTreeSet<&'a str> {
    let names: HashMap<&str, &str> = metadata
        .packages
        .iter()
        .map(|package| (package.id.as_str(), package.name.as_str()))
        .collect();
    let nodes: HashMap<&str, &Node> = metadata
        .resolve
        .nodes
        .iter()
        .map(|node| (node.id.as_str(), node))
        .collect();
    let mut seen = BTreeSet::from([id]);
    let mut waiting = vec![id];
    while let Some(next) = waiting.pop() {
        let dependencies = nodes.get(next).map_or(&[][..], |node| &node.deps);
        for dependency in dependencies {
            let is_built_in = dependency
                .dep_kinds
                .iter()
                .any(|kind| kind.kind.as_deref() != Some("dev"));
            if is_built_in && seen.insert(&dependency.pkg) {
                waiting.push(&dependency.pkg);
            }
        }
    }
    seen.iter()
        .filter_map(|id| names.get(id).copied())
        .collect()
}

fn problem(package: &Package, message: String) -> Problem {
    let path = package.manifest_path.clone();
    Problem {
        path: path
            .strip_prefix(crate::workspace::root())
            .map(Path::to_path_buf)
            .unwrap_or(path),
        line: 0,
        message,
    }
}
