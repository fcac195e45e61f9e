//! The health endpoints: `/live`, `/ready` and `/started` over HTTP, and `/metrics`.
//!
//! Owns the listener and the answers. Judges nothing.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::AbortHandle;

use super::report::HealthReport;

/// Connections that are served at once; more wait to be accepted.
const CONNECTIONS_MAX: usize = 32;
/// How long a connection may take to ask, and to be told.
const CONNECTION_TIMEOUT: Duration = Duration::from_secs(10);
/// How long to wait after a connection could not be accepted.
const ACCEPT_RETRY_DELAY: Duration = Duration::from_millis(100);

/// What the endpoints tell.
pub(crate) trait HealthSource: Send + Sync + 'static {
    /// The health now.
    fn health(&self) -> HealthReport;
}

/// What there is to tell: of an application, or of the process's metrics alone.
type Told = Option<Arc<dyn HealthSource>>;

/// Answers `/live`, `/ready` and `/started` with 200 or 503 and the problems as JSON, and
/// `/metrics`. Stops when it is dropped.
#[derive(Debug)]
pub(crate) struct HealthServer {
    address: SocketAddr,
    task: AbortHandle,
}

impl HealthServer {
    /// Listens on `address`; without a source, for `/metrics` only.
    pub(crate) async fn start(address: SocketAddr, source: Told) -> std::io::Result<HealthServer> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        let task = tokio::spawn(accept(listener, source)).abort_handle();
        tracing::info!(event = "health_listening", %address);
        Ok(HealthServer { address, task })
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for HealthServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn accept(listener: TcpListener, source: Told) {
    let room = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let Ok(permit) = room.clone().acquire_owned().await else {
            return; // nobody closes it
        };
        match listener.accept().await {
            Ok((connection, _)) => {
                let source = source.clone();
                tokio::spawn(async move {
                    let served = serve(connection, source);
                    let _ = tokio::time::timeout(CONNECTION_TIMEOUT, served).await;
                    drop(permit);
                });
            }
            Err(error) => {
                tracing::warn!(event = "health_accept_failed", %error);
                tokio::time::sleep(ACCEPT_RETRY_DELAY).await;
            }
        }
    }
}

async fn serve(connection: TcpStream, source: Told) {
    let service = service_fn(move |request: Request<Incoming>| {
        let answer = answer(request.method(), request.uri().path(), source.as_deref());
        async move { Ok::<_, Infallible>(answer) }
    });
    let served = hyper::server::conn::http1::Builder::new()
        .keep_alive(false)
        .timer(TokioTimer::new())
        .header_read_timeout(CONNECTION_TIMEOUT)
        .max_buf_size(8192)
        .serve_connection(TokioIo::new(connection), service)
        .await;
    if let Err(error) = served {
        tracing::debug!(event = "health_connection_failed", %error);
    }
}

fn answer(method: &Method, path: &str, source: Option<&dyn HealthSource>) -> Response<Full<Bytes>> {
    if !matches!(*method, Method::GET | Method::HEAD) {
        let mut refused = text(StatusCode::METHOD_NOT_ALLOWED, "GET or HEAD\n");
        let allowed = HeaderValue::from_static("GET, HEAD");
        refused.headers_mut().insert(ALLOW, allowed);
        return refused;
    }
    match (path, source) {
        ("/live", Some(source)) => verdict(&source.health(), |report| report.is_live),
        ("/ready", Some(source)) => verdict(&source.health(), |report| report.is_ready),
        ("/started", Some(source)) => verdict(&source.health(), |report| report.is_started),
        ("/metrics", _) => metrics(),
        (_, Some(_)) => text(
            StatusCode::NOT_FOUND,
            "here are /live, /ready, /started and /metrics\n",
        ),
        (_, None) => text(StatusCode::NOT_FOUND, "here is /metrics\n"),
    }
}

#[cfg(feature = "prometheus")]
fn metrics() -> Response<Full<Bytes>> {
    match crate::metrics::render() {
        Some(page) => response(StatusCode::OK, crate::metrics::CONTENT_TYPE, page),
        None => text(
            StatusCode::NOT_FOUND,
            "call milena::metrics::install_prometheus when the program starts\n",
        ),
    }
}

#[cfg(not(feature = "prometheus"))]
fn metrics() -> Response<Full<Bytes>> {
    text(
        StatusCode::NOT_FOUND,
        "this program was built without metrics: enable milena's feature `prometheus`\n",
    )
}

fn verdict(report: &HealthReport, is_well: fn(&HealthReport) -> bool) -> Response<Full<Bytes>> {
    let (status, word) = if is_well(report) {
        (StatusCode::OK, "up")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "down")
    };
    let problems: Vec<String> = report.problems.iter().map(ToString::to_string).collect();
    let body = serde_json::json!({
        "status": word,
        "live": report.is_live,
        "ready": report.is_ready,
        "started": report.is_started,
        "problems": problems,
    });
    response(status, "application/json", format!("{body}\n"))
}

fn text(status: StatusCode, body: &str) -> Response<Full<Bytes>> {
    response(status, "text/plain; charset=utf-8", body.to_owned())
}

fn response(status: StatusCode, content_type: &'static str, body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
