//! Several members of one group as processes: the same program, started several times.
//!
//! Owns starting, watching and stopping them. The way to tell a process to stop is the end
//! of its standard input: it needs no signals, works everywhere, and also comes when the
//! parent dies, however that happens.

use std::io::Read as _;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use tokio::process::{Child, ChildStdin, Command};
use tokio::sync::oneshot;

use super::App;
use super::error::AppError;
use super::shutdown::shutdown_signal;

/// Tells a process which of the members it is.
const NUMBER_VARIABLE: &str = "MILENA_MEMBER_NUMBER";

/// Runs an application in several processes, as members of its group; without a bug of one
/// taking the others along, and on as many processors as there are.
///
/// [`Processes::run`] starts this very program again, with the same arguments, so that each
/// process comes to the same call and runs its member there:
///
/// ```no_run
/// use milena::{App, Config, Processes, handler};
///
/// async fn on_order() {}
///
/// #[tokio::main]
/// async fn main() -> Result<(), Box<dyn std::error::Error>> {
///     let config = Config::from_env()?;
///     let app = |_number| App::new(config.clone()).topic("orders", handler(on_order));
///     Processes::new(4).run(app).await?;
///     Ok(())
/// }
/// ```
///
/// On SIGINT or SIGTERM all members stop gracefully. When one ends, well or not, the others
/// are stopped; if the parent is killed, they stop too.
#[derive(Debug, Clone)]
#[must_use = "nothing is started until `run`"]
pub struct Processes {
    count: usize,
    stop_timeout: Duration,
    arguments: Option<Vec<String>>,
    variables: Vec<(String, String)>,
}

impl Processes {
    /// So many processes; 0 counts as 1.
    pub fn new(count: usize) -> Processes {
        Processes {
            count: count.max(1),
            stop_timeout: Duration::from_secs(60),
            arguments: None,
            variables: Vec::new(),
        }
    }

    /// How long members may take to stop before they are killed; 60 s by default. Longer
    /// than their `shutdown.timeout.ms`, which is 30 s.
    pub fn stop_timeout(mut self, timeout: Duration) -> Processes {
        self.stop_timeout = timeout;
        self
    }

    /// Starts the processes with these arguments instead of this one's own.
    pub fn arguments<I>(mut self, arguments: I) -> Processes
    where
        I: IntoIterator,
        I::Item: Into<String>,
    {
        self.arguments = Some(arguments.into_iter().map(Into::into).collect());
        self
    }

    /// Sets an environment variable of the processes.
    pub fn variable(mut self, name: impl Into<String>, value: impl Into<String>) -> Processes {
        self.variables.push((name.into(), value.into()));
        self
    }

    /// The number of this process among the members, from 0; `None` in the parent, which
    /// is no member.
    #[must_use]
    pub fn number() -> Option<usize> {
        std::env::var(NUMBER_VARIABLE).ok()?.parse().ok()
    }

    /// In the parent: starts the members and waits for them. In a member: runs the
    /// application that `factory` makes from its number.
    ///
    /// # Errors
    /// [`AppError::Process`] when a member could not be started or failed; in a member,
    /// what its application failed with.
    pub async fn run<S>(self, factory: impl FnOnce(usize) -> App<S>) -> Result<(), AppError>
    where
        S: Clone + Send + Sync + 'static,
    {
        self.run_until(shutdown_signal(), factory).await
    }

    /// As [`Processes::run`]; the parent waits for `shutdown` instead of signals.
    ///
    /// # Errors
    /// As [`Processes::run`].
    pub async fn run_until<S>(
        self,
        shutdown: impl Future<Output = ()>,
        factory: impl FnOnce(usize) -> App<S>,
    ) -> Result<(), AppError>
    where
        S: Clone + Send + Sync + 'static,
    {
        match Processes::number() {
            Some(number) => {
                let told_to_stop = async {
                    tokio::select! {
                        () = shutdown_signal() => {}
                        () = input_ended() => {}
                    }
                };
                factory(number).run_until(told_to_stop).await
            }
            None => self.watch(shutdown).await,
        }
    }

    async fn watch(self, shutdown: impl Future<Output = ()>) -> Result<(), AppError> {
        let mut inputs = Vec::new();
        let mut ending = FuturesUnordered::new();
        for number in 0..self.count {
            let (child, input) = self.start(number)?;
            inputs.push(input);
            ending.push(ended(number, child));
        }
        let mut first_failure = Ok(());
        let mut shutdown = std::pin::pin!(shutdown);
        tokio::select! {
            () = &mut shutdown => {}
            Some(result) = ending.next() => first_failure = result,
        }
        // Their inputs end here.
        drop(inputs);
        let rest = async {
            while let Some(result) = ending.next().await {
                if first_failure.is_ok() {
                    first_failure = result;
                }
            }
        };
        let is_late = tokio::time::timeout(self.stop_timeout, rest).await.is_err();
        if is_late {
            // Those that are left are killed when `ending` is dropped.
            let problem = format!(
                "did not stop within {:?}, and was killed",
                self.stop_timeout
            );
            tracing::warn!(event = "processes_killed", problem);
            first_failure = first_failure.and(Err(AppError::Process {
                number: None,
                problem,
            }));
        }
        first_failure
    }

    fn start(&self, number: usize) -> Result<(Child, Option<ChildStdin>), AppError> {
        let failed = |error: std::io::Error| AppError::Process {
            number: Some(number),
            problem: format!("could not be started: {error}"),
        };
        let program = std::env::current_exe().map_err(failed)?;
        let mut command = Command::new(program);
        match &self.arguments {
            Some(arguments) => command.args(arguments),
            None => command.args(std::env::args_os().skip(1)),
        };
        let mut child = command
            .envs(self.variables.iter().map(|(name, value)| (name, value)))
            .env(NUMBER_VARIABLE, number.to_string())
            .stdin(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(failed)?;
        tracing::info!(event = "process_started", number, pid = child.id());
        let input = child.stdin.take();
        Ok((child, input))
    }
}

async fn ended(number: usize, mut child: Child) -> Result<(), AppError> {
    let ended = child.wait().await;
    let status = ended.map(|status: ExitStatus| (status.success(), status.to_string()));
    let (is_success, problem) = status.unwrap_or_else(|error| (false, error.to_string()));
    tracing::info!(event = "process_ended", number, status = %problem);
    if is_success {
        return Ok(());
    }
    Err(AppError::Process {
        number: Some(number),
        problem,
    })
}

/// Waits until the standard input ends. A thread reads it: one that a runtime waits for
/// would keep the process from ending.
async fn input_ended() {
    let (ended, wait) = oneshot::channel::<()>();
    let reader = std::thread::Builder::new().name("stop-signal".to_owned());
    let spawned = reader.spawn(move || {
        let mut input = std::io::stdin().lock();
        let mut ignored = [0; 64];
        while input.read(&mut ignored).is_ok_and(|bytes| bytes > 0) {}
        drop(ended);
    });
    if let Err(error) = spawned {
        tracing::error!(event = "stop_signal_unavailable", %error);
        std::future::pending::<()>().await;
    }
    let _ = wait.await;
}
