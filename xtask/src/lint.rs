//! The checks that run no test: formatting, clippy, tidy, documentation, each feature by itself.
//!
//! Owns which cargo commands those are.

use crate::beside::{Output, Work};
use crate::steps::{Outcome, Steps, run_command};
use crate::{tidy, workspace};
use anyhow::{Context, Result};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::process::Command;

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    features: BTreeMap<String, Vec<String>>,
}

/// What is not there by default, and has tests.
pub(crate) const FEATURES: &str = "milena-cli/service";

/// What compiles and can wait for a processor.
pub(crate) const WORKS: [Work; 3] = [
    Work {
        name: "clippy",
        run: clippy,
    },
    Work {
        name: "documentation",
        run: documentation,
    },
    Work {
        name: "each feature by itself",
        run: each_feature,
    },
];

/// What takes a moment.
pub(crate) fn run(steps: &mut Steps) {
    steps.run("format", || {
        run_command(&mut cargo(&["fmt", "--all", "--check"]))?;
        run_command(cargo(&["fmt", "--check", "--manifest-path"]).arg("bench/Cargo.toml"))
    });
    steps.run("tidy", || {
        tidy::run()?;
        Ok(Outcome::Passed(String::new()))
    });
}

fn clippy(output: &Output) -> Result<Outcome> {
    let mut command = cargo(&["clippy", "--workspace", "--all-targets"]);
    command.args(["--features", FEATURES, "--", "-D", "warnings"]);
    run_command(output.of(&mut command)?)
}

fn documentation(output: &Output) -> Result<Outcome> {
    let mut command = cargo(&[
        "doc",
        "--workspace",
        "--no-deps",
        "--document-private-items",
        // The program `milena` and the library `milena` would write the same pages.
        "--exclude",
        "milena-cli",
    ]);
    // Private items may link to each other; a broken link is what we are after.
    command.env(
        "RUSTDOCFLAGS",
        "-D warnings -A rustdoc::private_intra_doc_links",
    );
    run_command(output.of(&mut command)?)
}

/// A `cargo` of the same toolchain, run in the root of the checkout.
///
/// Without what the `cargo` that runs us says of our own package: ring's build script asks for it, so
/// ring and all that needs it would be compiled again, here and when a `cargo` runs by itself.
pub(crate) fn cargo(arguments: &[&str]) -> Command {
    let program = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(program);
    command.args(arguments).current_dir(workspace::root());
    for (name, _) in std::env::vars_os() {
        let of_our_package = ["CARGO_PKG_", "CARGO_MANIFEST_"];
        if of_our_package
            .iter()
            .any(|start| name.to_string_lossy().starts_with(start))
        {
            command.env_remove(name);
        }
    }
    command
}

fn each_feature(shown: &Output) -> Result<Outcome> {
    let output = cargo(&["metadata", "--no-deps", "--format-version", "1"])
        .output()
        .context("cannot run cargo metadata")?;
    let metadata: Metadata = serde_json::from_slice(&output.stdout)
        .context("cannot read the answer of cargo metadata")?;
    let mut checked = Vec::new();
    for (package, feature) in features(&metadata) {
        let mut command = cargo(&["check", "--package", package, "--no-default-features"]);
        run_command(shown.of(command.args(["--features", feature]))?)?;
        checked.push(format!("{package}/{feature}"));
    }
    Ok(Outcome::Passed(checked.join(", ")))
}

fn features(metadata: &Metadata) -> Vec<(&str, &str)> {
    let packages = metadata.packages.iter();
    packages
        .flat_map(|package| {
            let features = package.features.keys();
            features.map(|feature| (package.name.as_str(), feature.as_str()))
        })
        .collect()
}

#[cfg(test)]
mod tests;
