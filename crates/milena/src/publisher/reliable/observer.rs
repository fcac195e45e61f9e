//! Who is told what becomes of messages, and the metrics callback, one such.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use milena_client::producer::RecordMetadata;

use super::context::DeliveryContext;
use super::counts::DeliveryCounts;
use crate::failure::class_name;
use crate::publisher::PublishError;

/// Is told what becomes of each message, on tasks that publish nothing themselves. A slow
/// observer holds up other calls to it, and, as messages wait to be reported, publishing in
/// the end; it must not block. One that panics is logged, and called again.
///
/// ```
/// use milena::{DeliveryContext, DeliveryObserver, PublishError};
///
/// struct Alarm;
///
/// impl DeliveryObserver for Alarm {
///     fn on_dead_letter(&self, context: &DeliveryContext, dead_letter_topic: &str) {
///         eprintln!("message {} is in {dead_letter_topic}", context.message_id());
///     }
/// }
/// ```
pub trait DeliveryObserver: Send + Sync + 'static {
    /// The topic has the message.
    fn on_success(&self, context: &DeliveryContext, written: &RecordMetadata) {
        let _ = (context, written);
    }

    /// An attempt failed, or the dead letter was refused. With the status
    /// [`Failed`](crate::DeliveryStatus::Failed) that was the end; with
    /// [`Spooled`](crate::DeliveryStatus::Spooled) the message stays in the spool; otherwise
    /// [`on_retry_scheduled`](Self::on_retry_scheduled),
    /// [`on_dead_letter`](Self::on_dead_letter) or [`on_spooled`](Self::on_spooled) follows.
    fn on_failure(&self, context: &DeliveryContext, error: &PublishError) {
        let _ = (context, error);
    }

    /// After `delay` comes the attempt `attempt`, counted from 1.
    fn on_retry_scheduled(&self, context: &DeliveryContext, delay: Duration, attempt: u32) {
        let _ = (context, delay, attempt);
    }

    /// The dead letter topic has the message; the name is with the configured prefix.
    fn on_dead_letter(&self, context: &DeliveryContext, dead_letter_topic: &str) {
        let _ = (context, dead_letter_topic);
    }

    /// The message is in the spool. Its end follows when the cluster is back, be it to the
    /// observer of the next process.
    fn on_spooled(&self, context: &DeliveryContext) {
        let _ = context;
    }

    /// The publisher is closed; nothing follows.
    fn on_shutdown(&self, counts: &DeliveryCounts) {
        let _ = counts;
    }
}

/// For those who keep it as well.
impl<O: DeliveryObserver + ?Sized> DeliveryObserver for Arc<O> {
    fn on_success(&self, context: &DeliveryContext, written: &RecordMetadata) {
        (**self).on_success(context, written);
    }

    fn on_failure(&self, context: &DeliveryContext, error: &PublishError) {
        (**self).on_failure(context, error);
    }

    fn on_retry_scheduled(&self, context: &DeliveryContext, delay: Duration, attempt: u32) {
        (**self).on_retry_scheduled(context, delay, attempt);
    }

    fn on_dead_letter(&self, context: &DeliveryContext, dead_letter_topic: &str) {
        (**self).on_dead_letter(context, dead_letter_topic);
    }

    fn on_spooled(&self, context: &DeliveryContext) {
        (**self).on_spooled(context);
    }

    fn on_shutdown(&self, counts: &DeliveryCounts) {
        (**self).on_shutdown(counts);
    }
}

/// What a metric is about.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct MetricData<'a> {
    /// The topic without prefix; empty for `publisher.closed`.
    pub topic: &'a str,
    /// The attempt, from 1; 0 for `publisher.closed`.
    pub attempt: u32,
    /// `retriable`, `non-retriable` or `terminal` for failures, otherwise empty.
    pub class: &'static str,
    /// How long until the retry; zero otherwise.
    pub delay: Duration,
}

/// Turns what is observed into names and data.
pub(super) struct Metrics<F>(pub(super) F);

impl<F: Fn(&'static str, &MetricData<'_>) + Send + Sync + 'static> Metrics<F> {
    fn tell(&self, name: &'static str, context: &DeliveryContext) {
        self.0(name, &data(context));
    }
}

fn data(context: &DeliveryContext) -> MetricData<'_> {
    MetricData {
        topic: context.topic(),
        attempt: context.attempt_count(),
        class: "",
        delay: Duration::ZERO,
    }
}

impl<F: Fn(&'static str, &MetricData<'_>) + Send + Sync + 'static> DeliveryObserver for Metrics<F> {
    fn on_success(&self, context: &DeliveryContext, _written: &RecordMetadata) {
        self.tell("publisher.delivered", context);
    }

    fn on_failure(&self, context: &DeliveryContext, error: &PublishError) {
        let name = match context.status() {
            super::DeliveryStatus::Failed => "publisher.failed",
            _ => "publisher.attempt_failed",
        };
        let class = class_name(error.class());
        self.0(
            name,
            &MetricData {
                class,
                ..data(context)
            },
        );
    }

    fn on_retry_scheduled(&self, context: &DeliveryContext, delay: Duration, attempt: u32) {
        self.0(
            "publisher.retry_scheduled",
            &MetricData {
                delay,
                attempt,
                ..data(context)
            },
        );
    }

    fn on_dead_letter(&self, context: &DeliveryContext, _dead_letter_topic: &str) {
        self.tell("publisher.dead_lettered", context);
    }

    fn on_spooled(&self, context: &DeliveryContext) {
        self.tell("publisher.spooled", context);
    }

    fn on_shutdown(&self, _counts: &DeliveryCounts) {
        let data = MetricData {
            topic: "",
            attempt: 0,
            class: "",
            delay: Duration::ZERO,
        };
        self.0("publisher.closed", &data);
    }
}

/// The observers of one publisher; mostly none.
#[derive(Default)]
pub(super) struct Observers(pub(super) Vec<Box<dyn DeliveryObserver>>);

impl Observers {
    /// Calls each; what panics is its bug, and costs nobody else their call.
    #[inline]
    pub(super) fn tell(&self, call: impl Fn(&dyn DeliveryObserver)) {
        for observer in &self.0 {
            if catch_unwind(AssertUnwindSafe(|| call(observer.as_ref()))).is_err() {
                tracing::error!(event = "delivery_observer_panicked");
            }
        }
    }
}
