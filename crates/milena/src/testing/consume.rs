//! Consuming until something comes.

use std::time::Duration;

use tokio::time::Instant;

use crate::direct::{Consumer, DirectError};
use crate::message::Message;

/// Consumes until `is_last` says so of a message, and returns all that came, it included;
/// after `timeout`, what came until then.
///
/// ```
/// # #[tokio::main]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use std::time::Duration;
/// use milena::testing::{TestBroker, consume_until};
/// use milena::{Consumer, Outgoing, Publisher};
///
/// let broker = TestBroker::start().await?;
/// let publisher = Publisher::new(&broker.config("test")?)?;
/// for value in ["a", "b", "end"] {
///     publisher.send(&Outgoing::to("orders").partition(0).value(value)).await?;
/// }
/// let consumer = Consumer::new(broker.config("test")?);
/// consumer.connect().await?;
/// consumer.subscribe(["orders"]).await?;
/// let is_end = |message: &milena::Message| message.value() == Some(b"end");
/// let came = consume_until(&consumer, is_end, Duration::from_secs(10)).await?;
/// assert_eq!(came.len(), 3);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// As [`Consumer::poll`].
pub async fn consume_until(
    consumer: &Consumer,
    mut is_last: impl FnMut(&Message) -> bool,
    timeout: Duration,
) -> Result<Vec<Message>, DirectError> {
    let deadline = Instant::now() + timeout;
    let mut came = Vec::new();
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let Some(message) = consumer.next_within(left).await? else {
            return Ok(came);
        };
        let is_over = is_last(&message);
        came.push(message);
        if is_over {
            return Ok(came);
        }
    }
}
