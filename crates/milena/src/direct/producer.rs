//! A producer that is connected and shut down by hand.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use milena_client::Client;
use milena_client::producer::RecordMetadata;
use tokio::sync::OnceCell;

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
    connected: OnceCell<Connected>,
    is_shut_down: AtomicBool,
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
            connected: OnceCell::new(),
            is_shut_down: AtomicBool::new(false),
        }
    }

    /// Connects, trying as often as `start.attempts` says; does nothing when it is
    /// connected.
    ///
    /// # Errors
    /// [`DirectError::ConnectionFailed`], [`DirectError::Config`],
    /// [`DirectError::ShutDown`].
    pub async fn connect(&self) -> Result<(), DirectError> {
        self.check_usable()?;
        let made = self.connected.get_or_try_init(|| Box::pin(self.make()));
        made.await.map(|_| ())
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
        Ok(&self.connected()?.publisher)
    }

    /// Waits until everything taken before is settled.
    ///
    /// # Errors
    /// [`DirectError::Publish`] when that takes longer than `timeout`; nothing is lost by
    /// it.
    pub async fn flush(&self, timeout: Duration) -> Result<(), DirectError> {
        Ok(self.publisher()?.flush(timeout).await?)
    }

    /// Whether messages are taken: connected and not shut down. Whether they would arrive
    /// is what [`Producer::check_connection`] finds out.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        self.connected().is_ok()
    }

    /// Asks the cluster for a sign of life, once.
    ///
    /// # Errors
    /// [`DirectError::Client`] with why no broker answered;
    /// [`DirectError::ProducerNotConnected`], [`DirectError::ShutDown`].
    pub async fn check_connection(&self) -> Result<(), DirectError> {
        Ok(self.connected()?.client.check_connection().await?)
    }

    /// Takes nothing more, waits until everything taken is settled, and closes the
    /// connections. A second call does nothing.
    ///
    /// # Errors
    /// [`DirectError::Publish`] when something was not settled within
    /// `delivery.timeout.ms`.
    pub async fn shutdown(&self) -> Result<(), DirectError> {
        if self.is_shut_down.swap(true, Ordering::AcqRel) {
            return Ok(());
        }
        let Some(connected) = self.connected.get() else {
            return Ok(());
        };
        let closed: Result<(), PublishError> = connected.publisher.close().await;
        connected.client.close().await;
        Ok(closed?)
    }

    fn check_usable(&self) -> Result<(), DirectError> {
        if self.is_shut_down.load(Ordering::Acquire) {
            return Err(DirectError::ShutDown { client: "producer" });
        }
        Ok(())
    }

    fn connected(&self) -> Result<&Connected, DirectError> {
        self.check_usable()?;
        self.connected
            .get()
            .ok_or(DirectError::ProducerNotConnected)
    }
}
