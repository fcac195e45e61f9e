//! What the tests share: a broker, messages on it, and waiting.

use std::future::Future;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use milena::testing::Broker;
use milena::{Config, ConfigBuilder, Outgoing, Publisher};
use milena_notifications::{Counts, Settings, Store, Timetable};

/// Nothing here takes longer unless it is broken.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);
/// How often a database is looked at: it tells nobody when something changes.
const LOOK_INTERVAL: Duration = Duration::from_millis(10);

pub(crate) async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(DEADLINE, future).await {
        Ok(output) => output,
        Err(_) => panic!("{what}: nothing for {DEADLINE:?}"),
    }
}

/// Asks until there is an answer.
pub(crate) async fn until_some<T>(what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    within(what, async {
        loop {
            match ask().await {
                Some(answer) => return answer,
                None => tokio::time::sleep(LOOK_INTERVAL).await,
            }
        }
    })
    .await
}

/// A broker, or a part of the cluster under test that nobody else uses.
pub(crate) struct Stage {
    embedded: Option<Broker>,
    pub(crate) bootstrap: String,
    pub(crate) prefix: String,
    pub(crate) publisher: Publisher,
}

impl Stage {
    pub(crate) async fn new() -> Stage {
        match std::env::var("MILENA_TEST_BROKERS") {
            Ok(brokers) => Stage::on(None, brokers),
            Err(_) => Stage::embedded().await,
        }
    }

    /// A broker of the test's own, which can be stopped.
    pub(crate) async fn embedded() -> Stage {
        let properties = [
            ("num.partitions", "3"),
            ("group.initial.rebalance.delay.ms", "0"),
            ("group.min.session.timeout.ms", "500"),
        ];
        let mut builder = Broker::builder();
        for (name, value) in properties {
            builder = builder.property(name, value).expect("a known property");
        }
        let broker = builder.start().await.expect("a broker");
        let bootstrap = broker.bootstrap();
        Stage::on(Some(broker), bootstrap)
    }

    fn on(embedded: Option<Broker>, bootstrap: String) -> Stage {
        let folder = tempfile::tempdir().expect("a folder");
        let unique = folder.path().file_name().expect("a name");
        let prefix = format!("t{}.", unique.to_string_lossy().trim_start_matches('.'));
        let config = builder(&bootstrap, &prefix).build().expect("a config");
        let publisher = Publisher::new(&config).expect("a publisher");
        Stage {
            embedded,
            bootstrap,
            prefix,
            publisher,
        }
    }

    /// Ends the broker of the test's own.
    pub(crate) async fn stop_broker(&mut self) {
        let broker = self.embedded.take().expect("a broker of its own");
        within("the broker stops", broker.stop()).await;
    }

    pub(crate) fn config(&self) -> Config {
        builder(&self.bootstrap, &self.prefix)
            .build()
            .expect("a config")
    }

    /// Publishes `count` notifications, every second one with an id.
    pub(crate) async fn publish(&self, count: usize) {
        for number in 0..count {
            let json = format!(r#"{{"user_id":"u{number}","event":"e","content":"c"}}"#);
            let mut message = Outgoing::to("notifications")
                .key(format!("u{number}"))
                .value(json);
            if number % 2 == 0 {
                message = message.id(format!("id-{number}"));
            }
            drop(self.publisher.enqueue(&message).await.expect("taken"));
        }
        self.publisher.flush(DEADLINE).await.expect("flushed");
    }
}

/// The service as a process of its own; dropping it is kill -9.
pub(crate) struct Process(Child);

impl Process {
    pub(crate) fn start(command: &mut Command) -> Process {
        Process(command.spawn().expect("the service starts"))
    }

    /// Sends it a signal, by its name.
    pub(crate) fn signal(&self, name: &str) {
        let mut kill = Command::new("kill");
        let told = kill.args(["-s", name, &self.0.id().to_string()]).status();
        assert!(told.expect("kill runs").success(), "SIG{name}");
    }

    /// Waits until it has ended.
    pub(crate) async fn ended(&mut self) -> ExitStatus {
        until_some("it ends", async || self.0.try_wait().expect("a status")).await
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The service on this stage, with nothing to say.
pub(crate) fn command(stage: &Stage, database: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_notifications"));
    around(&mut command, stage).args(["--every", "0.05", "--database", database]);
    command
}

/// The environment of a service on this stage.
pub(crate) fn around<'a>(command: &'a mut Command, stage: &Stage) -> &'a mut Command {
    command
        .env("MILENA_BOOTSTRAP_SERVERS", &stage.bootstrap)
        .env("MILENA_TOPIC_PREFIX", &stage.prefix)
        .env("MILENA_GROUP_ID", format!("{}process", stage.prefix))
        // The same member comes back, and need not wait until the dead one is missed.
        .env("MILENA_GROUP_INSTANCE_ID", "one")
        .env("MILENA_COMMIT_INTERVAL_MS", "20")
        .env("MILENA_LOG", "warn")
        // Only what a test names is trusted.
        .env_remove("SSL_CERT_DIR")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
}

fn builder(bootstrap: &str, prefix: &str) -> ConfigBuilder {
    Config::builder()
        .bootstrap_servers(bootstrap)
        .topic_prefix(prefix)
        .group_id(format!("{prefix}group"))
        .commit_interval(Duration::from_millis(50))
}

pub(crate) fn settings(database: &str) -> Settings {
    Settings {
        database: database.into(),
        topic: "notifications".to_owned(),
        webhook: None,
        every: Timetable::Every(Duration::from_millis(50)),
        report: Timetable::Never,
        forget: Timetable::Never,
        keep: Duration::from_secs(86_400),
        time_zone: None,
    }
}

/// Looks at the database until it is as wanted.
pub(crate) async fn until(what: &str, store: &Store, is_there: impl Fn(Counts) -> bool) -> Counts {
    until_some(what, async || {
        let counts = store.counts().await.expect("counts");
        is_there(counts).then_some(counts)
    })
    .await
}
