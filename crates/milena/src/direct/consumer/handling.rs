//! Having handlers called for what a consumer brings.
//!
//! Owns which message is in hand: one whose handler failed stays there, and comes again.

use std::sync::atomic::Ordering;
use std::time::Duration;

use super::{Connected, Consumer};
use crate::direct::error::DirectError;
use crate::failure::HandlerError;
use crate::handler::Handler;
use crate::message::Message;
use crate::telemetry::Handling;

impl Consumer {
    /// Has [`Consumer::consume`] call `handler` for the messages of `topic`, in the place of
    /// the one it had. A handler is as an application's; see [`Handler`].
    pub fn register<H, Arguments>(&self, topic: impl AsRef<str>, handler: H)
    where
        H: Handler<Arguments, (), Future: 'static>,
    {
        self.register_with(topic, handler, ());
    }

    /// As [`Consumer::register`], with what the handler finds in
    /// [`State`](crate::State).
    pub fn register_with<H, Arguments, S>(&self, topic: impl AsRef<str>, handler: H, state: S)
    where
        H: Handler<Arguments, S, Future: 'static>,
        S: Send + Sync + 'static,
    {
        let topic = topic.as_ref();
        let handling = Handling {
            topic: self.config.topic_name(topic).into(),
            group: self.config.group_id().unwrap_or_default().into(),
            client_id: self.config.numbered_client_id().into(),
            mode: self.config.trace_mode,
        };
        self.handlers.register(topic, handling, handler, state);
    }

    /// Handles the messages that are there, at most `max.poll.records` of them, one after
    /// the other, waiting up to `timeout` for the first; says how many. Subscribes to the
    /// registered topics, those registered later too, unless [`Consumer::subscribe`] was
    /// called.
    ///
    /// With `enable.auto.commit`, what was handled is committed within
    /// `commit.interval.ms`, and on shutdown; a message whose handler failed, or was
    /// cancelled with this call, is not, and comes again with the next call, unless its
    /// partition went to another member. Messages of a topic without a handler, and those whose
    /// handler says so ([`HandlerError::skip`]), are logged, counted and passed over.
    ///
    /// # Errors
    /// [`DirectError::Handler`] when a handler fails; else as [`Consumer::consume_next`].
    pub async fn consume(&self, timeout: Duration) -> Result<usize, DirectError> {
        let mut turn = self.turn.lock().await;
        if !self.is_subscribed_by_hand.load(Ordering::Acquire)
            && let Some(topics) = self.handlers.topics_unless(&turn.followed)
        {
            self.subscribe_to(&topics).await?;
            turn.followed = topics;
        }
        let connected = self.subscribed()?;
        if let Some(error) = turn.trouble.take() {
            return Err(error);
        }
        let mut patience = timeout;
        let mut handled = 0;
        while handled < connected.poll_records_max {
            let message = match self.next_in_hand(connected, patience).await {
                Ok(Some(message)) => message,
                Ok(None) => break,
                Err(error) if handled == 0 => return Err(error),
                // What was handled is news first.
                Err(error) => {
                    turn.trouble = Some(error);
                    break;
                }
            };
            match self.handlers.find(message.topic()) {
                Some(handler) => match handler.handle(&message).await {
                    Ok(()) => {}
                    Err(error) if error.is_skipped() => self.note_skipped(&message, &error),
                    Err(error) => return Err(self.failed(message, error)),
                },
                None => self.note_unhandled(&message),
            }
            self.in_hand().take();
            handled += 1;
            patience = Duration::ZERO;
        }
        Ok(handled)
    }

    /// The message that is to be handled again, or else the next one.
    async fn next_in_hand(
        &self,
        connected: &Connected,
        timeout: Duration,
    ) -> Result<Option<Message>, DirectError> {
        let held = self.held(connected);
        if held.is_some() {
            return Ok(held);
        }
        let next = self.fetch_next(connected, timeout).await?;
        self.in_hand().clone_from(&next);
        Ok(next)
    }

    /// The message stays in hand, for its next attempt.
    fn failed(&self, message: Message, error: HandlerError) -> DirectError {
        if let Some(held) = self.in_hand().as_mut() {
            held.begin_again();
        }
        DirectError::Handler {
            topic: message.topic().clone(),
            partition: message.partition(),
            offset: message.offset(),
            error,
        }
    }

    fn note_unhandled(&self, message: &Message) {
        self.unhandled.fetch_add(1, Ordering::Relaxed);
        tracing::warn!(
            event = "message_without_handler",
            topic = %message.topic(),
            partition = message.partition(),
            offset = message.offset(),
        );
    }

    fn note_skipped(&self, message: &Message, error: &HandlerError) {
        self.skipped.fetch_add(1, Ordering::Relaxed);
        tracing::warn!(
            event = "record_skipped",
            topic = %message.topic(),
            partition = message.partition(),
            offset = message.offset(),
            code = error.code(),
            %error,
        );
    }

    /// Messages that a handler had skipped, with [`HandlerError::skip`].
    #[must_use]
    pub fn skipped(&self) -> u64 {
        self.skipped.load(Ordering::Relaxed)
    }

    /// Messages of topics without a handler that [`Consumer::consume`] passed over.
    #[must_use]
    pub fn unhandled(&self) -> u64 {
        self.unhandled.load(Ordering::Relaxed)
    }
}
