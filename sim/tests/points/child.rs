//! The application that ends in the middle, in a process of its own.

use crate::crash::{self, Crash};
use anyhow::{Context, Result, ensure};
use milena::{
    App, Batch, Config, HandlerError, Json, Message, Meta, Outbox, Outgoing, Retry, State,
    batch_handler, handler,
};
use std::io::Write as _;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll};
use std::time::Duration;
use tokio::process::{Child, Command};
use tracing_subscriber::layer::SubscriberExt as _;

pub(crate) const NUMBERS: u32 = 60;
pub(crate) const PARTITIONS: i32 = 3;
/// The name of the test that is the application when the variables are set.
const TEST: &str = "child::the_application";
const KIND: &str = "MILENA_POINTS_KIND";
const BOOTSTRAP: &str = "MILENA_POINTS_BOOTSTRAP";
const PREFIX: &str = "MILENA_POINTS_PREFIX";
const INSTANCE: &str = "MILENA_POINTS_INSTANCE";
const WITNESS: &str = "MILENA_POINTS_WITNESS";
const RETRY: Retry = Retry::fixed(Duration::from_millis(20)).attempts(3);

/// How records are handled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// One by one, retries through the topic.
    Single,
    /// In batches, retries in place.
    Batch,
    /// One by one, with output that counts once.
    Exact,
}

/// Whether no handler takes this number.
pub(crate) fn is_refused(number: u32) -> bool {
    number % 10 == 5
}

pub(crate) fn group(prefix: &str) -> String {
    format!("{prefix}group")
}

pub(crate) fn config(bootstrap: &str, prefix: &str, instance: &str) -> Result<Config> {
    Ok(Config::builder()
        .bootstrap_servers(bootstrap)
        .topic_prefix(prefix)
        .group_id(group(prefix))
        // A member that starts again is known at once; otherwise the group waits for the dead one.
        .set("group.instance.id", instance)
        .set("session.timeout.ms", "6000")
        .set("heartbeat.interval.ms", "300")
        // All give up all their partitions. With a cooperative assignor, those that a static leader
        // had given up when it died would wait for the next rebalance, whenever that is: the
        // coordinator gives the leader that starts again its former partitions, and asks nobody.
        .set("partition.assignment.strategy", "range")
        .commit_interval(Duration::from_millis(20))
        .build()?)
}

/// The process.
pub(crate) struct Application {
    process: Child,
}

impl Application {
    /// Starts it; with `crash`, it aborts when it reaches that point so many times.
    pub(crate) fn start(
        kind: Kind,
        bootstrap: &str,
        prefix: &str,
        instance: &str,
        witness: &Path,
        crash: Option<(&str, u32)>,
    ) -> Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command
            .args([TEST, "--exact", "--nocapture", "--test-threads=1"])
            .env(KIND, format!("{kind:?}"))
            .env(BOOTSTRAP, bootstrap)
            .env(PREFIX, prefix)
            .env(INSTANCE, instance)
            .env(WITNESS, witness);
        if let Some((point, count)) = crash {
            command
                .env(crash::POINT, point)
                .env(crash::COUNT, count.to_string());
        }
        let process = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .context("cannot start the application")?;
        Ok(Self { process })
    }

    /// Waits until it has aborted.
    pub(crate) async fn until_aborted(&mut self, wait: Duration) -> Result<()> {
        let ended = tokio::time::timeout(wait, self.process.wait()).await;
        let status = ended.context("the application goes on")??;
        ensure!(!status.success(), "the application ended by itself");
        #[cfg(unix)]
        {
            use std::os::unix::process::ExitStatusExt as _;
            ensure!(
                status.signal().is_some(),
                "the application ended with {status}"
            );
        }
        Ok(())
    }

    pub(crate) async fn kill(&mut self) -> Result<()> {
        Ok(self.process.kill().await?)
    }
}

/// What handlers share.
#[derive(Clone)]
struct Shared {
    crash: Crash,
    witness: Arc<str>,
}

impl Shared {
    /// The number is refused, fails the first time, or is handled, for all to see.
    fn handle(&self, number: u32, attempt: u32) -> Result<(), HandlerError> {
        if is_refused(number) {
            return Err(HandlerError::non_retriable("no"));
        }
        if number % 10 == 3 && attempt == 1 {
            return Err(HandlerError::retriable("not yet"));
        }
        let file = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(&*self.witness);
        file?.write_all(format!("{number}\n").as_bytes())?;
        if attempt > 1 {
            self.crash.reached("retried");
        }
        Ok(())
    }
}

async fn on_order(
    Json(number): Json<u32>,
    meta: Meta,
    State(shared): State<Shared>,
) -> Result<(), HandlerError> {
    shared.crash.reached("received");
    shared.handle(number, meta.attempt)
}

async fn on_orders(
    Batch(orders): Batch<(Json<u32>, Meta)>,
    State(shared): State<Shared>,
) -> Vec<Result<(), HandlerError>> {
    let results = orders
        .into_iter()
        .map(|(Json(number), meta)| shared.handle(number, meta.attempt));
    results.collect()
}

async fn with_output(
    Json(number): Json<u32>,
    meta: Meta,
    outbox: Outbox,
    State(shared): State<Shared>,
) -> Result<(), HandlerError> {
    outbox.publish(Outgoing::to("outputs").json(&number)?);
    shared.handle(number, meta.attempt)
}

/// Says when the handler inside has handled a record.
#[derive(Clone)]
struct Said<Inner> {
    inner: Inner,
    crash: Crash,
}

/// Wraps handlers into [`Said`].
struct Saying(Crash);

impl<Inner> tower::Layer<Inner> for Saying {
    type Service = Said<Inner>;

    fn layer(&self, inner: Inner) -> Said<Inner> {
        Said {
            inner,
            crash: self.0.clone(),
        }
    }
}

impl<Inner> tower::Service<Message> for Said<Inner>
where
    Inner: tower::Service<Message, Response = ()>,
    Inner::Future: Send + 'static,
{
    type Response = ();
    type Error = Inner::Error;
    type Future = std::pin::Pin<Box<dyn Future<Output = Result<(), Inner::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut TaskContext<'_>) -> Poll<Result<(), Inner::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, message: Message) -> Self::Future {
        let (handling, crash) = (self.inner.call(message), self.crash.clone());
        Box::pin(async move {
            let handled = handling.await;
            if handled.is_ok() {
                crash.reached("handled");
            }
            handled
        })
    }
}

/// The application itself; as a test of its own it does nothing.
#[tokio::test(flavor = "multi_thread")]
async fn the_application() -> Result<()> {
    let Ok(kind) = std::env::var(KIND) else {
        return Ok(());
    };
    let crash = Crash::from_variables();
    let registry = tracing_subscriber::registry().with(crash.clone());
    tracing::subscriber::set_global_default(registry)?;
    let variable = |name: &str| std::env::var(name).with_context(|| name.to_owned());
    let config = config(
        &variable(BOOTSTRAP)?,
        &variable(PREFIX)?,
        &variable(INSTANCE)?,
    )?;
    let app = App::new(config).state(Shared {
        crash: crash.clone(),
        witness: variable(WITNESS)?.into(),
    });
    let saying = Saying(crash);
    let app = match kind.as_str() {
        "Batch" => {
            let handler = batch_handler(on_orders)
                .records_max(6)
                .wait_max(Duration::from_millis(50));
            app.topic("orders", handler.retry(RETRY))
        }
        "Exact" => app.topic(
            "orders",
            handler(with_output)
                .retry(RETRY)
                .exactly_once()
                .layer(saying),
        ),
        _ => app.topic(
            "orders",
            handler(on_order)
                .retry(RETRY)
                .retry_through_topic()
                .layer(saying),
        ),
    };
    Ok(app.run().await?)
}
