//! Where a topic's dead letters go, and that the place exists.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use milena_client::admin::NewTopic;
use milena_client::{Admin, Error, ErrorCode};
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::{PublishError, Publisher};
use crate::dead_letter::{FailurePlace, History, NewDeadLetter};
use crate::failure::HandlerError;
use crate::message::Message;

/// Sends the dead letters of one topic.
pub(crate) struct DeadLetters {
    /// The dead letter topic, as the cluster names it.
    pub(crate) topic: String,
    pub(crate) origin: FailurePlace,
    pub(crate) publisher: Publisher,
    /// Creates the topic when there is none; `None` when that is not allowed.
    pub(crate) admin: Option<Admin>,
    pub(crate) readiness: Readiness,
}

/// After a failed attempt to create a topic, how long the next letters do without another.
const CREATE_INTERVAL: Duration = Duration::from_secs(1);

/// Whether a topic is known to exist.
#[derive(Debug, Default)]
pub(crate) struct Readiness {
    is_ready: AtomicBool,
    /// When it was last tried in vain. Locked while somebody tries: others wait for the outcome,
    /// and share it.
    failed_at: Mutex<Option<Instant>>,
}

impl DeadLetters {
    pub(crate) fn topic(&self) -> &str {
        &self.topic
    }

    pub(crate) fn letter(
        &self,
        message: &Message,
        error: &HandlerError,
        history: &History,
    ) -> NewDeadLetter {
        NewDeadLetter::new(message, error, history, &self.origin)
    }

    /// Finds out about the topic before the first dead letter needs it, if it exists: a
    /// look-up then would hold up a partition. Creates nothing.
    pub(crate) async fn warm_up(&self) {
        let Some(admin) = &self.admin else { return };
        let described = admin.describe_topics(&[self.topic.as_str()]).await;
        let exists = described.is_ok_and(|topics| topics.iter().any(|(_, topic)| topic.is_ok()));
        if exists {
            self.readiness.is_ready.store(true, Ordering::Release);
            self.publisher.warm_up(&self.topic).await;
        }
    }

    /// Sees that the topic exists. Whatever goes wrong here, sending the letter tells whether
    /// it matters.
    pub(crate) async fn prepare(&self) {
        let Readiness {
            is_ready,
            failed_at,
        } = &self.readiness;
        if is_ready.load(Ordering::Acquire) {
            return;
        }
        let mut failed_at = failed_at.lock().await;
        let has_just_failed = failed_at.is_some_and(|at| at.elapsed() < CREATE_INTERVAL);
        if has_just_failed || is_ready.load(Ordering::Acquire) {
            return;
        }
        match self.ensure_topic().await {
            Ok(()) => is_ready.store(true, Ordering::Release),
            Err(_) => *failed_at = Some(Instant::now()),
        }
    }

    /// Returns once the broker has the letter.
    pub(crate) async fn publish(&self, letter: &NewDeadLetter) -> Result<(), PublishError> {
        self.prepare().await;
        self.publisher.send_dead_letter(&self.topic, letter).await
    }

    /// Creates the topic with as many partitions as the source has, and for good: a letter has the
    /// timestamp of its record, which may be older than what a cluster keeps. Fails only if trying
    /// again may help.
    async fn ensure_topic(&self) -> Result<(), Error> {
        let Some(admin) = &self.admin else {
            return Ok(());
        };
        match self.create_topic(admin).await {
            Err(error) => {
                tracing::warn!(event = "dead_letter_topic_not_created", topic = %self.topic, %error);
                if error.is_retriable() {
                    Err(error)
                } else {
                    Ok(())
                }
            }
            created => created,
        }
    }

    async fn create_topic(&self, admin: &Admin) -> Result<(), Error> {
        let mut topic = NewTopic::new(&self.topic).config("retention.ms", "-1");
        let source = admin.describe_topics(&[self.origin.topic.as_str()]).await?;
        if let Some((_, Ok(source))) = source.first()
            && let Ok(partitions) = i32::try_from(source.partitions.len())
        {
            topic = topic.partitions(partitions);
        }
        match admin.create_topic(topic).await {
            Ok(_) => {
                tracing::info!(event = "dead_letter_topic_created", topic = %self.topic);
                Ok(())
            }
            Err(error) if error.code() == Some(ErrorCode::TopicAlreadyExists) => Ok(()),
            Err(error) => Err(error),
        }
    }
}
