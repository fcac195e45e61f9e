//! Publishes the demo's events, many on their way at once.

use milena::{Outgoing, PublishError, Publisher};

use super::handler::{FAILURES_HEADER, NUMBER_HEADER, PUBLISHED_HEADER, process_time};
use super::plan::Event;

/// Publishes all events in order and waits until the broker has every one.
pub(super) async fn all(
    publisher: &Publisher,
    topic: &str,
    events: &[Event],
) -> Result<(), PublishError> {
    let mut deliveries = Vec::with_capacity(events.len());
    for (number, event) in events.iter().enumerate() {
        let mut message = Outgoing::to(topic.to_owned())
            .value(event.value.clone())
            .header(NUMBER_HEADER, number.to_string())
            .header(FAILURES_HEADER, event.fault.failures().to_string())
            .header(PUBLISHED_HEADER, process_time().as_nanos().to_string());
        if let Some(key) = &event.key {
            message = message.key(key.clone());
        }
        deliveries.push(publisher.enqueue(&message).await?);
    }
    for delivery in deliveries {
        delivery.await?;
    }
    Ok(())
}
