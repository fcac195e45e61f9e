//! The checks that run no test: formatting, clippy, tidy, documentation, each feature by itself.
//!
//! Owns which cargo commands those are.

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

pub(crate) fn run(steps: &mut Steps) {
    steps.run("format", || {
        run_command(&mut cargo(&["fmt", "--all", "--check"]))?;
        run_command(cargo(&["fmt", "--check", "--manifest-path"]).arg("bench/Cargo.toml"))
    });
    steps.run("tidy", || {
        tidy::run()?;
        Ok(Outcome::Passed(String::new()))
    });
    steps.run("clippy", || {
        run_command(&mut cargo(&[
            "clippy",
            "--workspace",
            "--all-targets",
            "--",
            "-D",
            "warnings",
        ]))
    });
    steps.run("documentation", || {
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
        run_command(&mut command)
    });
    steps.run("each feature by itself", each_feature);
}

/// A `cargo` of the same toolchain, run in the root of the checkout.
pub(crate) fn cargo(arguments: &[&str]) -> Command {
    let program = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(program);
    command.args(arguments).current_dir(workspace::root());
    command
}

fn each_feature() -> Result<Outcome> {
    let output = cargo(&["metadata", "--no-deps", "--format-version", "1"])
        .output()
        .context("cannot run cargo metadata")?;
    let metadata: Metadata = serde_json::from_slice(&output.stdout)
        .context("cannot read the answer of cargo metadata")?;
    let mut checked = Vec::new();
    for (package, feature) in features(&metadata) {
        let mut command = cargo(&["check", "--package", package, "--no-default-features"]);
        run_command(command.args(["--features", feature]))?;
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
