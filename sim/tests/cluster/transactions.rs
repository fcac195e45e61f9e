//! Transactions while coordinators and leaders are killed and paused: each is there as a whole, or
//! not at all, as its producer was told.

use super::nodes::Nodes;
use super::{PARTITIONS, TURN, client_config, create_topic, seed};
use anyhow::{Context, Result};
use milena_client::transaction::Outcome;
use milena_client::{Admin, Client};
use milena_sim::schedule::{NodeTrouble, node_troubles};
use milena_sim::target::unique;
use milena_sim::transactions::TransactionLoad;

const TROUBLES: usize = 3;
/// Trouble hits a cluster at work, and is over only after work went on without the node.
const ENDED_BETWEEN: usize = 10;

#[tokio::test(flavor = "multi_thread")]
async fn transactions_survive_nodes_that_are_killed_and_paused() -> Result<()> {
    let Some(nodes) = Nodes::from_environment()? else {
        return Ok(());
    };
    let _turn = TURN.lock().await;
    let seed = seed();
    let client = Client::new(client_config(nodes.bootstrap()))?;
    let topic = create_topic(&Admin::new(&client), "cluster-transactions").await?;
    let id = unique("cluster");
    let mut load = TransactionLoad::start(&client, &id, &topic, PARTITIONS, seed);
    for trouble in node_troubles(seed, nodes.count(), TROUBLES) {
        strike(&nodes, &mut load, &trouble)
            .await
            .with_context(|| format!("{trouble:?} of MILENA_SEED={seed}"))?;
    }
    load.until_ended(ENDED_BETWEEN).await?;
    let history = load.stop().await?;
    eprintln!(
        "{} committed, {} aborted",
        history.count(Outcome::Committed),
        history.count(Outcome::Aborted)
    );
    history.verify(&client).await?;
    client.close().await;
    Ok(())
}

/// Takes a node away, sees that work goes on without it, and gives it back.
async fn strike(nodes: &Nodes, load: &mut TransactionLoad, trouble: &NodeTrouble) -> Result<()> {
    load.until_ended(ENDED_BETWEEN).await?;
    let (away, back) = if trouble.is_paused {
        ("pause", "resume")
    } else {
        ("kill", "start")
    };
    nodes.change(away, trouble.node).await?;
    tokio::time::sleep(trouble.lasts).await;
    load.until_ended(ENDED_BETWEEN).await?;
    nodes.change(back, trouble.node).await
}
