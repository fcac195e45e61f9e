//! Clients that live as long as a block of code.

use super::consumer::Consumer;
use super::error::DirectError;
use super::producer::Producer;
use crate::config::Config;

/// Connects a producer, lends it to `body`, and flushes and closes it when `body` ends,
/// well or not.
///
/// ```no_run
/// use milena::{Config, DirectError, Outgoing, with_producer};
///
/// # async fn example() -> Result<(), DirectError> {
/// with_producer(Config::from_env()?, async |producer| {
///     producer.send(&Outgoing::to("events").value("user.signup")).await?;
///     Ok::<(), DirectError>(())
/// })
/// .await?;
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// What `body` failed with; else why connecting or closing failed.
pub async fn with_producer<T, E>(
    config: Config,
    body: impl AsyncFnOnce(&Producer) -> Result<T, E>,
) -> Result<T, E>
where
    E: From<DirectError>,
{
    let producer = Producer::new(config);
    producer.connect().await?;
    let result = body(&producer).await;
    let closed = producer.shutdown().await;
    let output = result?;
    closed?;
    Ok(output)
}

/// Connects a consumer, subscribes it to `topics`, lends it to `body`, and shuts it down
/// when `body` ends, well or not. With `enable.auto.commit`, what was handed out is committed;
/// when `body` failed, save for what its last call brought, which comes again.
///
/// ```no_run
/// use milena::{Config, DirectError, with_consumer};
///
/// # async fn example() -> Result<(), DirectError> {
/// let seen = with_consumer(Config::from_env()?, &["events"], async |consumer| {
///     let mut seen = 0;
///     while let Some(message) = consumer.consume_next().await? {
///         println!("{:?}", message.value());
///         seen += 1;
///     }
///     Ok::<usize, DirectError>(seen)
/// })
/// .await?;
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// What `body` failed with; else why connecting, subscribing or the last commit failed.
pub async fn with_consumer<T, E>(
    config: Config,
    topics: &[&str],
    body: impl AsyncFnOnce(&Consumer) -> Result<T, E>,
) -> Result<T, E>
where
    E: From<DirectError>,
{
    let consumer = Consumer::new(config);
    consumer.connect().await?;
    let result = match consumer.subscribe(topics).await {
        Ok(()) => body(&consumer).await,
        Err(error) => Err(error.into()),
    };
    if result.is_err() {
        consumer.give_back();
    }
    let closed = consumer.shutdown().await;
    let output = result?;
    closed?;
    Ok(output)
}
