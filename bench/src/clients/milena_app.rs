//! Milena's application: a handler that takes JSON, one record of a partition after the other.

use crate::load::{Event, Load, TOPIC};
use anyhow::Result;
use milena::{App, Config, Json, OffsetReset, State, handler};
use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::Notify;

/// Tells when all records are handled.
#[derive(Debug)]
struct Count {
    left: AtomicU64,
    done: Notify,
}

async fn on_event(Json(event): Json<Event>, State(count): State<Arc<Count>>) {
    black_box(&event);
    if count.left.fetch_sub(1, Ordering::Relaxed) == 1 {
        count.done.notify_one();
    }
}

pub(super) fn run(load: &Load) -> Result<()> {
    super::block_on(handle(load.clone()))
}

async fn handle(load: Load) -> Result<()> {
    let count = Arc::new(Count {
        left: AtomicU64::new(load.messages),
        done: Notify::new(),
    });
    let config = Config::builder()
        .bootstrap_servers(&load.brokers)
        .group_id(TOPIC)
        .auto_offset_reset(OffsetReset::Earliest)
        .build()?;
    App::new(config)
        .state(Arc::clone(&count))
        .topic(TOPIC, handler(on_event))
        .run_until(async move { count.done.notified().await })
        .await?;
    Ok(())
}
