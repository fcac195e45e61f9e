//! From what was registered to an application that runs.

use std::sync::Arc;
use std::time::Duration;

use milena_client::Client;
use milena_client::consumer::{Consumer, ConsumerConfig};
use tokio::sync::mpsc;

use super::check::check;
use super::contexts::Contexts;
use super::dispatcher::{Dispatcher, Pace};
use super::error::AppError;
use super::exactly_once;
use super::limits::{QUEUED_COMMANDS_MAX, QUEUED_FAILURES_MAX};
use super::progress::Progress;
use super::rebalance::Rebalance;
use super::route::fail;
use super::{Parts, TopicEntry};
use crate::config::{Config, ConfigError};
use crate::publisher::Publisher;
use crate::schedule::{Clock, JobFailed, OnFatal, Scheduler};

/// An application at work, or about to be.
pub(super) struct Running {
    work: Work,
    scheduler: Scheduler,
    shutdown_timeout: Duration,
}

/// What there is beside jobs.
enum Work {
    Consuming(Box<Consuming>),
    /// No topics; jobs may fail the application.
    JobsOnly(mpsc::Receiver<AppError>),
}

/// A member of its group, or about to become one.
struct Consuming {
    client: Client,
    publisher: Publisher,
    dispatcher: Dispatcher,
    topics: String,
    group: String,
}

/// Checks everything, connects and subscribes, and has the jobs begin.
pub(super) async fn start(config: Config, parts: Parts) -> Result<Running, AppError> {
    let group = check(&config, &parts)?;
    let (failures_in, failures) = mpsc::channel(QUEUED_FAILURES_MAX);
    let work = match group {
        None => Work::JobsOnly(failures),
        Some(group) => {
            let channel = (failures_in.clone(), failures);
            let consuming = Consuming::start(&config, group, parts.topics, parts.progress, channel);
            Work::Consuming(Box::new(Box::pin(consuming).await?))
        }
    };
    let on_fatal: OnFatal = Arc::new(move |JobFailed { job, error }| {
        fail(&failures_in, AppError::Job { job, error });
    });
    Ok(Running {
        work,
        scheduler: Scheduler::start(parts.scheduled, Clock::system(), &on_fatal),
        shutdown_timeout: config.shutdown_timeout,
    })
}

impl Running {
    pub(super) async fn run_until(
        self,
        shutdown: impl Future<Output = ()>,
    ) -> Result<(), AppError> {
        let Running {
            work,
            scheduler,
            shutdown_timeout,
        } = self;
        let served = match work {
            Work::Consuming(consuming) => {
                consuming
                    .run_until(shutdown, scheduler, shutdown_timeout)
                    .await
            }
            Work::JobsOnly(mut failures) => {
                tracing::info!(event = "app_started", jobs = scheduler.jobs());
                let served = tokio::select! {
                    biased;
                    () = shutdown => Ok(()),
                    Some(failure) = failures.recv() => Err(failure),
                };
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

impl Consuming {
    async fn start(
        config: &Config,
        group: String,
        topics: Vec<TopicEntry>,
        progress: Progress,
        (failures_in, failures): (mpsc::Sender<AppError>, mpsc::Receiver<AppError>),
    ) -> Result<Consuming, AppError> {
        let client = Client::new(config.client_config()?)?;
        let publisher = Publisher::with_client(&client, config)
            .map_err(|error| AppError::Publisher(Box::new(error)))?;
        let (commands_in, commands) = mpsc::channel(QUEUED_COMMANDS_MAX);
        let contexts = Contexts {
            config: config.clone(),
            client: client.clone(),
            publisher: publisher.clone(),
            group: group.clone(),
            progress: progress.clone(),
            failures: failures_in,
            producer_config: config.producer_config()?,
            consumer: Arc::default(),
        };
        let isolation = exactly_once::isolation(&topics);
        let routes = contexts.routes(topics).await;
        let names: Vec<String> = routes.keys().map(ToString::to_string).collect();
        let listener = Rebalance {
            commands: commands_in,
            revocation_timeout: config.revocation_timeout,
        };
        let mut settings = consumer_config(config, &group, listener)?;
        if let Some(isolation) = isolation {
            settings = settings.isolation_level(isolation);
        }
        let consumer = Arc::new(Consumer::new(&client, settings)?);
        let _ = contexts.consumer.set(consumer.clone());
        consumer.subscribe(names.iter().cloned()).await?;
        let pace = Pace {
            partition_buffer_bytes: u32::try_from(config.partition_buffer_bytes)
                .unwrap_or(u32::MAX),
            commit_interval: config.commit_interval,
            shutdown_timeout: config.shutdown_timeout,
        };
        Ok(Consuming {
            client,
            publisher,
            dispatcher: Dispatcher::new(consumer, routes, commands, failures, pace, progress),
            topics: names.join(","),
            group,
        })
    }

    async fn run_until(
        mut self,
        shutdown: impl Future<Output = ()>,
        scheduler: Scheduler,
        shutdown_timeout: Duration,
    ) -> Result<(), AppError> {
        tracing::info!(
            event = "app_started",
            group = %self.group,
            topics = %self.topics,
            jobs = scheduler.jobs(),
        );
        let served = self.dispatcher.serve(shutdown).await;
        // No run begins any more, while handlers finish.
        scheduler.stop();
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

fn consumer_config(
    config: &Config,
    group: &str,
    listener: Rebalance,
) -> Result<ConsumerConfig, ConfigError> {
    let settings = config.consumer_config()?;
    Ok(settings.group_id(group).rebalance_listener(listener))
}
