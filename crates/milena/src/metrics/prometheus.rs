//! The exporter for Prometheus. No server: an application with `health.address` has one, and
//! so has a `MetricsServer`; whoever has another answers `GET /metrics` with [`render`].

use std::sync::OnceLock;
use std::time::Duration;

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};

/// The type of what [`render`] returns, for the header `content-type`.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// How often measured values are put into their buckets, if nobody renders them.
const UPKEEP_INTERVAL: Duration = Duration::from_secs(5);
/// From a quick answer to a request that timed out, in seconds.
const DURATION_BUCKETS: &[f64] = &[
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0,
];
const RECORD_BUCKETS: &[f64] = &[1.0, 10.0, 100.0, 1_000.0, 10_000.0, 100_000.0];

static EXPORTER: OnceLock<PrometheusHandle> = OnceLock::new();

/// Why metrics cannot be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MetricsError {
    /// Another exporter is installed in this process.
    #[error(
        "another exporter of metrics is installed already; use that one, or install this one first"
    )]
    AlreadyInstalled,
    /// [`MetricsServer`](super::MetricsServer) cannot listen there.
    #[cfg(feature = "http")]
    #[error("cannot listen on {address} for metrics: {source}")]
    Listen {
        /// Where it was to listen.
        address: std::net::SocketAddr,
        /// What the system says.
        source: std::io::Error,
    },
    /// The exporter refused its settings.
    #[error("the exporter of metrics cannot be made: {0}")]
    Exporter(String),
}

/// Has everything in this process that is made from now on measured, for [`render`]. Once is
/// enough; further calls do nothing. On a tokio runtime it also keeps what is measured small
/// while nobody renders it.
///
/// # Errors
/// [`MetricsError::AlreadyInstalled`] when the process has another exporter.
pub fn install_prometheus() -> Result<(), MetricsError> {
    if EXPORTER.get().is_some() {
        return Ok(());
    }
    let refused =
        |error: metrics_exporter_prometheus::BuildError| MetricsError::Exporter(error.to_string());
    let suffix = |name: &str| Matcher::Suffix(name.to_owned());
    let recorder = PrometheusBuilder::new()
        .with_recommended_naming(true)
        .set_buckets_for_metric(suffix("duration"), DURATION_BUCKETS)
        .and_then(|builder| builder.set_buckets_for_metric(suffix("records"), RECORD_BUCKETS))
        .map_err(refused)?
        .build_recorder();
    let handle = recorder.handle();
    metrics::set_global_recorder(recorder).map_err(|_| MetricsError::AlreadyInstalled)?;
    super::names::describe();
    if let Ok(runtime) = tokio::runtime::Handle::try_current() {
        runtime.spawn(keep_small(handle.clone()));
    }
    let _ = EXPORTER.set(handle);
    Ok(())
}

/// What was counted and measured so far, in Prometheus's text format; `None` before
/// [`install_prometheus`].
#[must_use]
pub fn render() -> Option<String> {
    let exporter = EXPORTER.get()?;
    super::collect();
    exporter.run_upkeep();
    Some(exporter.render())
}

async fn keep_small(handle: PrometheusHandle) {
    loop {
        tokio::time::sleep(UPKEEP_INTERVAL).await;
        handle.run_upkeep();
    }
}
