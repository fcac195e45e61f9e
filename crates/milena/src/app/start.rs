//! From what was registered to an application that runs.

use std::sync::Arc;
use std::time::Duration;

use milena_client::Client;
use milena_client::consumer::{Consumer, ConsumerConfig};
use tokio::sync::{mpsc, watch};

use super::check::check;
use super::contexts::Contexts;
use super::dispatcher::{Dispatcher, Outside, Pace};
#[cfg(feature = "http")]
use super::endpoint::Endpoint;
use super::error::AppError;
use super::exactly_once;
use super::health_watch::watch;
use super::lifecycle::{Hooks, Lifecycle};
use super::limits::{QUEUED_COMMANDS_MAX, QUEUED_FAILURES_MAX};
use super::progress::Progress;
use super::rebalance::{Command, Rebalance};
use super::route::fail;
use super::running::{Controlled, RunningApp, Shown, control};
use super::{Parts, TopicEntry};
use crate::config::{Config, ConfigError};
use crate::connect::connect;
#[cfg(feature = "http")]
use crate::health::HealthServer;
use crate::health::{HealthBoard, Patience};
use crate::publisher::Publisher;
use crate::schedule::{Clock, JobFailed, OnFatal, Scheduler};

/// An application at work.
struct Running {
    work: Work,
    scheduler: Scheduler,
    shutdown_timeout: Duration,
    hooks: Hooks,
}

/// What there is beside jobs.
enum Work {
    Consuming(Box<Consuming>),
    /// No topics; jobs may fail the application.
    JobsOnly(mpsc::Receiver<AppError>),
}

/// What consuming needs from the rest of the application.
struct Ends {
    failures_in: mpsc::Sender<AppError>,
    failures: mpsc::Receiver<AppError>,
    paused: watch::Receiver<bool>,
    health: HealthBoard,
    hooks: Hooks,
}

/// Connected, and not subscribed yet.
struct Member {
    client: Client,
    publisher: Publisher,
    consumer: Arc<Consumer>,
    commands: mpsc::Receiver<Command>,
    group: String,
}

/// A member of its group, or about to become one.
struct Consuming {
    client: Client,
    publisher: Publisher,
    dispatcher: Dispatcher,
    topics: String,
    group: String,
}

/// Checks everything, connects and subscribes, and has consuming and jobs begin.
pub(super) async fn start(config: Config, parts: Parts) -> Result<RunningApp, AppError> {
    let group = check(&config, &parts)?;
    let hooks = parts.hooks.clone();
    hooks.tell(Lifecycle::creating);
    #[cfg(feature = "http")]
    let endpoint = listen(&config).await?;
    let (failures_in, failures) = mpsc::channel(QUEUED_FAILURES_MAX);
    let member = match group {
        None => None,
        Some(group) => Some(Member::make(&config, group, &parts, &hooks).await?),
    };
    let health = HealthBoard::new(patience(&config));
    let (handle, controlled) = control(Shown {
        consumer: member.as_ref().map(|member| member.consumer.clone()),
        session_timeout: config.session_timeout,
        progress: parts.progress.clone(),
        jobs: parts.jobs,
        health: health.clone(),
    });
    let work = match member {
        None => Work::JobsOnly(failures),
        Some(member) => {
            let ends = Ends {
                failures_in: failures_in.clone(),
                failures,
                paused: controlled.paused.clone(),
                health,
                hooks: hooks.clone(),
            };
            let consuming = member.subscribe(&config, parts.topics, parts.progress, ends);
            Work::Consuming(Box::new(consuming.await?))
        }
    };
    let on_fatal: OnFatal = Arc::new(move |JobFailed { job, error }| {
        fail(&failures_in, AppError::Job { job, error });
    });
    let running = Running {
        work,
        scheduler: Scheduler::start(parts.scheduled, Clock::begin(), &on_fatal),
        shutdown_timeout: config.shutdown_timeout,
        hooks: hooks.clone(),
    };
    #[cfg(feature = "http")]
    if let Some((endpoint, server)) = endpoint {
        endpoint.set_app(handle.downgrade());
        handle.keep(server);
    }
    tokio::spawn(watch(handle.downgrade(), config.health_interval));
    let task = tokio::spawn(async move {
        let result = running.run(&controlled).await;
        hooks.tell(|hook| hook.stopped(result.as_ref().copied()));
        controlled.set_ended(&result);
        result
    });
    Ok(RunningApp::new(handle, task))
}

/// The health endpoints, where they are asked for; they answer before anything is connected.
#[cfg(feature = "http")]
async fn listen(config: &Config) -> Result<Option<(Arc<Endpoint>, HealthServer)>, AppError> {
    let Some(address) = config.health_address else {
        return Ok(None);
    };
    let endpoint = Arc::new(Endpoint::default());
    match HealthServer::start(address, Some(endpoint.clone())).await {
        Ok(server) => Ok(Some((endpoint, server))),
        Err(source) => Err(AppError::HealthAddress { address, source }),
    }
}

impl Running {
    async fn run(self, controlled: &Controlled) -> Result<(), AppError> {
        let Running {
            work,
            scheduler,
            shutdown_timeout,
            hooks,
        } = self;
        let served = match work {
            Work::Consuming(consuming) => {
                let stopping = || {
                    controlled.set_stopping();
                    hooks.tell(Lifecycle::stopping);
                };
                consuming
                    .run(controlled.stopped(), stopping, scheduler, shutdown_timeout)
                    .await
            }
            Work::JobsOnly(mut failures) => {
                tracing::info!(event = "app_started", jobs = scheduler.jobs());
                let served = tokio::select! {
                    biased;
                    () = controlled.stopped() => Ok(()),
                    Some(failure) = failures.recv() => Err(failure),
                };
                controlled.set_stopping();
                hooks.tell(Lifecycle::stopping);
                scheduler.wind_down(shutdown_timeout).await;
                served
            }
        };
        match &served {
            Ok(()) => tracing::info!(event = "app_stopped"),
            Err(error) => tracing::error!(event = "app_stopped", %error),
        }
        served
    }
}

impl Member {
    async fn make(
        config: &Config,
        group: String,
        parts: &Parts,
        hooks: &Hooks,
    ) -> Result<Member, AppError> {
        let client = Client::new(config.client_config()?)?;
        let publisher = Publisher::with_client(&client, config)
            .map_err(|error| AppError::Publisher(Box::new(error)))?;
        let (commands_in, commands) = mpsc::channel(QUEUED_COMMANDS_MAX);
        let listener = Rebalance {
            commands: commands_in,
            revocation_timeout: config.revocation_timeout,
            hooks: hooks.clone(),
            progress: parts.progress.clone(),
            prefix: config.topic_prefix.clone(),
        };
        let mut settings =
            consumer_config(config, &group, listener)?.enable_partition_end(!hooks.is_empty());
        if let Some(isolation) = exactly_once::isolation(&parts.topics) {
            settings = settings.isolation_level(isolation);
        }
        let consumer = Arc::new(Consumer::new(&client, settings)?);
        connect(&client, config).await?;
        hooks.tell(Lifecycle::created);
        Ok(Member {
            client,
            publisher,
            consumer,
            commands,
            group,
        })
    }

    async fn subscribe(
        self,
        config: &Config,
        topics: Vec<TopicEntry>,
        progress: Progress,
        ends: Ends,
    ) -> Result<Consuming, AppError> {
        let Member {
            client,
            publisher,
            consumer,
            commands,
            group,
        } = self;
        let contexts = Contexts {
            config: config.clone(),
            client: client.clone(),
            publisher: publisher.clone(),
            group: group.clone(),
            progress: progress.clone(),
            hooks: ends.hooks.clone(),
            failures: ends.failures_in,
            producer_config: config.producer_config()?,
            consumer: consumer.clone(),
        };
        let own_names: Vec<String> = topics.iter().map(|entry| entry.topic.clone()).collect();
        let routes = contexts.routes(topics).await;
        let names: Vec<String> = routes.keys().map(ToString::to_string).collect();
        consumer.subscribe(names.iter().cloned()).await?;
        ends.hooks.tell(|hook| hook.subscribed(&own_names));
        let pace = Pace {
            partition_buffer_bytes: u32::try_from(config.partition_buffer_bytes)
                .unwrap_or(u32::MAX),
            commit_interval: config.commit_interval,
            shutdown_timeout: config.shutdown_timeout,
            health_interval: config.health_interval,
        };
        let outside = Outside {
            commands,
            failures: ends.failures,
            paused: ends.paused,
            health: ends.health,
            hooks: ends.hooks,
        };
        let dispatcher = Dispatcher::new(consumer, routes, outside, pace, progress);
        Ok(Consuming {
            client,
            publisher,
            dispatcher,
            topics: names.join(","),
            group,
        })
    }
}

impl Consuming {
    async fn run(
        mut self,
        stop: impl Future<Output = ()>,
        stopping: impl FnOnce(),
        scheduler: Scheduler,
        shutdown_timeout: Duration,
    ) -> Result<(), AppError> {
        tracing::info!(
            event = "app_started",
            group = %self.group,
            topics = %self.topics,
            jobs = scheduler.jobs(),
        );
        let served = self.dispatcher.serve(stop).await;
        // No record and no run begins any more, while handlers finish.
        self.dispatcher.stop();
        scheduler.stop();
        stopping();
        let (wound_down, ()) = tokio::join!(
            self.dispatcher.wind_down(),
            scheduler.wind_down(shutdown_timeout)
        );
        // Dead letters are awaited one by one: nothing is left to lose here.
        if let Err(error) = self.publisher.close().await {
            tracing::warn!(event = "publisher_close_failed", %error);
        }
        self.client.close().await;
        served.and(wound_down)
    }
}

fn patience(config: &Config) -> Patience {
    Patience {
        stuck: config.health_stuck_timeout,
        grace: config.health_grace,
        session_timeout: config.session_timeout,
        interval: config.health_interval,
    }
}

fn consumer_config(
    config: &Config,
    group: &str,
    listener: Rebalance,
) -> Result<ConsumerConfig, ConfigError> {
    let settings = config.consumer_config()?;
    Ok(settings.group_id(group).rebalance_listener(listener))
}
