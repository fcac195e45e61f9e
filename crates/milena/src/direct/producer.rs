//! A producer that is connected and shut down by hand.

use std::time::Duration;

use milena_client::Client;
use milena_client::producer::RecordMetadata;

use super::connection::{Connection, Kind};
use super::error::DirectError;
use crate::config::Config;
use crate::connect::connect;
use crate::publisher::{Outgoing, PublishError, Publisher};

/// Publishes messages, and says so when it cannot: unlike a [`Publisher`], which connects
/// when it is first used, it is connected by hand, and that proves the way to the cluster.
///
/// ```no_run
/// use std::time::Duration;
/// use milena::{Config, Outgoing, Producer};
///
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let producer = Producer::new(Config::from_env()?);
/// producer.connect().await?;
/// let written = producer.send(&Outgoing::to("orders").key("7").value("{}")).await?;
/// println!("{:?} {:?}", written.partition(), written.offset());
/// producer.shutdown().await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Producer {
    config: Config,
    connection: Connection<Connected>,
}

#[derive(Debug)]
struct Connected {
    client: Client,
    publisher: Publisher,
}

impl Producer {
    /// A producer that is not connected yet.
    #[must_use]
    pub fn new(config: Config) -> Producer {
        Producer {
            config,
            connection: Connection::new(Kind::Producer),
        }
    }

    /// Connects, trying as often as `start.attempts` says; does nothing when it is
    /// connected.
    ///
    /// # Errors
    /// [`DirectError::ConnectionFailed`], [`DirectError::Config`],
    /// [`DirectError::ShutDown`].
    pub async fn connect(&self) -> Result<(), DirectError> {
        self.connection.open(Box::pin(self.make())).await
    }

    async fn make(&self) -> Result<Connected, DirectError> {
        let client = Client::new(self.config.client_config()?)?;
        connect(&client, &self.config).await?;
        let publisher = Publisher::with_client(&client, &self.config)?;
        Ok(Connected { client, publisher })
    }

    /// Publishes a message and waits until the cluster has it, at most
    /// `delivery.timeout.ms`.
    ///
    /// # Errors
    /// [`DirectError::Publish`], [`DirectError::ProducerNotConnected`],
    /// [`DirectError::ShutDown`].
    pub async fn send(&self, message: &Outgoing) -> Result<RecordMetadata, DirectError> {
        Ok(self.publisher()?.send(message).await?)
    }

    /// As [`Producer::send`], waiting for at most `timeout`. A message that is late may
    /// still be written.
    ///
    /// # Errors
    /// As [`Producer::send`]; [`DirectError::Client`] with a timeout.
    pub async fn send_within(
        &self,
        message: &Outgoing,
        timeout: Duration,
    ) -> Result<RecordMetadata, DirectError> {
        match tokio::time::timeout(timeout, self.send(message)).await {
            Ok(sent) => sent,
            Err(_) => Err(DirectError::Client(milena_client::Error::Timeout {
                what: format!("a message to {:?}", message.topic()),
                after: timeout,
            })),
        }
    }

    /// What else can be done with a publisher: deliveries as handles, reliable publishing.
    ///
    /// # Errors
    /// [`DirectError::ProducerNotConnected`], [`DirectError::ShutDown`].
    pub fn publisher(&self) -> Result<&Publisher, DirectError> {
        Ok(&self.connection.get()?.publisher)
    }

    /// Waits until everything taken before is settled; with `None` for as long as
    /// `flush.timeout.ms` says.
    ///
    /// # Errors
    /// [`DirectError::Publish`] when that takes longer than `timeout`; nothing is lost by
    /// it.
    pub async fn flush(&self, timeout: impl Into<Option<Duration>>) -> Result<(), DirectError> {
        Ok(self.publisher()?.flush(timeout).await?)
    }

    /// Whether messages are taken: connected and not shut down. Whether they would arrive
    /// is what [`Producer::check_connection`] finds out.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        self.connection.is_open()
    }

    /// Asks the cluster for a sign of life, once.
    ///
    /// # Errors
    /// [`DirectError::Client`] with why no broker answered;
    /// [`DirectError::ProducerNotConnected`], [`DirectError::ShutDown`].
    pub async fn check_connection(&self) -> Result<(), DirectError> {
        Ok(self.connection.get()?.client.check_connection().await?)
    }

    /// Takes nothing more, waits until everything taken is settled, and closes the
    /// connections. A second call does nothing.
    ///
    /// # Errors
    /// [`DirectError::Publish`] when something was not settled within
    /// `delivery.timeout.ms`.
    pub async fn shutdown(&self) -> Result<(), DirectError> {
        let Some(connected) = self.connection.shut_down() else {
            return Ok(());
        };
        let closed: Result<(), PublishError> = connected.publisher.close().await;
        connected.client.close().await;
        Ok(closed?)
    }
}
