//! The retry topic seen by those who write to it.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use milena_client::admin::NewTopic;
use milena_client::{Admin, Error, ErrorCode};

use super::record::for_retry;
use crate::dead_letter::{FailurePlace, History, NewDeadLetter};
use crate::failure::HandlerError;
use crate::message::Message;
use crate::publisher::{PublishError, Publisher};
use crate::wall_clock;

/// Where records of one topic wait to be tried again.
pub(in crate::app) struct RetryTopic {
    /// As the cluster names it.
    pub(in crate::app) topic: Arc<str>,
    pub(in crate::app) origin: FailurePlace,
    pub(in crate::app) publisher: Publisher,
}

impl RetryTopic {
    /// The record to write; `None` when it would become too large.
    pub(in crate::app) fn record(
        &self,
        message: &Message,
        error: &HandlerError,
        history: &History,
        delay: Duration,
    ) -> Option<NewDeadLetter> {
        let delay = jiff::SignedDuration::try_from(delay).unwrap_or(jiff::SignedDuration::MAX);
        let due = wall_clock::now()
            .checked_add(delay)
            .unwrap_or(Timestamp::MAX);
        for_retry(message, error, history, &self.origin, due)
    }

    /// Returns once the broker has the record.
    pub(in crate::app) async fn publish(&self, record: &NewDeadLetter) -> Result<(), PublishError> {
        self.publisher.send_dead_letter(&self.topic, record).await
    }
}

/// Creates the retry topic when there is none, with as many partitions as the largest of the
/// topics whose records it takes.
pub(in crate::app) async fn ensure_topic(
    admin: &Admin,
    topic: &str,
    sources: &[&str],
) -> Result<(), Error> {
    let described = admin.describe_topics(&[topic]).await?;
    if described.iter().any(|(_, described)| described.is_ok()) {
        return Ok(());
    }
    let mut new = NewTopic::new(topic);
    let sources = admin.describe_topics(sources).await?;
    let partitions = sources
        .iter()
        .filter_map(|(_, source)| i32::try_from(source.as_ref().ok()?.partitions.len()).ok());
    if let Some(partitions) = partitions.max().filter(|partitions| *partitions > 0) {
        new = new.partitions(partitions);
    }
    match admin.create_topic(new).await {
        Ok(_) => {
            tracing::info!(event = "retry_topic_created", topic);
            Ok(())
        }
        Err(error) if error.code() == Some(ErrorCode::TopicAlreadyExists) => Ok(()),
        Err(error) => Err(error),
    }
}
