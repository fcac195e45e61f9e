//! The jars of one Kafka version, fetched once a user by Maven.
//!
//! Owns the cache folder and the check that Java and Maven are there. Any number of processes may
//! ask at the same time: one downloads under a file lock, a finished folder appears in one rename.

use crate::workspace;
use anyhow::{Context, Result, bail, ensure};
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Why Apache Kafka cannot run here, as a sentence for the user; `None` when it can.
pub(crate) fn why_unavailable(version: &str) -> Option<String> {
    if let Err(error) = require_java() {
        return Some(error.to_string());
    }
    let cached = version_dir(version).is_ok_and(|dir| dir.is_dir());
    match require_maven() {
        Err(error) if !cached => Some(error.to_string()),
        _ => None,
    }
}

/// The folder with the jars of `version`, downloaded when it is not there yet.
pub(crate) fn ensure_jars(version: &str) -> Result<PathBuf> {
    ensure!(
        is_version(version),
        "{version:?} is not a version of Apache Kafka: write it as 4.3.1"
    );
    require_java()?;
    let dir = version_dir(version)?;
    if dir.is_dir() {
        return Ok(dir);
    }
    let cache = dir
        .parent()
        .expect("invariant: the version folder lies in the cache");
    fs::create_dir_all(cache).with_context(|| format!("cannot create {}", cache.display()))?;
    let lock = File::create(cache.join(format!("{version}.lock")))?;
    lock.lock().context("cannot lock the jar cache")?;
    if !dir.is_dir() {
        require_maven()?;
        eprintln!("fetching Apache Kafka {version} with Maven (about 56 MB, once)");
        download(version, cache, &dir)?;
    }
    Ok(dir)
}

fn version_dir(version: &str) -> Result<PathBuf> {
    Ok(workspace::cache_dir()?.join("kafka").join(version))
}

fn is_version(text: &str) -> bool {
    let parts: Vec<&str> = text.split('.').collect();
    parts.len() >= 3
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || c == '.' || c == '-')
        && parts
            .iter()
            .take(2)
            .all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()))
}

fn download(version: &str, cache: &Path, dir: &Path) -> Result<()> {
    let work = tempfile::Builder::new()
        .prefix(".download-")
        .tempdir_in(cache)?;
    fs::write(work.path().join("pom.xml"), pom(version))?;
    let jars = work.path().join("jars");
    let output = Command::new("mvn")
        .args(["-q", "-B", "dependency:copy-dependencies"])
        .arg(format!("-DoutputDirectory={}", jars.display()))
        .current_dir(work.path())
        .stdin(Stdio::null())
        .output()
        .context("cannot run mvn")?;
    if !output.status.success() {
        let text = String::from_utf8_lossy(&output.stdout);
        let reason = text
            .lines()
            .find(|line| line.contains("ERROR"))
            .unwrap_or("mvn said nothing");
        bail!(
            "Maven could not fetch Apache Kafka {version} ({}): {reason}",
            output.status
        );
    }
    let has_server = fs::read_dir(&jars)?.flatten().any(|entry| {
        entry
            .file_name()
            .to_string_lossy()
            .starts_with("kafka_2.13-")
    });
    ensure!(
        has_server,
        "Maven fetched no server jar for Apache Kafka {version}"
    );
    fs::rename(&jars, dir).with_context(|| format!("cannot move the jars to {}", dir.display()))
}

fn pom(version: &str) -> String {
    let dependency = |group: &str, artifact: &str, version: &str| {
        format!(
            "    <dependency><groupId>{group}</groupId><artifactId>{artifact}</artifactId>\
             <version>{version}</version></dependency>\n"
        )
    };
    let mut dependencies = String::new();
    for artifact in ["kafka_2.13", "kafka-tools", "kafka-clients"] {
        dependencies += &dependency("org.apache.kafka", artifact, version);
    }
    dependencies += &dependency("org.slf4j", "slf4j-simple", "1.7.36");
    format!(
        "<project xmlns=\"http://maven.apache.org/POM/4.0.0\">\n  \
         <modelVersion>4.0.0</modelVersion>\n  <groupId>milena</groupId>\n  \
         <artifactId>kafka-for-tests</artifactId>\n  <version>1</version>\n  \
         <dependencies>\n{dependencies}  </dependencies>\n</project>\n"
    )
}

fn require_java() -> Result<()> {
    require(
        "java",
        "-version",
        "a JDK or JRE 17 or newer, on Debian: apt-get install openjdk-17-jre-headless",
    )
}

fn require_maven() -> Result<()> {
    require(
        "mvn",
        "--version",
        "Maven, on Debian: apt-get install maven",
    )
}

fn require(program: &str, argument: &str, install: &str) -> Result<()> {
    let outcome = Command::new(program)
        .arg(argument)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    match outcome {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => bail!("`{program} {argument}` failed ({status}); install {install}"),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            bail!("{program} was not found on PATH; install {install}")
        }
        Err(error) => bail!("`{program} {argument}` failed ({error}); install {install}"),
    }
}

#[cfg(test)]
mod tests;
