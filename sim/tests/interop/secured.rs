//! kcat and confluent-kafka for Python on listeners with TLS and SASL of our broker.

use super::run;
use anyhow::{Context, Result};
use milena_sim::program::is_missing;
use milena_sim::secured::Secured;
use milena_sim::secured::setup::{CA_FILE, CLIENT_FILE, PASSWORD, USER};
use tokio::process::Command;

const MECHANISMS: [&str; 4] = ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER"];
/// Without SCRAM: librdkafka before 2.6.1 repeats its nonce in the last message, which we refuse as
/// Apache Kafka does (CVE-2024-56128).
const OLD_MECHANISMS: [&str; 2] = ["PLAIN", "OAUTHBEARER"];

fn kcat(secured: &Secured, listener: &str, settings: &[String]) -> Result<Command> {
    let mut command = Command::new("kcat");
    command.args(["-b", secured.bootstrap(listener)?]);
    for setting in settings {
        command.args(["-X", setting]);
    }
    Ok(command)
}

fn trust(secured: &Secured) -> String {
    format!("ssl.ca.location={}", secured.file(CA_FILE).display())
}

fn sasl(mechanism: &str, password: &str) -> Vec<String> {
    let mut settings = vec![format!("sasl.mechanisms={mechanism}")];
    if mechanism == "OAUTHBEARER" {
        settings.push("enable.sasl.oauthbearer.unsecure.jwt=true".to_owned());
        settings.push(format!("sasl.oauthbearer.config=principal={USER}"));
    } else {
        settings.push(format!("sasl.username={USER}"));
        settings.push(format!("sasl.password={password}"));
    }
    settings
}

async fn check_use(secured: &Secured, listener: &str, settings: &[String]) -> Result<()> {
    let topic = format!("secured-{:x}", fastrand::u64(..));
    let kcat = || kcat(secured, listener, settings);
    run(kcat()?.args(["-q", "-P", "-t", &topic]), "1\n2\n3\n").await?;
    let mut reader = kcat()?;
    reader.args(["-q", "-C", "-t", &topic, "-o", "beginning", "-e"]);
    assert_eq!(run(&mut reader, "").await?, "1\n2\n3\n");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn kcat_uses_every_protocol_and_mechanism() -> Result<()> {
    if is_missing("kcat", &["-V"]) {
        return Ok(());
    }
    let secured = Secured::embedded().await?;
    let tls = ["security.protocol=SSL".to_owned(), trust(&secured)];
    check_use(&secured, "SSL", &tls).await?;
    let identity = secured.file(CLIENT_FILE);
    let identity =
        ["certificate", "key"].map(|part| format!("ssl.{part}.location={}", identity.display()));
    check_use(&secured, "MTLS", &[&tls[..], &identity].concat()).await?;
    for listener in ["SASL_PLAINTEXT", "SASL_SSL"] {
        for mechanism in OLD_MECHANISMS {
            let protocol = [format!("security.protocol={listener}"), trust(&secured)];
            let settings = [&protocol[..], &sasl(mechanism, PASSWORD)].concat();
            let used = check_use(&secured, listener, &settings).await;
            used.with_context(|| format!("{mechanism} on {listener}"))?;
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn kcat_is_told_why_it_may_not_in() -> Result<()> {
    if is_missing("kcat", &["-V"]) {
        return Ok(());
    }
    let secured = Secured::embedded().await?;
    let protocol = ["security.protocol=SASL_PLAINTEXT".to_owned()];
    let settings = [&protocol[..], &sasl("PLAIN", "wrong")].concat();
    let mut listing = kcat(&secured, "SASL_PLAINTEXT", &settings)?;
    listing.args(["-L", "-m", "5"]);
    let outcome = run(&mut listing, "").await;
    let error = format!("{:#}", outcome.err().context("it got in")?);
    assert!(error.contains("Invalid username or password"), "{error}");
    Ok(())
}

/// Runs the script for some seconds with these settings.
async fn check_python(
    secured: &Secured,
    listener: &str,
    mechanism: &str,
    seconds: &str,
) -> Result<()> {
    let protocol = if listener == "RENEWED" {
        "SASL_PLAINTEXT"
    } else {
        listener
    };
    let python = std::env::var("MILENA_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let mut command = Command::new(python);
    command
        .args(["-", seconds, &trust(secured)])
        .arg(format!(
            "bootstrap.servers={}",
            secured.bootstrap(listener)?
        ))
        .arg(format!("security.protocol={protocol}"))
        .args(sasl(mechanism, PASSWORD));
    let output = run(&mut command, include_str!("secured.py")).await;
    let output = output.with_context(|| format!("{mechanism} on {listener}"))?;
    assert_eq!(output.lines().last(), Some("ok"), "{output}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn python_uses_every_mechanism_and_renews_its_sessions() -> Result<()> {
    let python = std::env::var("MILENA_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    if is_missing(&python, &["-c", "import confluent_kafka"]) {
        return Ok(());
    }
    let secured = Secured::embedded().await?;
    for mechanism in MECHANISMS {
        check_python(&secured, "SASL_SSL", mechanism, "0").await?;
    }
    check_python(&secured, "RENEWED", "SCRAM-SHA-256", "4").await
}
