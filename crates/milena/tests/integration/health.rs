//! The health endpoints tell what happens: as it breaks, and as it mends.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use milena::testing::{ApiKey, Broker, ErrorCode, Fault, Storage};
use milena::{App, AppHandle, AppState, Config, State, handler, job};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;

use crate::reserved::Reserved;
use crate::setup::{Bench, numbers, until_some, within};

/// What an endpoint answers: the status and the body.
async fn ask(app: &AppHandle, path: &str) -> (u16, String) {
    get(app.health_address().expect("a server"), path).await
}

/// What a server answers: the status and the body.
pub(crate) async fn get(address: SocketAddr, path: &str) -> (u16, String) {
    let mut connection = TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nhost: {address}\r\n\r\n");
    connection.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).await.unwrap();
    let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
    let (_, body) = answer.split_once("\r\n\r\n").unwrap();
    (status, body.to_owned())
}

/// Waits until `/live`, `/ready` and `/started` answer with these.
async fn until(app: &AppHandle, what: &str, expected: [u16; 3]) -> String {
    until_some(what, async || {
        let mut statuses = [0; 3];
        let mut body = String::new();
        for (status, path) in statuses.iter_mut().zip(["/live", "/ready", "/started"]) {
            (*status, body) = ask(app, path).await;
        }
        (statuses == expected).then_some(body)
    })
    .await
}

/// Looks often, and loses its patience soon.
fn impatient(bench: &Bench) -> Config {
    bench
        .builder()
        .set("health.address", "127.0.0.1:0")
        .set("health.interval.ms", "20")
        .set("health.stuck.timeout.ms", "300")
        .set("health.grace.ms", "100")
        .build()
        .unwrap()
}

const WELL: [u16; 3] = [200, 200, 200];
const NOT_LIVE: [u16; 3] = [503, 503, 200];
const NOT_READY: [u16; 3] = [200, 503, 200];

#[tokio::test(flavor = "multi_thread")]
async fn a_stuck_handler_is_not_live_until_it_goes_on() {
    let bench = Bench::new().await;
    bench.create("orders", 1).await;
    let gate = Arc::new(Semaphore::new(0));
    let on_order = |State(gate): State<Arc<Semaphore>>| async move {
        gate.acquire().await.expect("open").forget();
    };
    let app = App::new(impatient(&bench))
        .state(gate.clone())
        .topic("orders", handler(on_order));
    let running = app.start().await.unwrap();
    let handle = running.handle();
    until(&handle, "it is well", WELL).await;
    bench.publish("orders", 0, numbers(1)).await;
    let body = until(&handle, "it is stuck", NOT_LIVE).await;
    let problem = "orders-0 is stuck at offset 0 for 0 s";
    assert!(body.contains(problem), "{body}");
    gate.add_permits(1);
    until(&handle, "it goes on", WELL).await;
    running.shutdown().await.unwrap();
    assert_eq!(ask(&handle, "/live").await.0, 503, "it has ended");
}

/// The group goes on without the member, and takes it back only later.
#[tokio::test(flavor = "multi_thread")]
async fn a_member_thrown_out_is_not_live_until_it_is_back() {
    let bench = Bench::new().await;
    bench.create("orders", 1).await;
    let app = App::new(impatient(&bench)).topic("orders", handler(|| async {}));
    let running = app.start().await.unwrap();
    let handle = running.handle();
    until(&handle, "it is well", WELL).await;
    let Some(faults) = bench.faults() else {
        return;
    };
    let refused = Fault::Fail(ErrorCode::CoordinatorLoadInProgress);
    faults.always(ApiKey::JoinGroup, refused);
    faults.next(ApiKey::Heartbeat, Fault::Fail(ErrorCode::IllegalGeneration));
    let body = until(&handle, "it is out", NOT_LIVE).await;
    assert!(body.contains("not a member of the group for"), "{body}");
    faults.clear();
    until(&handle, "it is back", WELL).await;
    running.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pause_is_live_and_not_ready() {
    let bench = Bench::new().await;
    bench.create("orders", 1).await;
    let app = App::new(impatient(&bench)).topic("orders", handler(|| async {}));
    let running = app.start().await.unwrap();
    let handle = running.handle();
    until(&handle, "it is well", WELL).await;
    handle.pause();
    let body = until(&handle, "it is paused", NOT_READY).await;
    assert!(body.contains("the application is paused"), "{body}");
    handle.resume();
    until(&handle, "it goes on", WELL).await;
    assert_eq!(handle.state(), AppState::Running);
    running.shutdown().await.unwrap();
}

/// Before the cluster answers the process is live, and has not started.
#[tokio::test(flavor = "multi_thread")]
async fn endpoints_answer_from_the_beginning() {
    let reserved = Reserved::new();
    let address = reserved.address();
    let config = Config::builder()
        .bootstrap_servers("127.0.0.1:1")
        .group_id("group")
        .set("start.attempts", "1000")
        .set("start.backoff.max.ms", "50")
        .set("health.address", &address.to_string())
        .build()
        .unwrap();
    let starting = tokio::spawn(App::new(config).topic("a", handler(|| async {})).start());
    let answer = until_some("an answer", async || {
        let mut connection = TcpStream::connect(address).await.ok()?;
        let request = b"GET /started HTTP/1.1\r\nhost: a\r\n\r\n";
        connection.write_all(request).await.unwrap();
        let mut answer = String::new();
        connection.read_to_string(&mut answer).await.unwrap();
        Some(answer)
    })
    .await;
    assert!(answer.starts_with("HTTP/1.1 503"), "{answer}");
    assert!(answer.contains("\"live\":true"), "{answer}");
    assert!(answer.contains("the application connects"), "{answer}");
    starting.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_application_of_jobs_has_endpoints_too() {
    async fn rest() {}
    let config = Config::builder()
        .set("health.address", "127.0.0.1:0")
        .build()
        .unwrap();
    let app = App::new(config).every(Duration::from_secs(60), job(rest));
    let running = app.start().await.unwrap();
    let handle = running.handle();
    until(&handle, "it is well", WELL).await;
    let (status, body) = ask(&handle, "/health").await;
    assert_eq!(status, 404, "{body}");
    running.shutdown().await.unwrap();
}

/// The broker dies: first not ready, then not live; it comes back, and so does the member.
#[tokio::test(flavor = "multi_thread")]
async fn a_dead_broker_is_not_live_until_it_is_back() {
    let directory = tempfile::tempdir().unwrap();
    let reserved = Reserved::new();
    let start = async || {
        let broker = Broker::builder()
            .listen(reserved.address().to_string())
            .storage(Storage::Directory(directory.path().to_owned()))
            .property("group.min.session.timeout.ms", "100")
            .unwrap()
            .property("auto.create.topics.enable", "true")
            .unwrap();
        within("a broker", broker.start()).await.unwrap()
    };
    let broker = start().await;
    let config = Config::builder()
        .bootstrap_servers(broker.bootstrap())
        .group_id("group")
        .set("session.timeout.ms", "1000")
        .set("heartbeat.interval.ms", "100")
        .set("health.address", "127.0.0.1:0")
        .set("health.grace.ms", "200")
        .build()
        .unwrap();
    let app = App::new(config).topic("orders", handler(|| async {}));
    let running = app.start().await.unwrap();
    let handle = running.handle();
    until(&handle, "it is well", WELL).await;
    broker.stop().await;
    until(&handle, "nothing is heard for long", NOT_LIVE).await;
    let broker = start().await;
    until(&handle, "it is back", WELL).await;
    running.shutdown().await.unwrap();
    broker.stop().await;
}

/// The application's counts are on the page that Prometheus reads. Called by the one test that
/// installs the exporter, of which a process has one.
pub(crate) async fn metrics_are_rendered() {
    let bench = Bench::new().await;
    bench.create("orders", 1).await;
    let app = App::new(impatient(&bench)).topic("orders", handler(|| async {}));
    let running = app.start().await.unwrap();
    bench.publish("orders", 0, numbers(5)).await;
    bench.until_committed("orders", 1, 5).await;
    let (status, page) = ask(&running.handle(), "/metrics").await;
    assert_eq!(status, 200);
    for line in [
        "milena_app_records_total{outcome=\"handled\"} ",
        "milena_app_commits_total{outcome=\"committed\"} ",
        "milena_app_partitions ",
        "milena_app_lag_records ",
        "milena_app_job_runs_total ",
    ] {
        assert!(page.contains(line), "{line} in {page}");
    }
    running.shutdown().await.unwrap();
}
