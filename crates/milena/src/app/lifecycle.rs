//! Hooks: what of an application's life others may be told.
//!
//! Owns the trait and calling it; a hook that panics is logged and harms nothing. Without
//! hooks the cost is a look at the length of an empty list.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use milena_client::TopicPartition;

use super::error::AppError;
use super::failed::Ended;
use crate::config::TopicPrefix;
use crate::failure::HandlerError;
use crate::message::Message;

/// Told of an application's life: [`App::lifecycle`](crate::App::lifecycle). Each method
/// does nothing by default.
///
/// The methods are called where things happen, and hold them up: they should return
/// quickly, and leave work to a task. Topics are named without the configured prefix.
///
/// ```
/// use milena::{AppError, Lifecycle, TopicPartition};
///
/// struct Log;
///
/// impl Lifecycle for Log {
///     fn partitions_assigned(&self, partitions: &[TopicPartition]) {
///         println!("ours now: {partitions:?}");
///     }
///
///     fn stopped(&self, result: Result<(), &AppError>) {
///         println!("over: {result:?}");
///     }
/// }
/// ```
pub trait Lifecycle: Send + Sync + 'static {
    /// The configuration is checked; nothing is connected yet.
    fn creating(&self) {}

    /// The cluster answered, and the consumer is made.
    fn created(&self) {}

    /// The topics are subscribed to; partitions come when the group has rebalanced.
    fn subscribed(&self, topics: &[String]) {
        let _ = topics;
    }

    /// Records of these partitions come from now on.
    fn partitions_assigned(&self, partitions: &[TopicPartition]) {
        let _ = partitions;
    }

    /// These partitions go to other members. What was handled of them is committed, unless the
    /// cluster did not take that in time ([`Progress::commits_failed`](crate::Progress::commits_failed)):
    /// then it is handled again.
    fn partitions_revoked(&self, partitions: &[TopicPartition]) {
        let _ = partitions;
    }

    /// These partitions were somebody else's before they could be given up.
    fn partitions_lost(&self, partitions: &[TopicPartition]) {
        let _ = partitions;
    }

    /// A record is about to be handled for the first time since it was fetched.
    fn message_received(&self, message: &Message) {
        let _ = message;
    }

    /// An attempt to handle a record failed; it may be tried again.
    fn message_failed(&self, message: &Message, error: &HandlerError) {
        let _ = (message, error);
    }

    /// A record is at its end, or was given back. In batches, each record for itself.
    fn message_ended(&self, message: &Message, end: MessageEnd) {
        let _ = (message, end);
    }

    /// These offsets are committed, each that of the next record to handle. Told of what
    /// is committed while the application runs, not of the last commit when it stops.
    fn committed(&self, offsets: &[(TopicPartition, i64)]) {
        let _ = offsets;
    }

    /// All there is of a partition has been fetched; `next_offset` is that of the record
    /// to come. Handlers may still be at what was fetched. Told again when records came
    /// after it.
    fn partition_end(&self, partition: &TopicPartition, next_offset: i64) {
        let _ = (partition, next_offset);
    }

    /// No further record is begun; handlers and jobs finish.
    fn stopping(&self) {}

    /// The application has ended.
    fn stopped(&self, result: Result<(), &AppError>) {
        let _ = result;
    }
}

/// How the handling of a record ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum MessageEnd {
    /// The handler succeeded.
    Handled,
    /// It is in the dead letter topic, acknowledged.
    DeadLettered,
    /// It failed for good, and nothing is kept of it:
    /// [`skip_on_failure`](crate::TopicHandler::skip_on_failure),
    /// [`HandlerError::skip`].
    Skipped,
    /// It waits in the retry topic, and will be handled from there.
    Moved,
    /// It was given up because the application stops, the partition goes, or its topic is
    /// paused and it held up others in the retry topic; it will be handled again.
    GivenBack,
}

/// The hooks of an application, in the order they were added.
#[derive(Clone, Default)]
pub(super) struct Hooks {
    list: Arc<Vec<Arc<dyn Lifecycle>>>,
}

impl Hooks {
    pub(super) fn add(&mut self, hook: impl Lifecycle) {
        Arc::make_mut(&mut self.list).push(Arc::new(hook));
    }

    /// The message, if somebody wants to be told how it ends.
    #[inline]
    pub(super) fn keep(&self, message: &Message) -> Option<Box<Message>> {
        if self.list.is_empty() {
            return None;
        }
        self.tell_all(|hook| hook.message_received(message));
        Some(Box::new(message.clone()))
    }

    /// As [`Hooks::keep`], of a record that was told of before.
    pub(super) fn keep_quietly(&self, message: &Message) -> Option<Box<Message>> {
        (!self.list.is_empty()).then(|| Box::new(message.clone()))
    }

    /// A record that was [kept](Hooks::keep) ended.
    #[inline]
    pub(super) fn ended(&self, kept: Option<Box<Message>>, end: Ended) {
        if let Some(message) = kept {
            self.tell_all(|hook| hook.message_ended(&message, end.told()));
        }
    }

    /// An attempt failed.
    pub(super) fn failed(&self, message: &Message, error: &HandlerError) {
        self.tell(|hook| hook.message_failed(message, error));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Tells every hook.
    #[inline]
    pub(super) fn tell(&self, what: impl Fn(&dyn Lifecycle)) {
        if !self.list.is_empty() {
            self.tell_all(what);
        }
    }

    #[cold]
    fn tell_all(&self, what: impl Fn(&dyn Lifecycle)) {
        for hook in self.list.iter() {
            if catch_unwind(AssertUnwindSafe(|| what(hook.as_ref()))).is_err() {
                tracing::error!(event = "lifecycle_hook_panicked");
            }
        }
    }
}

/// Partitions as the cluster names them, without the prefix.
pub(super) fn without_prefix(
    partitions: &[TopicPartition],
    prefix: &TopicPrefix,
) -> Vec<TopicPartition> {
    let strip = |one: &TopicPartition| TopicPartition::new(prefix.shown(&one.topic), one.partition);
    partitions.iter().map(strip).collect()
}
