//! Several consumers in one group, made by one factory and stopped by one signal: each has partitions
//! of its own.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Result, ensure};
use example_support::Cluster;
use milena::{App, HandlerError, Json, Members, Meta, State, handler};
use serde_json::Value;

/// Orders that are done.
#[derive(Clone, Default)]
struct Processed(Arc<AtomicU64>);

async fn on_order(
    Json(order): Json<Value>,
    meta: Meta,
    State(processed): State<Processed>,
) -> Result<(), HandlerError> {
    println!("order {} from partition {}", order["id"], meta.partition);
    processed.0.fetch_add(1, Ordering::Relaxed);
    Ok(())
}

pub(crate) async fn run(cluster: &Cluster) -> Result<()> {
    let config = cluster.config().build()?;
    let processed = Processed::default();
    let members = Members::start(3, |_number| {
        App::new(config.clone())
            .state(processed.clone())
            .topic("orders", handler(on_order))
    })
    .await?;
    let done = async {
        while processed.0.load(Ordering::Relaxed) < 3 {
            ensure!(members.is_alive(), "a member died");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    };
    tokio::time::timeout(Duration::from_secs(60), done).await??;
    members.shutdown().await?;
    Ok(())
}
