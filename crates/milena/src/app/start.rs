//! From what was registered to an application that runs.

use std::collections::HashMap;
use std::sync::Arc;

use milena_client::{Admin, Client};

use milena_client::consumer::{Consumer, ConsumerConfig};
use tokio::sync::{OnceCell, mpsc};

use super::TopicEntry;
use super::dispatcher::{Dispatcher, Pace, Registered};
use super::error::AppError;
use super::limits::{QUEUED_COMMANDS_MAX, QUEUED_FAILURES_MAX};
use super::progress::Progress;
use super::rebalance::Rebalance;
use super::route::RouteContext;
use super::topic::{OnFailure, TopicOptions};
use crate::config::{Config, ConfigError, topic_problem};
use crate::dead_letter::{Origin, host_name};
use crate::publisher::{DeadLetters, Publisher};

/// An application that is a member of its group, or about to become one.
pub(super) struct Running {
    client: Client,
    publisher: Publisher,
    dispatcher: Dispatcher,
    topics: String,
    group: String,
}

/// Checks everything, connects and subscribes.
pub(super) async fn start(
    config: Config,
    topics: Vec<TopicEntry>,
    progress: Progress,
) -> Result<Running, AppError> {
    let group = check(&config, &topics)?;
    let client = Client::new(config.client_config()?)?;
    let publisher = Publisher::with_client(&client, &config)
        .map_err(|error| AppError::Publisher(Box::new(error)))?;
    let (failures_in, failures) = mpsc::channel(QUEUED_FAILURES_MAX);
    let (commands_in, commands) = mpsc::channel(QUEUED_COMMANDS_MAX);
    let names: Vec<String> = topics
        .iter()
        .map(|entry| config.topic_name(&entry.topic))
        .collect();
    let mut routes = HashMap::new();
    for (entry, name) in topics.into_iter().zip(&names) {
        let dead_letters = dead_letters(&config, &client, &publisher, &group, &entry, name);
        let context = RouteContext {
            topic: entry.topic.as_str().into(),
            retry: entry.options.retry,
            concurrency: entry.options.concurrency,
            dead_letters,
            progress: progress.clone(),
            failures: failures_in.clone(),
        };
        let context = Arc::new(context);
        tokio::spawn(warm_up(context.clone()));
        let registered = Registered {
            route: entry.route,
            context,
        };
        routes.insert(Arc::from(name.as_str()), registered);
    }
    let listener = Rebalance {
        commands: commands_in,
        revocation_timeout: config.revocation_timeout,
    };
    let consumer = Arc::new(Consumer::new(
        &client,
        consumer_config(&config, &group, listener)?,
    )?);
    consumer.subscribe(names.iter().cloned()).await?;
    let pace = Pace {
        partition_buffer_bytes: u32::try_from(config.partition_buffer_bytes).unwrap_or(u32::MAX),
        commit_interval: config.commit_interval,
        shutdown_timeout: config.shutdown_timeout,
    };
    let dispatcher = Dispatcher::new(consumer, routes, commands, failures, pace, progress);
    Ok(Running {
        client,
        publisher,
        dispatcher,
        topics: names.join(","),
        group,
    })
}

impl Running {
    pub(super) async fn run_until(
        self,
        shutdown: impl Future<Output = ()>,
    ) -> Result<(), AppError> {
        tracing::info!(event = "app_started", group = %self.group, topics = %self.topics);
        let served = self.dispatcher.run(shutdown).await;
        // Dead letters are awaited one by one: nothing is left to lose here.
        if let Err(error) = self.publisher.close().await {
            tracing::warn!(event = "publisher_close_failed", %error);
        }
        self.client.close().await;
        match &served {
            Ok(()) => tracing::info!(event = "app_stopped", group = %self.group),
            Err(error) => tracing::error!(event = "app_stopped", group = %self.group, %error),
        }
        served
    }
}

/// The group, when everything fits together.
fn check(config: &Config, topics: &[TopicEntry]) -> Result<String, ConfigError> {
    let conflict = |field: &str, problem: String| {
        Err(ConfigError::Conflict {
            field: field.to_owned(),
            problem,
        })
    };
    let Some(group) = config.group_id() else {
        return conflict(
            "group.id",
            "an application needs a group; set MILENA_GROUP_ID".to_owned(),
        );
    };
    if topics.is_empty() {
        return conflict(
            "topic",
            "an application needs at least one topic".to_owned(),
        );
    }
    for (index, entry) in topics.iter().enumerate() {
        let name = config.topic_name(&entry.topic);
        if let Some(problem) = topic_problem(&name) {
            return conflict("topic", format!("{name:?}: {problem}"));
        }
        if topics
            .iter()
            .take(index)
            .any(|earlier| earlier.topic == entry.topic)
        {
            return conflict(
                "topic",
                format!("{name:?} has two handlers; a topic takes one"),
            );
        }
        if let Some(dead_letter_topic) = dead_letter_topic(config, &entry.options, &entry.topic) {
            if let Some(problem) = topic_problem(&dead_letter_topic) {
                return conflict("dead_letter", format!("{dead_letter_topic:?}: {problem}"));
            }
            if dead_letter_topic == name {
                return conflict(
                    "dead_letter",
                    format!("{name:?} cannot take its own dead letters"),
                );
            }
        }
    }
    Ok(group.to_owned())
}

/// As the cluster names it; `None` when the application stops instead.
fn dead_letter_topic(config: &Config, options: &TopicOptions, topic: &str) -> Option<String> {
    match &options.on_failure {
        OnFailure::DeadLetterDefault => Some(config.topic_name(&format!("{topic}.dlq"))),
        OnFailure::DeadLetter(name) => Some(config.topic_name(name)),
        OnFailure::Stop => None,
    }
}

fn dead_letters(
    config: &Config,
    client: &Client,
    publisher: &Publisher,
    group: &str,
    entry: &TopicEntry,
    source: &str,
) -> Option<DeadLetters> {
    let topic = dead_letter_topic(config, &entry.options, &entry.topic)?;
    let origin = Origin {
        topic: source.to_owned(),
        group: group.to_owned(),
        handler: entry.handler.to_owned(),
        app: config.client_id.clone(),
        host: host_name(),
        redact: entry.options.redact,
        record_bytes_max: config.dead_letter_record_bytes,
    };
    Some(DeadLetters {
        topic,
        origin,
        publisher: publisher.clone(),
        admin: config.dead_letter_create_topic.then(|| Admin::new(client)),
        is_ready: OnceCell::new(),
    })
}

/// Ends by itself: with the answer, or when the client is closed.
async fn warm_up(context: Arc<RouteContext>) {
    if let Some(dead_letters) = &context.dead_letters {
        dead_letters.warm_up().await;
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
