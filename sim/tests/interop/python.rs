//! confluent-kafka for Python, which brings the newest librdkafka: the script does the checking.

use super::{broker, run};
use anyhow::Result;
use milena_sim::program::is_missing;
use tokio::process::Command;

const SCRIPT: &str = include_str!("confluent.py");

#[tokio::test]
async fn python_creates_produces_and_consumes_in_a_group() -> Result<()> {
    let python = std::env::var("MILENA_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    if is_missing(&python, &["-c", "import confluent_kafka"]) {
        return Ok(());
    }
    let broker = broker(&["auto.create.topics.enable=false"]).await?;
    let mut command = Command::new(python);
    command.args(["-", &broker.bootstrap()]);
    let output = run(&mut command, SCRIPT).await?;
    assert_eq!(output.lines().last(), Some("ok"), "{output}");
    Ok(())
}
