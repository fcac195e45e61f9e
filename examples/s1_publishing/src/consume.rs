//! Several consumers in one group, made by one factory and stopped by one signal: each has partitions
//! of its own. A processor has hooks for what happens around its messages, and for those that it cannot
//! read.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Result, ensure};
use example_support::Cluster;
use milena::{
    App, HandlerError, Json, Lifecycle, Members, Message, Meta, Outgoing, Publisher, State,
    TopicPartition, handler,
};
use serde_json::Value;

/// What happened, in all members together.
#[derive(Clone, Default)]
struct Processor {
    processed: Arc<AtomicU64>,
    received: Arc<AtomicU64>,
    failed: Arc<AtomicU64>,
    stopping: Arc<AtomicU64>,
}

impl Lifecycle for Processor {
    fn creating(&self) {
        println!("creating a consumer");
    }

    fn created(&self) {
        println!("consumer created");
    }

    fn subscribed(&self, topics: &[String]) {
        println!("subscribed to {topics:?}");
    }

    fn message_received(&self, _message: &Message) {
        self.received.fetch_add(1, Ordering::Relaxed);
    }

    fn message_failed(&self, message: &Message, error: &HandlerError) {
        println!("offset {} failed: {error}", message.offset());
        self.failed.fetch_add(1, Ordering::Relaxed);
    }

    fn partition_end(&self, partition: &TopicPartition, next_offset: i64) {
        println!("end of {partition} at {next_offset}");
    }

    fn stopping(&self) {
        println!("stopping");
        self.stopping.fetch_add(1, Ordering::Relaxed);
    }
}

async fn on_order(
    Json(order): Json<Value>,
    meta: Meta,
    State(processor): State<Processor>,
) -> Result<(), HandlerError> {
    println!("order {} from partition {}", order["id"], meta.partition);
    processor.processed.fetch_add(1, Ordering::Relaxed);
    Ok(())
}

pub(crate) async fn run(cluster: &Cluster) -> Result<()> {
    let config = cluster.config().build()?;
    let publisher = Publisher::new(&config)?;
    let unreadable = Outgoing::to("orders").value("not JSON");
    publisher.send(&unreadable).await?;
    publisher.close().await?;
    let processor = Processor::default();
    let members = Members::start(3, |_number| {
        App::new(config.clone())
            .state(processor.clone())
            .lifecycle(processor.clone())
            .topic("orders", handler(on_order))
    })
    .await?;
    let done = async {
        let (processed, failed) = (&processor.processed, &processor.failed);
        while processed.load(Ordering::Relaxed) < 3 || failed.load(Ordering::Relaxed) < 1 {
            ensure!(members.is_alive(), "a member died");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    };
    tokio::time::timeout(Duration::from_secs(60), done).await??;
    members.shutdown().await?;
    let (received, stopping) = (&processor.received, &processor.stopping);
    ensure!(
        received.load(Ordering::Relaxed) >= 4,
        "received: {received:?}"
    );
    ensure!(
        stopping.load(Ordering::Relaxed) == 3,
        "stopping: {stopping:?}"
    );
    Ok(())
}
