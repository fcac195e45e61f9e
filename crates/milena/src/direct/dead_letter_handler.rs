//! Storing messages that failed, for programs without an application.

use std::time::SystemTime;

use jiff::Timestamp;

use super::error::DirectError;
use crate::config::{Config, TopicPrefix};
use crate::dead_letter::{FailurePlace, History, NewDeadLetter, host_name};
use crate::failure::HandlerError;
use crate::message::Message;
use crate::publisher::Publisher;

/// Sends messages that failed to a dead letter topic: key, value, headers and timestamp as
/// they came, the failure in headers ([`dead_letter`](crate::dead_letter) lists them).
///
/// ```no_run
/// use milena::{Config, Consumer, DeadLetterHandler, FailureDetails, Publisher};
///
/// # async fn example(config: Config, consumer: Consumer) -> Result<(), Box<dyn std::error::Error>> {
/// let publisher = Publisher::new(&config)?;
/// let dead_letters = DeadLetterHandler::new(&publisher, &config, "errors");
/// if let Some(message) = consumer.consume_next().await? {
///     let failure = FailureDetails::new("validation-error", "no amount");
///     dead_letters.handle(&message, &[failure]).await?;
///     consumer.commit(&message).await?;
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct DeadLetterHandler {
    publisher: Publisher,
    /// With the prefix.
    topic: String,
    prefix: TopicPrefix,
    origin: FailurePlace,
}

/// How a message failed, once.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct FailureDetails {
    /// When it failed.
    pub raised_at: SystemTime,
    /// What went wrong, for people.
    pub exception_message: String,
    /// Where, one line a cause or frame; may be empty.
    pub exception_trace: String,
    /// The failure's name for machines: dead letters are grouped by it.
    pub failure_reason: String,
}

impl FailureDetails {
    /// A failure that happened now.
    #[must_use]
    pub fn new(
        failure_reason: impl Into<String>,
        exception_message: impl Into<String>,
    ) -> FailureDetails {
        FailureDetails {
            raised_at: SystemTime::now(),
            exception_message: exception_message.into(),
            exception_trace: String::new(),
            failure_reason: failure_reason.into(),
        }
    }

    /// Adds where it happened.
    #[must_use]
    pub fn with_trace(mut self, trace: impl Into<String>) -> FailureDetails {
        self.exception_trace = trace.into();
        self
    }

    /// Sets when it happened.
    #[must_use]
    pub fn raised_at(mut self, at: SystemTime) -> FailureDetails {
        self.raised_at = at;
        self
    }

    fn as_error(&self) -> HandlerError {
        HandlerError::non_retriable(&self.exception_message)
            .with_code(self.failure_reason.clone())
            .with_trace(self.exception_trace.clone())
    }
}

impl DeadLetterHandler {
    /// A handler that sends to `topic` (without the configured prefix) through
    /// `publisher`. The topic must exist, or be created by the cluster.
    #[must_use]
    pub fn new(publisher: &Publisher, config: &Config, topic: impl AsRef<str>) -> Self {
        DeadLetterHandler {
            publisher: publisher.clone(),
            topic: config.topic_name(topic.as_ref()),
            prefix: config.topic_prefix.clone(),
            origin: FailurePlace {
                topic: String::new(),
                group: config.group_id().unwrap_or_default().to_owned(),
                handler: "DeadLetterHandler".to_owned(),
                app: config.client_id.clone(),
                host: host_name(),
                redact: None,
                record_bytes_max: config.dead_letter_record_bytes,
            },
        }
    }

    /// Stores `message` with how it failed, oldest failure first; returns when the cluster
    /// has it. Without any failure the reason is `unknown`.
    ///
    /// # Errors
    /// [`DirectError::Publish`] when it was not stored; commit nothing then.
    pub async fn handle(
        &self,
        message: &Message,
        failures: &[FailureDetails],
    ) -> Result<(), DirectError> {
        let mut history = History::default();
        let mut last = FailureDetails::new("unknown", "no details were given").as_error();
        for failure in failures {
            last = failure.as_error();
            let at = Timestamp::try_from(failure.raised_at).unwrap_or_else(|_| Timestamp::now());
            history.push(at, &last);
        }
        let origin = FailurePlace {
            topic: self.prefix.put_on(message.topic()).into_owned(),
            ..self.origin.clone()
        };
        let letter = NewDeadLetter::new(message, &last, &history, &origin);
        self.publisher
            .send_dead_letter(&self.topic, &letter)
            .await?;
        tracing::warn!(
            event = "dead_letter",
            topic = %message.topic(),
            partition = message.partition(),
            offset = message.offset(),
            dead_letter_topic = %self.topic,
            code = last.code(),
        );
        Ok(())
    }
}
