//! confluent-kafka for Python, which brings the newest librdkafka: the scripts do the checking.

use super::{broker, run};
use anyhow::Result;
use milena_sim::program::is_missing;
use tokio::process::Command;

/// Runs a script against a broker of its own; its last line is "ok".
async fn check(script: &str, properties: &[&str]) -> Result<()> {
    let python = std::env::var("MILENA_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    if is_missing(&python, &["-c", "import confluent_kafka"]) {
        return Ok(());
    }
    let broker = broker(properties).await?;
    let mut command = Command::new(python);
    command.args(["-", &broker.bootstrap()]);
    let output = run(&mut command, script).await?;
    assert_eq!(output.lines().last(), Some("ok"), "{output}");
    Ok(())
}

#[tokio::test]
async fn python_creates_produces_and_consumes_in_a_group() -> Result<()> {
    let script = include_str!("confluent.py");
    check(script, &["auto.create.topics.enable=false"]).await
}

#[tokio::test]
async fn python_commits_and_aborts_transactions() -> Result<()> {
    for version in ["transaction.version=1", "transaction.version=2"] {
        check(include_str!("transactions.py"), &[version]).await?;
    }
    Ok(())
}

#[tokio::test]
async fn python_administers() -> Result<()> {
    let authorizer =
        "authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer";
    let properties = [authorizer, "allow.everyone.if.no.acl.found=true"];
    check(include_str!("admin.py"), &properties).await
}
