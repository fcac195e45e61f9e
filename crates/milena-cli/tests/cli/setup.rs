//! Runs the binary against a broker of the test's own.

use std::io::Write as _;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use milena_broker::Broker;
use tokio::runtime::Runtime;

/// Names the cluster for tests that need no broker of their own; unset, they have one all the same.
const BROKERS_VARIABLE: &str = "MILENA_TEST_BROKERS";

/// Nothing here takes longer unless it is broken.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);

/// A broker that lives as long as the test, or a cluster.
pub(crate) struct Stage {
    /// Stopped when the test ends.
    embedded: Option<(Runtime, Broker)>,
    pub(crate) bootstrap: String,
    /// Before every name on a cluster, which others use too.
    prefix: String,
}

impl Stage {
    /// A broker of the test's own.
    pub(crate) fn new() -> Stage {
        let runtime = Runtime::new().expect("a runtime");
        let broker = runtime.block_on(async {
            Broker::builder()
                .property("num.partitions", "2")
                .and_then(|builder| builder.property("group.initial.rebalance.delay.ms", "0"))
                .expect("known properties")
                .start()
                .await
                .expect("a broker")
        });
        Stage {
            bootstrap: broker.bootstrap(),
            embedded: Some((runtime, broker)),
            prefix: String::new(),
        }
    }

    /// The cluster that `MILENA_TEST_BROKERS` names, or a broker of the test's own. Every topic and
    /// group goes by its [`name`](Stage::name).
    pub(crate) fn anywhere() -> Stage {
        let Ok(bootstrap) = std::env::var(BROKERS_VARIABLE) else {
            return Stage::new();
        };
        let folder = tempfile::tempdir().expect("a folder");
        let unique = folder.path().file_name().expect("a name");
        let unique = unique.to_string_lossy();
        Stage {
            embedded: None,
            bootstrap,
            prefix: format!("t{}.", unique.trim_start_matches('.')),
        }
    }

    /// A topic or group that nobody else uses.
    pub(crate) fn name(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    /// The lines of a list that are this test's, with a single space between words: how wide columns
    /// are depends on the names of others.
    pub(crate) fn own_lines(&self, list: &str) -> Vec<String> {
        let lines = list.lines().skip(1);
        lines
            .filter(|line| line.starts_with(&self.prefix))
            .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
            .collect()
    }

    /// Runs `milena` with these arguments on this broker.
    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        self.run_with_input(arguments, b"")
    }

    pub(crate) fn run_with_input(&self, arguments: &[&str], input: &[u8]) -> Ran {
        let mut command = milena();
        command
            .env("MILENA_BOOTSTRAP_SERVERS", &self.bootstrap)
            .args(arguments);
        ran(&mut command, input)
    }

    /// Runs it and expects it to succeed; its output.
    pub(crate) fn output(&self, arguments: &[&str]) -> String {
        self.run(arguments).success()
    }

    /// Runs it again and again until this is so: a broker hears of changes a moment after they were
    /// made.
    pub(crate) fn until(&self, arguments: &[&str], is_so: impl Fn(&Ran) -> bool) -> Ran {
        let deadline = Instant::now() + DEADLINE;
        loop {
            let ran = self.run(arguments);
            if is_so(&ran) {
                return ran;
            }
            assert!(Instant::now() < deadline, "{arguments:?}: {ran:?}");
        }
    }

    /// Creates these topics, and waits until they are listed.
    pub(crate) fn create(&self, topics: &[&str], partitions: &str) {
        let mut create = vec!["topic", "create", "--partitions", partitions];
        create.extend(topics);
        self.output(&create);
        self.until(&["topic", "list"], |list| {
            topics.iter().all(|topic| list.stdout.contains(topic))
        });
    }

    pub(crate) fn produce(&self, arguments: &[&str], input: &[u8]) {
        let mut all = vec!["produce"];
        all.extend(arguments);
        assert_eq!(self.run_with_input(&all, input).success(), "");
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        if let Some((runtime, broker)) = self.embedded.take() {
            runtime.block_on(broker.stop());
        }
    }
}

/// How a run ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ran {
    pub(crate) fn success(self) -> String {
        assert_eq!(
            (self.code, self.stderr.as_str()),
            (Some(0), ""),
            "{}",
            self.stdout
        );
        self.stdout
    }
}

pub(crate) fn milena() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_milena"));
    command
        .env_remove("MILENA_LOG")
        .env_remove("MILENA_BOOTSTRAP_SERVERS");
    command
}

pub(crate) fn ran(command: &mut Command, input: &[u8]) -> Ran {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary runs");
    // Some commands never read it.
    let _ = child.stdin.take().expect("a pipe").write_all(input);
    let Output {
        status,
        stdout,
        stderr,
    } = child.wait_with_output().expect("it ends");
    Ran {
        code: status.code(),
        stdout: String::from_utf8_lossy(&stdout).into_owned(),
        stderr: String::from_utf8_lossy(&stderr).into_owned(),
    }
}
