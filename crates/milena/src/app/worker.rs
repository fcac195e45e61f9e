//! The workers: one task a partition that has its records handled and says how far it is.
//!
//! Owns the loop over batches and records. What becomes of a single record is decided in
//! `attempts`; what is committed and when, elsewhere.

use std::sync::Arc;

use bytes::Bytes;
use tokio::task::JoinSet;
use tower::Service;

use super::admission::Admission;
use super::attempts::handle_to_end;
use super::batch::{OpenBatch, QueuedBatch};
use super::error::AppError;
use super::failed::Ended;
use super::route::{RouteContext, Seat};
use crate::commit::Watermark;
use crate::failure::IntoHandlerError;
use crate::message::Message;

/// Whether records of one key wait for one another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    PerKey,
    None,
}

/// Handles a partition's records one after the other, in this task.
pub(super) async fn one_by_one<Svc>(mut service: Svc, context: Arc<RouteContext>, mut seat: Seat)
where
    Svc: Service<Message, Response = (), Error: IntoHandlerError, Future: Send> + Send,
{
    let topic = own_topic(&context);
    while let Some(batch) = next_batch(&mut seat).await {
        let next_offset = batch.next_offset();
        let mut messages = batch.into_messages(topic.clone());
        let mut handled = 0;
        let is_finished = loop {
            if seat.stop.is_raised() {
                break false;
            }
            let message = match messages.next() {
                None => break true,
                Some(Ok(message)) => message,
                Some(Err(error)) => {
                    context.fail(AppError::Client(error));
                    break false;
                }
            };
            let offset = message.offset();
            match handle_to_end(&mut service, message, &context, &seat.stop).await {
                Ended::Handled => handled += 1,
                Ended::GivenBack => break false,
                ended => context.progress.add_ended(ended),
            }
            seat.offsets.set_done(offset + 1);
        };
        context.progress.add_handled(handled);
        if !is_finished {
            return;
        }
        seat.offsets.set_done(next_offset);
    }
}

/// A copy of the topic's name of the worker's own: messages count references to it, and
/// workers that share one would slow each other down.
pub(super) fn own_topic(context: &RouteContext) -> Arc<str> {
    Arc::from(&*context.topic)
}

/// The next batch, unless told to stop.
async fn next_batch(seat: &mut Seat) -> Option<QueuedBatch> {
    tokio::select! {
        biased;
        () = seat.stop.raised() => None,
        batch = seat.batches.recv() => batch,
    }
}

/// Handles up to `limit` records of a partition at once, each in a task of its own.
pub(super) async fn side_by_side<Svc>(
    service: Svc,
    context: Arc<RouteContext>,
    seat: Seat,
    limit: usize,
    order: Order,
) where
    Svc: Service<Message, Response = (), Error: IntoHandlerError, Future: Send>
        + Clone
        + Send
        + 'static,
{
    let workplace = SideBySide {
        service,
        topic: own_topic(&context),
        context,
        seat,
        order,
        admission: Admission::new(limit),
        watermark: Watermark::default(),
        running: JoinSet::new(),
        open: None,
    };
    workplace.run().await;
}

/// A partition whose records are handled side by side.
struct SideBySide<Svc> {
    service: Svc,
    topic: Arc<str>,
    context: Arc<RouteContext>,
    seat: Seat,
    order: Order,
    admission: Admission<Message>,
    watermark: Watermark,
    running: JoinSet<(Option<Bytes>, i64, Ended)>,
    open: Option<OpenBatch>,
}

impl<Svc> SideBySide<Svc>
where
    Svc: Service<Message, Response = (), Error: IntoHandlerError, Future: Send>
        + Clone
        + Send
        + 'static,
{
    async fn run(mut self) {
        while !self.seat.stop.is_raised() && self.admit() {
            self.start();
            let wants_batch = self.open.is_none() && self.admission.has_room();
            tokio::select! {
                biased;
                () = self.seat.stop.raised() => break,
                Some(joined) = self.running.join_next() => {
                    if !self.finish(joined) {
                        break;
                    }
                }
                batch = self.seat.batches.recv(), if wants_batch => match batch {
                    Some(batch) => self.open = Some(OpenBatch::new(batch, self.topic.clone())),
                    None => break,
                },
            }
        }
        // Those that run may finish; whoever told us to stop limits how long.
        while let Some(joined) = self.running.join_next().await {
            self.finish(joined);
        }
    }

    /// Offers records while there is room; false on a batch that cannot be read.
    fn admit(&mut self) -> bool {
        while let Some(open) = &mut self.open
            && self.admission.has_room()
        {
            match open.messages.next() {
                Some(Ok(message)) => {
                    self.watermark.start(message.offset());
                    let key = match self.order {
                        Order::PerKey => message.key_bytes(),
                        Order::None => None,
                    };
                    self.admission.offer(key, message);
                }
                Some(Err(error)) => {
                    self.context.fail(AppError::Client(error));
                    return false;
                }
                None => {
                    self.watermark.skip_to(open.next_offset);
                    self.open = None;
                }
            }
        }
        self.publish_watermark();
        true
    }

    fn start(&mut self) {
        while let Some((key, message)) = self.admission.start() {
            let mut service = self.service.clone();
            let context = self.context.clone();
            let stop = self.seat.stop.clone();
            self.running.spawn(async move {
                let offset = message.offset();
                let ended = handle_to_end(&mut service, message, &context, &stop).await;
                (key, offset, ended)
            });
        }
    }

    /// Notes that a record ended; false when it was given back, or its task died.
    fn finish(
        &mut self,
        joined: Result<(Option<Bytes>, i64, Ended), tokio::task::JoinError>,
    ) -> bool {
        let Ok((key, offset, ended)) = joined else {
            return false;
        };
        if ended == Ended::GivenBack {
            return false;
        }
        self.context.progress.add_ended(ended);
        self.admission.finish(key);
        self.watermark.finish(offset);
        self.publish_watermark();
        true
    }

    fn publish_watermark(&self) {
        if let Some(next_offset) = self.watermark.committable() {
            self.seat.offsets.set_done(next_offset);
        }
    }
}
