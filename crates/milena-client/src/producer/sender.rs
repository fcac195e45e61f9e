//! The task that sends to one broker: takes due batches, stamps and seals them, writes requests,
//! reads answers.
//!
//! Decisions about order and sequence are the `window`'s; this task only drives it.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use futures_util::stream::{FuturesUnordered, StreamExt};
use milena_wire::rpc::ApiKey;

use super::config::Acks;
use super::delivery::BatchAcknowledgement;
use super::error::ProduceError;
use super::limits::REQUESTS_IN_FLIGHT_MAX;
use super::partition::Partition;
use super::request::{self, BatchToSend};
use super::response;
use super::route::Route;
use super::shared::Shared;
use super::window::{Admission, SendWindow, Verdict};
use crate::Error;
use crate::net::Connection;
use crate::transaction::Gate;

type Dialling = Pin<Box<dyn Future<Output = Result<Connection, Error>> + Send>>;
type Answering = Pin<Box<dyn Future<Output = Answered> + Send>>;

/// A batch that was put into a request.
struct Taken {
    partition: Arc<Partition>,
    serial: u64,
    bytes: Bytes,
}

/// A request's answer, and what it is an answer to.
struct Answered {
    batches: Vec<(Arc<Partition>, u64)>,
    version: i16,
    body: Result<Bytes, Error>,
}

/// Sends to one broker until the producer stops.
pub(super) struct Sender {
    shared: Arc<Shared>,
    route: Arc<Route>,
    connection: Option<Connection>,
    dialling: Option<Dialling>,
    in_flight: FuturesUnordered<Answering>,
}

impl Sender {
    pub(super) fn new(shared: Arc<Shared>, route: Arc<Route>) -> Self {
        Sender {
            shared,
            route,
            connection: None,
            dialling: None,
            in_flight: FuturesUnordered::new(),
        }
    }

    pub(super) async fn run(mut self) {
        let mut stop = self.shared.stop.subscribe();
        let route = self.route.clone();
        while !*stop.borrow_and_update() {
            let next_timer = route.advance(Instant::now(), self.shared.is_hurried());
            self.send_ready();
            tokio::select! {
                () = route.woken() => {}
                () = sleep_until(next_timer) => {}
                Some(answered) = self.in_flight.next() => self.handle(answered),
                dialled = dialled(&mut self.dialling) => self.connected(dialled).await,
                _ = stop.changed() => {}
            }
        }
    }

    /// Sends what is due, request by request, until nothing is or too much is in flight.
    fn send_ready(&mut self) {
        while self.in_flight.len() < REQUESTS_IN_FLIGHT_MAX && self.route.has_ready() {
            let Some(connection) = self.usable_connection() else {
                return;
            };
            let mut ready = self.route.take_ready();
            let batches = self.fill_request(&mut ready);
            self.route.put_back(ready);
            if !batches.is_empty() {
                self.send(&connection, batches);
            }
        }
    }

    /// The connection if it is up; otherwise starts dialling.
    fn usable_connection(&mut self) -> Option<Connection> {
        if let Some(connection) = self.connection.as_ref().filter(|c| !c.is_closed()) {
            return Some(connection.clone());
        }
        self.connection = None;
        if self.dialling.is_none() {
            let client = self.shared.client.clone();
            let node = self.route.node;
            self.dialling = Some(Box::pin(async move {
                let dialled = client.connection(node).await;
                if let Err(Error::UnknownBroker { .. }) = &dialled {
                    // Nothing was dialled, so nothing has paused: metadata takes its time.
                    tokio::time::sleep(client.config().retry_backoff).await;
                }
                dialled
            }));
        }
        None
    }

    async fn connected(&mut self, dialled: Result<Connection, Error>) {
        self.dialling = None;
        match dialled {
            Ok(connection) => self.connection = Some(connection),
            // Nothing will ever leave again.
            Err(Error::Closed) => self.shared.shut_down(),
            Err(error) => {
                tracing::debug!(event = "producer_dial_failed", node = %self.route.node, %error);
                // The leaders may have moved: look at each partition's again.
                self.shared.client.metadata().request_refresh();
                let ready = self.route.take_ready();
                let mut stay = ready;
                stay.retain(|partition| {
                    let here = partition.leader() == Some(self.route.node);
                    if !here {
                        partition.clear_queued();
                        self.shared.push_ready(partition);
                    }
                    here
                });
                self.route.put_back(stay);
            }
        }
    }

    /// Takes batches from ready partitions, one each, up to a request's worth.
    fn fill_request(&self, ready: &mut std::collections::VecDeque<Arc<Partition>>) -> Vec<Taken> {
        let now = Instant::now();
        let mut batches = Vec::new();
        let mut request_bytes = 0;
        let mut again = Vec::new();
        while request_bytes < self.shared.config.request_bytes_max {
            let Some(partition) = ready.pop_front() else {
                break;
            };
            partition.clear_queued();
            if partition.leader() != Some(self.route.node) {
                self.shared.push_ready(&partition);
                continue;
            }
            if let Some((serial, bytes)) = self.take_batch(&partition, now) {
                request_bytes += bytes.len();
                again.push(partition.clone());
                batches.push(Taken {
                    partition,
                    serial,
                    bytes,
                });
            }
        }
        // A request has at most one batch of a partition; more of it may be due.
        again
            .iter()
            .for_each(|partition| self.route.push_ready(partition));
        batches
    }

    /// The partition's next batch, if it may and should leave now.
    fn take_batch(&self, partition: &Arc<Partition>, now: Instant) -> Option<(u64, Bytes)> {
        let mut window = partition.window();
        if let Some(gate) = &self.shared.gate
            && !(partition.has_something(&window) && gate.admit(partition, &mut window))
        {
            return None;
        }
        match window.admission(self.route.node, now) {
            Admission::Retry => window.resend(self.route.node),
            Admission::New => self.seal_next(partition, &mut window, now),
            Admission::Wait(None) => None,
            Admission::Wait(Some(at)) => {
                self.route.push_timer(at, partition);
                None
            }
            Admission::NeedsIdentity => {
                self.renew_identity(partition);
                None
            }
        }
    }

    fn seal_next(
        &self,
        partition: &Arc<Partition>,
        window: &mut SendWindow,
        now: Instant,
    ) -> Option<(u64, Bytes)> {
        let quiet = !window.has_in_flight();
        let open = {
            let mut queue = partition.queue();
            let oldest = queue.oldest()?;
            if !queue.has_full() && !self.shared.is_due(oldest, quiet, now) {
                // Its timer may be gone: under pressure all are taken early, and the pressure can
                // end before this look.
                let due_at = oldest.opened_at + self.shared.config.linger;
                self.route.push_timer(due_at, partition);
                return None;
            }
            queue.pop_oldest()?
        };
        let config = &self.shared.config;
        let stamp = window.stamp(open.records_count());
        let opened_at = open.opened_at;
        let deadline = opened_at + config.delivery_timeout;
        match open.seal(
            stamp,
            config.compression,
            config.compression_level,
            deadline,
        ) {
            Ok(sealed) => {
                let open_for = now.saturating_duration_since(opened_at);
                partition.metrics().sealed(sealed.record_count, open_for);
                let bytes = sealed.bytes.clone();
                Some((window.sent(sealed, self.route.node), bytes))
            }
            Err((outcome, error)) => {
                window.lose_stamp();
                self.note_failure(&error);
                outcome.complete(Err(error));
                None
            }
        }
    }

    /// Gets a new producer id in the background, then looks at the partition again.
    fn renew_identity(&self, partition: &Arc<Partition>) {
        let shared = self.shared.clone();
        let partition = partition.clone();
        tokio::spawn(async move {
            let deadline = Instant::now() + shared.config.delivery_timeout;
            match shared.identity.renew(&shared.client, deadline).await {
                Ok(identity) => {
                    partition.window().adopt_if_missing(identity);
                    shared.push_ready(&partition);
                }
                Err(error) => partition.fail_all(&error.into()),
            }
        });
    }

    fn send(&mut self, connection: &Connection, mut taken: Vec<Taken>) {
        taken.sort_by(|left, right| left.partition.topic.cmp(&right.partition.topic));
        let config = &self.shared.config;
        let gate = self.shared.gate.as_deref();
        let versions = gate.map_or(
            (request::VERSION_MIN, request::VERSION_MAX),
            Gate::produce_versions,
        );
        let version = connection.version_within(ApiKey::Produce, versions.0, versions.1);
        let batches: Vec<_> = taken
            .iter()
            .map(|t| (t.partition.clone(), t.serial))
            .collect();
        let Some(version) = version else {
            let error = Error::Unsupported {
                address: format!("broker {}", self.route.node),
                api: "Produce".to_owned(),
            };
            self.reject(&batches, &error);
            return;
        };
        let to_send: Vec<_> = taken
            .iter()
            .map(|t| BatchToSend {
                topic: &t.partition.topic,
                partition: t.partition.index,
                bytes: t.bytes.clone(),
            })
            .collect();
        let timeout_ms = i32::try_from(config.request_timeout.as_millis()).unwrap_or(i32::MAX);
        let transactional_id = gate.map(Gate::transactional_id);
        let chunks = request::encode(version, transactional_id, config.acks, timeout_ms, &to_send);
        let timeout = config.request_timeout;
        let answer = if config.acks == Acks::None {
            connection.send_no_response(ApiKey::Produce, version, chunks, timeout)
        } else {
            connection.request(ApiKey::Produce, version, chunks, timeout)
        };
        self.in_flight.push(Box::pin(async move {
            Answered {
                batches,
                version,
                body: answer.await,
            }
        }));
    }

    fn reject(&self, batches: &[(Arc<Partition>, u64)], error: &Error) {
        let now = Instant::now();
        for (partition, serial) in batches {
            let error = ProduceError::from(error.clone());
            self.settle(partition, *serial, Verdict::Rejected(error.into()), now);
        }
    }

    /// With `acks=0` a batch is settled once it is written to the socket.
    fn handle_unanswered(&self, batches: &[(Arc<Partition>, u64)], sent: Result<(), Error>) {
        let now = Instant::now();
        for (partition, serial) in batches {
            let verdict = match &sent {
                Ok(()) => Verdict::Acknowledged(BatchAcknowledgement::UNKNOWN),
                Err(_unsent) => Verdict::Retriable,
            };
            self.settle(partition, *serial, verdict, now);
            self.shared.push_ready(partition);
        }
    }

    fn handle(&mut self, answered: Answered) {
        if self.shared.config.acks == Acks::None {
            return self.handle_unanswered(&answered.batches, answered.body.map(drop));
        }
        let now = Instant::now();
        let answers = answered.body.map_err(|error| error.to_string());
        let answers = answers.and_then(|body| response::decode(body, answered.version));
        let mut answers = answers.unwrap_or_else(|reason| {
            tracing::debug!(event = "produce_unanswered", node = %self.route.node, reason);
            self.shared.client.metadata().request_refresh();
            response::Answers::default()
        });
        for (partition, serial) in answered.batches {
            // No answer proves nothing: the batch may be written (pitfalls 6 and 8).
            let answer = answers.remove(&(partition.topic.to_string(), partition.index));
            let verdict = answer.map_or(Verdict::Retriable, |answer| {
                if answer.refreshes_metadata() {
                    self.shared.client.metadata().request_refresh();
                }
                answer.verdict(&partition.topic, partition.index)
            });
            self.settle(&partition, serial, verdict, now);
            if partition.has_unsent() {
                self.shared.push_ready(&partition);
            }
        }
        if let Some(gate) = &self.shared.gate {
            self.shared.on_gate_progress(gate);
        }
    }

    fn settle(&self, partition: &Partition, serial: u64, verdict: Verdict, now: Instant) {
        let mut window = partition.window();
        if let Some(size) = window.size_of(serial) {
            partition.metrics().answered(size, &verdict);
            match &verdict {
                Verdict::Rejected(rejection) => self.note_failure(&rejection.error),
                Verdict::TooLarge(error) if size.records == 1 => self.note_failure(error),
                _ => {}
            }
        }
        window.answered(serial, verdict, now);
        if let Some(gate) = &self.shared.gate
            && window.has_gap()
        {
            gate.note_gap(partition);
        }
    }

    /// A transaction in which something has failed cannot be committed. Told before those who
    /// wait for the record are, so that a commit cannot miss it.
    fn note_failure(&self, error: &ProduceError) {
        if let Some(gate) = &self.shared.gate {
            gate.on_record_failed(error);
        }
    }
}

/// Resolves at `at`; never without one.
async fn sleep_until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at.into()).await,
        None => std::future::pending().await,
    }
}

/// Resolves when the dial in progress does; never without one.
async fn dialled(dialling: &mut Option<Dialling>) -> Result<Connection, Error> {
    match dialling {
        Some(dialling) => dialling.await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests;
