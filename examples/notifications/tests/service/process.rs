//! The program from the outside: what it answers over HTTP, and the signals it heeds.

use std::fs::File;
use std::net::SocketAddr;
use std::process::Command;

use milena_notifications::Store;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::ports;
use crate::setup::{Process, Stage, command, until, until_some};

/// A process and where its health is told.
struct Observed {
    process: Process,
    address: SocketAddr,
}

impl Observed {
    /// With little patience, and whatever else `change` says.
    fn start(stage: &Stage, database: &str, change: impl FnOnce(&mut Command)) -> Observed {
        let port = ports::hold().and_then(|held| held.local_addr());
        let address = port.expect("a port");
        let mut command = command(stage, database);
        command
            .env("MILENA_HEALTH_ADDRESS", address.to_string())
            .env("MILENA_HEALTH_GRACE_MS", "100")
            .env("MILENA_HEALTH_INTERVAL_MS", "50")
            .env("MILENA_HEARTBEAT_INTERVAL_MS", "200");
        change(&mut command);
        Observed {
            process: Process::start(&mut command),
            address,
        }
    }

    /// The status and the body; none while nobody listens.
    async fn get(&self, path: &str) -> Option<(u16, String)> {
        let mut connection = TcpStream::connect(self.address).await.ok()?;
        let request = format!("GET {path} HTTP/1.1\r\nhost: {}\r\n\r\n", self.address);
        connection.write_all(request.as_bytes()).await.ok()?;
        let mut answer = String::new();
        connection.read_to_string(&mut answer).await.ok()?;
        let status = answer.split(' ').nth(1)?.parse().ok()?;
        let (_, body) = answer.split_once("\r\n\r\n")?;
        Some((status, body.to_owned()))
    }

    /// Asks until the status is this one, and the body has this in it; the body.
    async fn until(&self, path: &str, status: u16, part: &str) -> String {
        until_some(&format!("{path} answers {status} {part}"), async || {
            let (found, body) = self.get(path).await?;
            (found == status && body.contains(part)).then_some(body)
        })
        .await
    }
}

/// SIGUSR1 switches the consumer off, SIGUSR2 on.
#[tokio::test(flavor = "multi_thread")]
async fn signals_pause_and_resume_the_consumer() {
    let folder = tempfile::tempdir().expect("a folder");
    let database = format!("sqlite://{}", folder.path().join("n.db").display());
    let stage = Stage::new().await;
    let service = Observed::start(&stage, &database, |_| ());
    service.until("/ready", 200, "").await;
    service.process.signal("USR1");
    service.until("/ready", 503, "paused").await;
    let (status, _) = service.get("/live").await.expect("an answer");
    assert_eq!(status, 200, "who pauses it wants no restart");
    stage.publish(2).await;
    service.process.signal("USR2");
    service.until("/ready", 200, "").await;
    let store = Store::connect(&database).await.expect("a database");
    until("it goes on", &store, |counts| counts.all == 2).await;
    store.close().await;
}

/// It answers how it does, and with its numbers; when its broker is gone it is not live any more.
#[tokio::test(flavor = "multi_thread")]
async fn a_consumer_that_hears_nothing_fails_the_health_of_its_process() {
    let folder = tempfile::tempdir().expect("a folder");
    let database = format!("sqlite://{}", folder.path().join("n.db").display());
    let mut stage = Stage::embedded().await;
    stage.publish(3).await;
    let service = Observed::start(&stage, &database, |command| {
        command.env("MILENA_SESSION_TIMEOUT_MS", "1000");
    });
    for path in ["/started", "/ready", "/live"] {
        service.until(path, 200, "").await;
    }
    let store = Store::connect(&database).await.expect("a database");
    until("all are sent", &store, |counts| counts.sent == 3).await;
    store.close().await;
    for line in [
        "milena_app_records_total{outcome=\"handled\"} 3",
        "milena_app_partitions 3",
        "# TYPE milena_app_job_runs_total counter",
    ] {
        service.until("/metrics", 200, line).await;
    }
    stage.stop_broker().await;
    service.until("/ready", 503, "").await;
    let problem = "no answer from the cluster";
    service.until("/live", 503, problem).await;
}

/// Another process takes its place for good: it cannot go on, and does not pretend to.
#[tokio::test(flavor = "multi_thread")]
async fn a_consumer_that_is_dead_for_good_ends_its_process() {
    let folder = tempfile::tempdir().expect("a folder");
    let database = format!("sqlite://{}", folder.path().join("n.db").display());
    let log = folder.path().join("log");
    let stage = Stage::new().await;
    let mut first = Observed::start(&stage, &database, |command| {
        command.stderr(File::create(&log).expect("a file"));
    });
    first.until("/ready", 200, "").await;
    let second = Observed::start(&stage, &database, |_| ());
    let status = first.process.ended().await;
    let said = std::fs::read_to_string(&log).expect("text");
    assert!(!status.success(), "{said}");
    assert!(said.contains("event=app_stopped"), "{said}");
    assert!(said.to_lowercase().contains("fenced"), "{said}");
    second.until("/ready", 200, "").await;
}
