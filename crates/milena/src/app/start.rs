//! From what was registered to an application that runs.

use std::sync::Arc;

use milena_client::Client;
use milena_client::consumer::{Consumer, ConsumerConfig};
use tokio::sync::mpsc;

use super::TopicEntry;
use super::contexts::{Contexts, dead_letter_topic, retry_topic_name};
use super::dispatcher::{Dispatcher, Pace};
use super::error::AppError;
use super::limits::{QUEUED_COMMANDS_MAX, QUEUED_FAILURES_MAX};
use super::progress::Progress;
use super::rebalance::Rebalance;
use super::topic::Retries;
use crate::config::{Config, ConfigError, topic_problem};
use crate::publisher::Publisher;

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
    let contexts = Contexts {
        config: config.clone(),
        client: client.clone(),
        publisher: publisher.clone(),
        group: group.clone(),
        progress: progress.clone(),
        failures: failures_in,
    };
    let routes = contexts.routes(topics).await;
    let names: Vec<String> = routes.keys().map(ToString::to_string).collect();
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
        if entry.options.retries == Retries::ThroughTopic {
            let retry_topic = retry_topic_name(config, group);
            if let Some(problem) = topic_problem(&retry_topic) {
                return conflict("retry", format!("{retry_topic:?}: {problem}"));
            }
            if retry_topic == name {
                return conflict("retry", format!("{name:?} cannot take its own retries"));
            }
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

fn consumer_config(
    config: &Config,
    group: &str,
    listener: Rebalance,
) -> Result<ConsumerConfig, ConfigError> {
    let settings = config.consumer_config()?;
    Ok(settings.group_id(group).rebalance_listener(listener))
}
