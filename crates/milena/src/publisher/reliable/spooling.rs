//! The part of a message's way that leads through the spool, for a publisher that has one.

use std::sync::atomic::Ordering;

use milena_client::producer::{ProduceError, ProduceErrorKind};

use super::context::{Delivered, DeliveryContext, DeliveryStatus};
use super::schedule::Verdict;
use super::shared::Shared;
use super::spooler::{Item, Offer, Spooler, Way};
use crate::failure::ErrorClass;
use crate::publisher::PublishError;
use crate::publisher::spool::SpoolError;

impl Shared {
    /// Has a new message spooled, unless it turns out that it may be sent.
    pub(super) async fn spool_new(
        &self,
        spooler: &Spooler,
        context: DeliveryContext,
    ) -> Result<Option<DeliveryContext>, PublishError> {
        let mut context = Box::new(context);
        context.trail.attempts = 0;
        while !self.is_closed.load(Ordering::Acquire) {
            let changed = spooler.changed.notified();
            context = match spooler.offer(context, &self.counters) {
                Offer::Send(back) => return Ok(Some(*back)),
                Offer::Queued(written) => {
                    let written = written.await.unwrap_or(Err(SpoolError::Closed));
                    return written.map(|()| None).map_err(PublishError::Spool);
                }
                Offer::Wait(back) => {
                    changed.await;
                    back
                }
            };
        }
        Err(ProduceError::from(ProduceErrorKind::Closed).into())
    }

    /// As [`Shared::divert`], as the cluster is gone.
    pub(super) fn begin_spooling(&self, spooler: &Spooler) {
        if self.divert(spooler) {
            tracing::warn!(
                event = "spool_begun",
                "messages are kept on disk until the cluster is back"
            );
        }
    }

    /// From here on messages go to the spool, those that wait for a retry before all others.
    /// Tells whether they did not before.
    pub(super) fn divert(&self, spooler: &Spooler) -> bool {
        let is_first = spooler.divert();
        for context in self.change(|schedule| schedule.take_waiting()) {
            spooler.push(context, Way::Failed);
        }
        is_first
    }

    /// Diverts messages after a failure that says that the cluster is gone: the last of many,
    /// or one for want of any broker.
    pub(super) fn divert_after(&self, error: &ProduceError, is_breaker_open: bool) {
        let is_gone = is_breaker_open || matches!(error.kind(), ProduceErrorKind::Client(_));
        if let Some(spooler) = &self.spooler
            && is_gone
            && !spooler.is_diverting()
        {
            self.begin_spooling(spooler);
        }
    }

    /// Has a message spooled whose attempt failed, if that is its way; gives it back otherwise.
    pub(super) fn spool_failed(
        &self,
        context: Box<DeliveryContext>,
        error: &ProduceError,
    ) -> Result<(), Box<DeliveryContext>> {
        match &self.spooler {
            Some(spooler) if spooler.is_diverting() && may_pass(error) => {
                self.tell_attempt_failed(&context, error.clone());
                spooler.push(context, Way::Failed);
                Ok(())
            }
            _ => Err(context),
        }
    }

    /// Has a message spooled that neither topic took, if that may help; otherwise it is failed.
    pub(super) fn give_up(
        &self,
        context: Box<DeliveryContext>,
        last: ProduceError,
        dead_letter: Option<Box<PublishError>>,
    ) {
        let may_pass = match dead_letter.as_deref() {
            Some(PublishError::Produce(refusal)) => may_pass(refusal),
            Some(refusal) => refusal.class() == ErrorClass::Retriable,
            None => may_pass(&last),
        };
        let error = PublishError::Undelivered {
            topic: context.message.topic.to_string(),
            attempts: context.trail.attempts,
            last,
            dead_letter,
        };
        match &self.spooler {
            Some(spooler) if may_pass => {
                self.begin_spooling(spooler);
                spooler.push(context, Way::LastResort(Box::new(error)));
            }
            _ => self.fail(context, error),
        }
    }

    /// A message was written to the spool, or not.
    pub(super) fn on_spooled(&self, item: Item, outcome: Result<(), SpoolError>) {
        let Item { context, way } = item;
        match outcome {
            Ok(()) => self.settle_spooled(context, way),
            Err(error) => self.refuse_spooled(context, way, error),
        }
        // Written or not: whoever waits for the queue looks again.
        if let Some(spooler) = &self.spooler {
            spooler.changed.notify_waiters();
        }
    }

    fn refuse_spooled(&self, mut context: Box<DeliveryContext>, way: Way, error: SpoolError) {
        match way {
            // Whoever publishes it hears of it, unless they gave up.
            Way::New(receipt) => {
                self.counters.refuse();
                drop(receipt.send(Err(error)));
            }
            Way::Failed => {
                tracing::error!(event = "spool_refused", message_id = %context.id, %error);
                context.status = DeliveryStatus::Pending;
                self.retry_or_bury(context);
            }
            Way::LastResort(failure) => {
                tracing::error!(event = "spool_refused", message_id = %context.id, %error);
                self.fail(context, *failure);
            }
        }
    }

    fn settle_spooled(&self, mut context: Box<DeliveryContext>, way: Way) {
        context.status = DeliveryStatus::Spooled;
        self.observers
            .tell(|observer| observer.on_spooled(&context));
        // Whoever waits for this message may look at the counts next.
        self.counters.park();
        context.trail.tell(Ok(Delivered::Spooled));
        if let Way::New(receipt) = way {
            let _ = receipt.send(Ok(()));
        }
    }

    /// What becomes of a failed message that the spool does not take: as without one.
    fn retry_or_bury(&self, context: Box<DeliveryContext>) {
        let class = ErrorClass::Retriable;
        let verdict = self
            .schedule()
            .judge(context.trail.attempts, class, fastrand::f64());
        match verdict {
            Verdict::Retry(delay) => self.retry_after(context, delay),
            Verdict::GiveUp => self.change(|schedule| schedule.bury(context)),
        }
    }
}

/// Whether what failed may work later: the cluster is gone, or this publisher is being closed.
pub(super) fn may_pass(error: &ProduceError) -> bool {
    error.is_retriable() || matches!(error.kind(), ProduceErrorKind::Closed)
}
