//! Publishing: typed messages out, through one producer that all clones share.
//!
//! Owns the typed side of sending: topic prefix, message ids, errors. The way to the
//! broker is the client's; nothing here retries.

mod error;
mod message_id;
mod outgoing;

use std::sync::Arc;
use std::time::Duration;

use milena_client::Client;
use milena_client::producer::{Delivery, Header, Producer, Record, RecordMetadata};

pub use self::error::PublishError;
use self::message_id::MessageIds;
pub use self::outgoing::Outgoing;
use crate::config::{Config, topic_problem};
use crate::dead_letter::DeadLetter;
use crate::message::MESSAGE_ID_HEADER;

/// Publishes messages. Cheap to clone; all clones share buffers, connections and what
/// [`Publisher::close`] closes.
///
/// Acknowledged by all in-sync replicas and idempotent: a retry writes nothing twice.
#[derive(Debug, Clone)]
pub struct Publisher {
    producer: Producer,
    topic_prefix: Arc<str>,
    ids: Arc<MessageIds>,
}

impl Publisher {
    /// A publisher with connections of its own. Connects when first used; needs a tokio
    /// runtime.
    ///
    /// # Errors
    /// When the configuration cannot work.
    pub fn new(config: &Config) -> Result<Publisher, PublishError> {
        let client = Client::new(config.client_config()?)?;
        Publisher::with_client(&client, config)
    }

    pub(crate) fn with_client(client: &Client, config: &Config) -> Result<Publisher, PublishError> {
        Ok(Publisher {
            producer: Producer::new(client, config.producer_config()?)?,
            topic_prefix: config.topic_prefix.as_str().into(),
            ids: Arc::new(MessageIds::new()),
        })
    }

    /// Publishes a message and waits until the broker has it.
    ///
    /// # Errors
    /// When the broker did not acknowledge it within the delivery timeout, or refused it.
    pub async fn send(&self, message: &Outgoing) -> Result<RecordMetadata, PublishError> {
        let topic = self.topic_name(&message.topic)?;
        let mut id = [0; uuid::fmt::Hyphenated::LENGTH];
        let headers = self.headers(message, &mut id);
        Ok(self
            .producer
            .send(record(&topic, message, &headers))
            .await?)
    }

    /// Takes a message, waiting for buffer space only. The [`Delivery`] resolves when the
    /// broker has answered; many may be on their way at once.
    ///
    /// # Errors
    /// When the message was not taken.
    pub async fn enqueue(&self, message: &Outgoing) -> Result<Delivery, PublishError> {
        let topic = self.topic_name(&message.topic)?;
        let mut id = [0; uuid::fmt::Hyphenated::LENGTH];
        let headers = self.headers(message, &mut id);
        Ok(self
            .producer
            .enqueue(record(&topic, message, &headers))
            .await?)
    }

    /// Waits until everything taken before is settled, without lingering.
    ///
    /// # Errors
    /// When that takes longer than `timeout`; nothing is lost by it.
    pub async fn flush(&self, timeout: Duration) -> Result<(), PublishError> {
        Ok(self.producer.flush(timeout).await?)
    }

    /// Takes nothing more and waits until everything taken is settled. Closes every clone.
    ///
    /// # Errors
    /// When something was not settled within the delivery timeout.
    pub async fn close(&self) -> Result<(), PublishError> {
        Ok(self.producer.close().await?)
    }

    /// Sends a dead letter to `topic`, which has its prefix already.
    pub(crate) async fn send_dead_letter(
        &self,
        topic: &str,
        letter: &DeadLetter,
    ) -> Result<(), PublishError> {
        let headers: Vec<Header<'_>> = letter
            .headers
            .iter()
            .map(|(key, value)| Header {
                key,
                value: value.as_deref(),
            })
            .collect();
        let mut record = Record::to(topic)
            .headers(&headers)
            .timestamp(letter.timestamp);
        record.key = letter.key.as_deref();
        record.value = letter.value.as_deref();
        self.producer.send(record).await?;
        Ok(())
    }

    /// Looks `topic` (with its prefix) up, so that the first message need not.
    pub(crate) async fn warm_up(&self, topic: &str) {
        if let Err(error) = self.producer.topic(topic).await {
            tracing::debug!(event = "publisher_warm_up_failed", topic, %error);
        }
    }

    fn topic_name(&self, topic: &str) -> Result<String, PublishError> {
        let topic = format!("{}{topic}", self.topic_prefix);
        match topic_problem(&topic) {
            None => Ok(topic),
            Some(problem) => Err(PublishError::Topic { topic, problem }),
        }
    }

    fn headers<'a>(&self, message: &'a Outgoing, id: &'a mut [u8]) -> Vec<Header<'a>> {
        let mut headers: Vec<Header<'_>> = message
            .headers
            .iter()
            .map(|(key, value)| Header {
                key,
                value: value.as_deref(),
            })
            .collect();
        if !message.has_id() {
            let text = self.ids.next().hyphenated().encode_lower(id);
            headers.push(Header {
                key: MESSAGE_ID_HEADER,
                value: Some(text.as_bytes()),
            });
        }
        headers
    }
}

fn record<'a>(topic: &'a str, message: &'a Outgoing, headers: &'a [Header<'a>]) -> Record<'a> {
    let mut record = Record::to(topic).headers(headers);
    record.key = message.key.as_deref();
    record.value = message.value.as_deref();
    record.partition = message.partition;
    record.timestamp = message.timestamp;
    record
}
