//! Metrics of everything in this process: Milena's own and those of the client below it.
//!
//! All go through the [`metrics`](https://docs.rs/metrics) facade, so any exporter for it will do.
//! With the feature `prometheus` there is one that renders Prometheus's text format:
//!
//! ```
//! # #[cfg(feature = "prometheus")]
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use std::time::Duration;
//! use milena::testing::TestBroker;
//! use milena::{Outgoing, Publisher, metrics};
//!
//! metrics::install_prometheus()?; // first of all: what is made before is not measured
//! let broker = TestBroker::start().await?;
//! let publisher = Publisher::new(&broker.config("my-group")?)?.reliable().build()?;
//! publisher.publish(Outgoing::to("orders").value("hello")).await?;
//! publisher.flush(Duration::from_secs(10)).await?;
//! let page = metrics::render().expect("installed above"); // what `GET /metrics` answers
//! assert!(page.contains("milena_publisher_messages_total{outcome=\"delivered\"} 1"));
//! # Ok(())
//! # }
//! # #[cfg(not(feature = "prometheus"))]
//! # fn main() {}
//! ```
//!
//! Nothing is counted here when a message passes: whoever has numbers keeps them, and tells them
//! when [`collect`] asks. Several publishers of a process are summed up.
//!
//! | Name (labels) | Kind | What |
//! |---|---|---|
//! | `milena_publisher_accepted_total` | counter | messages taken |
//! | `milena_publisher_messages_total` (`outcome`) | counter | messages by their end: `delivered`, `dead_lettered`, `failed` |
//! | `milena_publisher_retries_total` | counter | attempts beyond each message's first |
//! | `milena_publisher_pending_messages` | gauge | messages without an end that are in memory only |
//! | `milena_publisher_waiting_messages` | gauge | of those, failed ones that wait for a retry or dead letter |
//! | `milena_publisher_spool_messages` | gauge | messages on disk |
//! | `milena_publisher_spool_bytes` | gauge | bytes of the files they are in |
//! | `milena_publisher_spool_damaged_bytes` | gauge | bytes of those that could not be read |
//! | `milena_publisher_breaker_open` | gauge | circuit breakers that let nothing but a probe through |
//! | `milena_publisher_oldest_waiting_seconds` | gauge | how long the oldest failed or spooled message waits, of all publishers together |
//! | `milena_app_records_total` (`outcome`) | counter | records by their end: `handled`, `dead_lettered`, `skipped`, `without_handler` |
//! | `milena_app_failures_total` | counter | attempts at handling that failed |
//! | `milena_app_retries_total` | counter | attempts beyond each record's first |
//! | `milena_app_commits_total` (`outcome`) | counter | commits: `committed`, `failed` |
//! | `milena_app_commit_latency_seconds` | gauge | how long the last commit took |
//! | `milena_app_lag_records` | gauge | records that are not done, as of the last look |
//! | `milena_app_partitions` | gauge | partitions assigned to this process |
//! | `milena_app_paused_topics` | gauge | topics paused because their handlers fail |
//! | `milena_app_job_runs_total`, `milena_app_job_failures_total`, `milena_app_job_missed_ticks_total` | counter | runs of jobs that ended, that failed, and ticks without a run |
//!
//! The client's are in [its own table](milena_client::metrics); in Prometheus's format their dots
//! are underscores.

mod names;
#[cfg(feature = "prometheus")]
mod prometheus;
#[cfg(all(feature = "prometheus", feature = "http"))]
mod server;
mod sums;

use std::sync::{Arc, Mutex, PoisonError, Weak};

pub use self::names::describe;
pub(crate) use self::names::{app, publisher};
#[cfg(feature = "prometheus")]
pub use self::prometheus::{CONTENT_TYPE, MetricsError, install_prometheus, render};
#[cfg(all(feature = "prometheus", feature = "http"))]
pub use self::server::MetricsServer;
pub(crate) use self::sums::{Level, Sum};

/// Something that has numbers.
pub(crate) trait Source: Send + Sync + 'static {
    /// Tells them to the recorder that is installed.
    fn collect(&self);
}

/// As many as there are publishers and applications in the process.
static SOURCES: Mutex<Vec<Weak<dyn Source>>> = Mutex::new(Vec::new());

/// Has `source` asked for its numbers for as long as it lives.
pub(crate) fn register<S: Source>(source: &Arc<S>) {
    let source: Weak<S> = Arc::downgrade(source);
    let mut sources = SOURCES.lock().unwrap_or_else(PoisonError::into_inner);
    sources.retain(|source| source.strong_count() > 0);
    sources.push(source);
}

/// Brings the recorder that is installed up to date. `render` does it by itself; for exporters
/// other than ours, call it as often as they are to be up to date.
pub fn collect() {
    let sources = SOURCES
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .clone();
    for source in sources.iter().filter_map(Weak::upgrade) {
        source.collect();
    }
}

#[cfg(test)]
mod tests;
