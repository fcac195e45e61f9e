//! The worker of a partition whose records count exactly once.
//!
//! Owns when a transaction is made; making it is `ledger`'s.

use std::pin::pin;
use std::sync::Arc;

use tokio::time::Instant;
use tower::Service;

use super::ledger::{Ledger, Onward};
use super::limits::AGAIN;
use super::transactor::{Transactions, Transactor};
use crate::app::attempts::handle_to_end;
use crate::app::batch::OpenBatch;
use crate::app::error::AppError;
use crate::app::failed::{Ended, sleep_unless_stopped};
use crate::app::route::{RouteContext, Seat};
use crate::app::worker::own_topic;
use crate::extract::Outbox;
use crate::failure::IntoHandlerError;
use crate::message::Message;

/// Handles a partition's records one after the other.
pub(in crate::app) async fn one_by_one<Svc>(
    service: Svc,
    context: Arc<RouteContext>,
    transactions: Arc<Transactions>,
    seat: Seat,
) where
    Svc: Service<Message, Response = (), Error: IntoHandlerError, Future: Send> + Send,
{
    let partition = seat.partition;
    let Some((transactor, committed)) = take_over(&transactions, partition, &context, &seat).await
    else {
        return;
    };
    let ledger = Ledger::new(
        transactions.id(partition),
        transactor,
        committed,
        &context,
        &seat,
    );
    let worker = Worker {
        service,
        topic: own_topic(&context),
        skip_to: committed.unwrap_or(0),
        ledger,
        context,
        seat,
    };
    worker.run().await;
}

/// Shuts the former owner out, then finds out how far it came.
async fn take_over(
    transactions: &Arc<Transactions>,
    partition: i32,
    context: &RouteContext,
    seat: &Seat,
) -> Option<(Transactor, Option<i64>)> {
    let id = transactions.id(partition);
    for failures in 1.. {
        let error = match transactions.connect(partition).await {
            Ok(transactor) => match transactor.committed().await {
                Ok(committed) => return Some((transactor, committed)),
                Err(error) if error.is_retriable() => error.to_string(),
                Err(error) => {
                    context.fail(AppError::Client(error));
                    return None;
                }
            },
            Err(error) if error.is_fatal() => {
                context.fail(AppError::Transaction {
                    transactional_id: id,
                    source: Box::new(error),
                });
                return None;
            }
            Err(error) => error.to_string(),
        };
        tracing::warn!(event = "transactions_not_ready", transactional_id = %id, %error);
        let delay = AGAIN.delay_after(failures, fastrand::f64());
        if !sleep_unless_stopped(delay.unwrap_or_default(), &seat.stop).await {
            return None;
        }
    }
    None
}

struct Worker<Svc> {
    service: Svc,
    topic: Arc<str>,
    context: Arc<RouteContext>,
    seat: Seat,
    /// What is before was committed by the former owner.
    skip_to: i64,
    ledger: Ledger,
}

impl<Svc> Worker<Svc>
where
    Svc: Service<Message, Response = (), Error: IntoHandlerError, Future: Send> + Send,
{
    async fn run(mut self) {
        loop {
            tokio::select! {
                biased;
                () = self.seat.stop.raised() => break,
                batch = self.seat.batches.recv() => {
                    let Some(batch) = batch else { break };
                    let batch = OpenBatch::new(batch, self.topic.clone());
                    if self.handle(batch).await == Onward::No {
                        break;
                    }
                }
                () = reached(self.ledger.deadline()) => {
                    if self.ledger.commit().await == Onward::No {
                        break;
                    }
                }
            }
        }
        // What is handled counts, whoever goes on from here.
        if self.ledger.deadline().is_some() {
            self.ledger.commit().await;
        }
        self.ledger.close().await;
    }

    /// Handles the records of a batch, and commits whenever that is due.
    async fn handle(&mut self, mut batch: OpenBatch) -> Onward {
        for message in batch.messages.by_ref() {
            let message = match message {
                Ok(message) => message,
                Err(error) => {
                    self.context.fail(AppError::Client(error));
                    return Onward::No;
                }
            };
            if self.seat.stop.is_raised() {
                return Onward::No;
            }
            if message.offset() >= self.skip_to && self.handle_one(message).await == Onward::No {
                return Onward::No;
            }
        }
        self.ledger.skip_to(batch.next_offset);
        let deadline = self.ledger.deadline();
        if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
            // More batches may be waiting than there is time for.
            return self.ledger.commit().await;
        }
        Onward::Yes
    }

    async fn handle_one(&mut self, mut message: Message) -> Onward {
        let outbox = Outbox::new();
        message = message.with_outbox(outbox.clone());
        let handling = handle_to_end(
            &mut self.service,
            message.clone(),
            &self.context,
            &self.seat.stop,
        );
        let mut handling = pin!(handling);
        // A record that takes long, or is tried again, holds up none that are done.
        let ended = loop {
            tokio::select! {
                biased;
                ended = &mut handling => break ended,
                () = reached(self.ledger.deadline()) => {
                    if self.ledger.commit().await == Onward::No {
                        return Onward::No;
                    }
                }
            }
        };
        if ended == Ended::GivenBack {
            return Onward::No;
        }
        self.ledger.add(message, outbox.take(), ended);
        if self.ledger.is_full() {
            return self.ledger.commit().await;
        }
        Onward::Yes
    }
}

/// Never, without a deadline.
async fn reached(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}
