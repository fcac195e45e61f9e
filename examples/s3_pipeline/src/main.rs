//! A messaging pipeline, from below: topics, a producer, a consumer in a group, transactions, and
//! the ports of several instances on one machine. `milena::client` is the bare client: no
//! handlers, no retries above the protocol's, nothing between you and Kafka.
//!
//! `cargo run -p s3_pipeline`: on an embedded broker, or on the cluster that
//! `MILENA_BOOTSTRAP_SERVERS` names. Fails when something does not happen as it says.

mod admin;
mod end_to_end;
mod ports;
mod produce_consume;
mod transactions;

use anyhow::Result;
use example_support::Cluster;
use milena::client::{Client, ClientConfig};

#[tokio::main]
async fn main() -> Result<()> {
    milena::telemetry::init("warn")?;
    let cluster = Cluster::find().await?;
    let config = ClientConfig::new(&cluster.servers()?).client_id("my-pipeline");
    let client = Client::new(config)?;

    produce_consume::run(
        &client,
        &cluster.name("my-topic"),
        &cluster.name("my-group"),
    )
    .await?;
    transactions::run(&client, &cluster.name("my-transaction")).await?;
    admin::run(&client, &cluster.name("new-topic")).await?;
    end_to_end::run(&client, &cluster.name("e2e-test"), &cluster.name("e2e")).await?;
    ports::run()?;
    client.close().await;
    println!("done");
    Ok(())
}
