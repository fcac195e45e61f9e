//! A topic's handler with everything it runs with, its type erased.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use tokio::sync::mpsc;
use tower::Service;

use super::attempts;
use super::batch::QueuedBatch;
use super::batch_worker::{self, Alone, BatchSize};
use super::concurrency::Concurrency;
use super::error::AppError;
use super::exactly_once::{self, Transactions};
use super::failed::Ended;
use super::gate::Gate;
use super::lifecycle::Hooks;
use super::progress::Progress;
use super::retry_topic::RetryTopic;
use super::seat_offsets::SeatOffsets;
use super::stop::StopFlag;
use super::worker;
use crate::batch_handler::CallBatch;
use crate::dead_letter::History;
use crate::failure::IntoHandlerError;
use crate::message::Message;
use crate::publisher::DeadLetters;
use crate::retry::Retry;
use crate::telemetry::Handling;

/// What an application does with the records of one topic.
pub(super) trait Route: Send + Sync {
    /// Handles the records of one partition until its seat is told to stop.
    fn work(&self, context: Arc<RouteContext>, seat: Seat) -> BoxFuture<'static, ()>;

    /// Handles a record that comes back from the retry topic.
    fn handle_again(
        &self,
        context: Arc<RouteContext>,
        message: Message,
        history: History,
        stop: Arc<StopFlag>,
    ) -> BoxFuture<'static, Ended>;
}

/// A service as a route.
pub(super) struct ServiceRoute<Svc> {
    pub(super) service: Svc,
}

impl<Svc> Route for ServiceRoute<Svc>
where
    Svc: Service<Message, Response = (), Error: IntoHandlerError, Future: Send>
        + Clone
        + Send
        + Sync
        + 'static,
{
    fn work(&self, context: Arc<RouteContext>, seat: Seat) -> BoxFuture<'static, ()> {
        let service = self.service.clone();
        if let Some(transactions) = context.transactions.clone() {
            return Box::pin(exactly_once::one_by_one(
                service,
                context,
                transactions,
                seat,
            ));
        }
        match context.concurrency {
            Concurrency::Partition => Box::pin(worker::one_by_one(service, context, seat)),
            Concurrency::PerKey(limit) => Box::pin(worker::side_by_side(
                service,
                context,
                seat,
                limit,
                worker::Order::PerKey,
            )),
            Concurrency::Unordered(limit) => Box::pin(worker::side_by_side(
                service,
                context,
                seat,
                limit,
                worker::Order::None,
            )),
        }
    }

    fn handle_again(
        &self,
        context: Arc<RouteContext>,
        message: Message,
        history: History,
        stop: Arc<StopFlag>,
    ) -> BoxFuture<'static, Ended> {
        let mut service = self.service.clone();
        Box::pin(async move {
            attempts::handle_again(&mut service, message, history, &context, &stop).await
        })
    }
}

/// A batch handler as a route.
pub(super) struct BatchRoute {
    pub(super) handler: Arc<dyn CallBatch>,
    pub(super) size: BatchSize,
}

impl Route for BatchRoute {
    fn work(&self, context: Arc<RouteContext>, seat: Seat) -> BoxFuture<'static, ()> {
        let handler = self.handler.clone();
        Box::pin(batch_worker::in_batches(handler, self.size, context, seat))
    }

    fn handle_again(
        &self,
        context: Arc<RouteContext>,
        message: Message,
        history: History,
        stop: Arc<StopFlag>,
    ) -> BoxFuture<'static, Ended> {
        let mut alone = Alone(self.handler.clone());
        Box::pin(async move {
            attempts::handle_again(&mut alone, message, history, &context, &stop).await
        })
    }
}

/// What becomes of the records of a topic that failed for good.
pub(super) enum LastResort {
    DeadLetter(Box<DeadLetters>),
    /// They are counted.
    Skip,
    /// The application stops over them.
    Stop,
}

/// What the workers of a topic share.
pub(super) struct RouteContext {
    /// As handlers see it: without the prefix.
    pub(super) topic: Arc<str>,
    pub(super) retry: Retry,
    pub(super) concurrency: Concurrency,
    pub(super) last_resort: LastResort,
    /// `None`: what is tried again is so in place.
    pub(super) retry_topic: Option<RetryTopic>,
    /// `None`: failures never pause the topic.
    pub(super) gate: Option<Arc<Gate>>,
    /// `None`: records count at least once.
    pub(super) transactions: Option<Arc<Transactions>>,
    pub(super) progress: Progress,
    pub(super) hooks: Hooks,
    /// What logs and traces say of the topic's records.
    pub(super) handling: Handling,
    /// Takes what stops the application.
    pub(super) failures: mpsc::Sender<AppError>,
}

impl RouteContext {
    /// Whether what the handler depends on is taken to be down.
    pub(super) fn is_paused(&self) -> bool {
        self.gate.as_ref().is_some_and(|gate| !gate.is_open())
    }

    /// Stops the application.
    pub(super) fn fail(&self, error: AppError) {
        fail(&self.failures, error);
    }
}

/// Stops the application that listens to `failures`.
pub(super) fn fail(failures: &mpsc::Sender<AppError>, error: AppError) {
    tracing::error!(event = "app_failure", %error);
    // Full or closed: the application is stopping over an earlier failure.
    let _ = failures.try_send(error);
}

/// A worker's place at a partition.
pub(super) struct Seat {
    pub(super) partition: i32,
    pub(super) batches: mpsc::Receiver<QueuedBatch>,
    pub(super) stop: Arc<StopFlag>,
    pub(super) offsets: Arc<SeatOffsets>,
}
