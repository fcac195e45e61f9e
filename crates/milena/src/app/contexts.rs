//! Makes what the workers of each topic share, the retry topic's included.
//!
//! Owns where the dead letters and retries of a topic go. Subscribes to nothing and starts
//! no worker.

use std::collections::HashMap;
use std::sync::Arc;

use milena_client::consumer::Consumer;
use milena_client::producer::ProducerConfig;
use milena_client::{Admin, Client};
use tokio::sync::mpsc;

use super::TopicEntry;
use super::concurrency::Concurrency;
use super::dispatcher::Registered;
use super::error::AppError;
use super::exactly_once::Transactions;
use super::gate::Gate;
use super::lifecycle::Hooks;
use super::progress::Progress;
use super::retry_topic::{self, RetryRoute, RetryTopic};
use super::route::{LastResort, RouteContext};
use super::topic::{Counting, OnFailure, Retries, TopicOptions};
use crate::config::Config;
use crate::dead_letter::{self, FailurePlace, host_name};
use crate::publisher::{DeadLetters, Publisher, Readiness};
use crate::retry::Retry;
use crate::telemetry::Handling;

/// How often the retry topic is looked for before the application goes on without knowing.
const LOOKS_MAX: u32 = 3;

/// What contexts are made of.
#[derive(Clone)]
pub(super) struct Contexts {
    pub(super) config: Config,
    pub(super) client: Client,
    pub(super) publisher: Publisher,
    pub(super) group: String,
    pub(super) progress: Progress,
    pub(super) hooks: Hooks,
    pub(super) failures: mpsc::Sender<AppError>,
    /// Of producers; a transactional id is added for each partition that needs one.
    pub(super) producer_config: ProducerConfig,
    pub(super) consumer: Arc<Consumer>,
}

impl Contexts {
    /// The routes of all topics by name as the cluster has them, that of the retry topic
    /// among them if any of the others needs one.
    pub(super) async fn routes(&self, topics: Vec<TopicEntry>) -> HashMap<Arc<str>, Registered> {
        let mut routes = HashMap::new();
        let mut moving = Vec::new();
        for entry in topics {
            let name = self.config.topic_name(&entry.topic);
            if entry.options.retries == Retries::ThroughTopic {
                moving.push(name.clone());
            }
            let registered = Registered {
                context: Arc::new(self.of_topic(&entry, &name)),
                route: entry.route,
            };
            tokio::spawn(warm_up(registered.context.clone()));
            routes.insert(Arc::from(name), registered);
        }
        if !moving.is_empty() {
            let name = retry_topic_name(&self.config, &self.group);
            self.ensure_retry_topic(&name, &moving).await;
            let registered = self.of_retry_topic(&name, routes.clone());
            routes.insert(Arc::from(name), registered);
        }
        routes
    }

    fn of_topic(&self, entry: &TopicEntry, name: &str) -> RouteContext {
        let retry_topic = (entry.options.retries == Retries::ThroughTopic).then(|| RetryTopic {
            topic: retry_topic_name(&self.config, &self.group).into(),
            origin: self.origin(name, entry.handler, &entry.options),
            publisher: self.publisher.clone(),
        });
        RouteContext {
            topic: entry.topic.as_str().into(),
            retry: entry.options.retry,
            concurrency: entry.options.concurrency,
            last_resort: self.last_resort(entry, name),
            retry_topic,
            transactions: self.transactions(&entry.options, name),
            gate: entry.options.breaker.map(|breaker| {
                let gate = Arc::new(Gate::new(entry.topic.as_str().into(), breaker));
                self.progress.watch(&entry.topic, &gate);
                gate
            }),
            progress: self.progress.clone(),
            hooks: self.hooks.clone(),
            handling: self.handling(name),
            failures: self.failures.clone(),
        }
    }

    fn last_resort(&self, entry: &TopicEntry, name: &str) -> LastResort {
        let TopicEntry { topic, options, .. } = entry;
        match dead_letter_topic(&self.config, options, topic) {
            Some(place) => {
                let letters = self.dead_letters(place, name, entry.handler, options);
                LastResort::DeadLetter(Box::new(letters))
            }
            None if options.on_failure == OnFailure::Skip => LastResort::Skip,
            None => LastResort::Stop,
        }
    }

    fn transactions(&self, options: &TopicOptions, name: &str) -> Option<Arc<Transactions>> {
        (options.counting == Counting::ExactlyOnce).then(|| {
            Arc::new(Transactions {
                client: self.client.clone(),
                config: self.producer_config.clone(),
                publisher: self.publisher.clone(),
                group: self.group.clone(),
                topic: name.into(),
                consumer: self.consumer.clone(),
            })
        })
    }

    /// For a topic that has no handler, named as the cluster has it: what cannot be handled
    /// goes to its dead letter topic.
    fn of_stray(&self, name: &str) -> RouteContext {
        let options = TopicOptions::default();
        let dead_letters = self.dead_letters(dead_letter::topic_default(name), name, "", &options);
        RouteContext {
            topic: name.into(),
            retry: Retry::none(),
            concurrency: Concurrency::Partition,
            last_resort: LastResort::DeadLetter(Box::new(dead_letters)),
            retry_topic: None,
            gate: None,
            transactions: None,
            progress: self.progress.clone(),
            hooks: self.hooks.clone(),
            handling: self.handling(name),
            failures: self.failures.clone(),
        }
    }

    fn of_retry_topic(&self, name: &str, routes: HashMap<Arc<str>, Registered>) -> Registered {
        let retry_topic = RetryTopic {
            topic: name.into(),
            origin: self.origin(name, "", &TopicOptions::default()),
            publisher: self.publisher.clone(),
        };
        let contexts = self.clone();
        Registered {
            route: Arc::new(RetryRoute {
                routes,
                retry_topic: Arc::new(retry_topic),
                strays: Arc::new(move |topic| Arc::new(contexts.of_stray(topic))),
            }),
            context: Arc::new(self.of_stray(name)),
        }
    }

    /// What goes wrong here shows again when the topic is used.
    async fn ensure_retry_topic(&self, name: &str, sources: &[String]) {
        if !self.config.dead_letter_create_topic {
            return;
        }
        let admin = Admin::new(&self.client);
        let sources: Vec<&str> = sources.iter().map(String::as_str).collect();
        for _ in 0..LOOKS_MAX {
            match Box::pin(retry_topic::ensure_topic(&admin, name, &sources)).await {
                Ok(()) => return,
                Err(error) => {
                    tracing::warn!(event = "retry_topic_not_created", topic = name, %error);
                    if !error.is_retriable() {
                        return;
                    }
                }
            }
        }
    }

    fn dead_letters(
        &self,
        topic: String,
        source: &str,
        handler: &str,
        options: &TopicOptions,
    ) -> DeadLetters {
        let admin = Admin::new(&self.client);
        DeadLetters {
            topic,
            origin: self.origin(source, handler, options),
            publisher: self.publisher.clone(),
            admin: self.config.dead_letter_create_topic.then_some(admin),
            readiness: Readiness::default(),
        }
    }

    fn handling(&self, name: &str) -> Handling {
        Handling {
            topic: name.into(),
            group: self.group.as_str().into(),
            client_id: self.config.numbered_client_id().into(),
            mode: self.config.trace_mode,
        }
    }

    fn origin(&self, source: &str, handler: &str, options: &TopicOptions) -> FailurePlace {
        FailurePlace {
            topic: source.to_owned(),
            group: self.group.clone(),
            handler: handler.to_owned(),
            app: self.config.client_id.clone(),
            host: host_name(),
            redact: options.redact,
            record_bytes_max: self.config.dead_letter_record_bytes,
        }
    }
}

/// As the cluster names it; `None` when there are no dead letters.
pub(super) fn dead_letter_topic(
    config: &Config,
    options: &TopicOptions,
    topic: &str,
) -> Option<String> {
    match &options.on_failure {
        OnFailure::DeadLetterDefault => Some(config.topic_name(&dead_letter::topic_default(topic))),
        OnFailure::DeadLetter(name) => Some(config.topic_name(name)),
        OnFailure::Skip | OnFailure::Stop => None,
    }
}

/// The group's retry topic, as the cluster names it. Groups may have names that topics may
/// not.
pub(super) fn retry_topic_name(config: &Config, group: &str) -> String {
    let is_legal = |one: char| one.is_ascii_alphanumeric() || matches!(one, '.' | '_' | '-');
    let group: String = group
        .chars()
        .map(|one| if is_legal(one) { one } else { '_' })
        .collect();
    config.topic_name(&format!("{group}.retry"))
}

/// Ends by itself: with the answer, or when the client is closed.
async fn warm_up(context: Arc<RouteContext>) {
    if let LastResort::DeadLetter(dead_letters) = &context.last_resort {
        dead_letters.warm_up().await;
    }
}
