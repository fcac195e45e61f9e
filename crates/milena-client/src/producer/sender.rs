//! Sending to one broker: takes due batches, stamps and seals them, writes requests. What
//! the answers mean for the batches is in `answers`.
//!
//! A task does it; and a caller who waits for a record does it instead of waking the task, if nothing
//! else is to be sent. Decisions about order and sequence are the `window`'s; this only drives it.

mod answers;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use milena_wire::rpc::ApiKey;

use self::answers::{Asked, Sent};
use super::config::Acks;
use super::error::ProduceError;
use super::limits::REQUESTS_IN_FLIGHT_MAX;
use super::partition::Partition;
use super::request::{self, BatchToSend};
use super::route::{Line, Route};
use super::shared::Shared;
use super::spans::BatchSpans;
use super::window::{Admission, SendWindow};
use crate::Error;
use crate::net::{Connection, Reply};
use crate::transaction::Gate;

type Dialling = Pin<Box<dyn Future<Output = Result<Connection, Error>> + Send>>;

/// A batch that is put into a request.
struct Taken {
    partition: Arc<Partition>,
    serial: u64,
    bytes: Bytes,
}

/// Lets go of the connection, which knows the route, when the task ends or its runtime does.
struct HangUp(Arc<Route>);

impl Drop for HangUp {
    fn drop(&mut self) {
        self.0.line().connection = None;
    }
}

/// Sends to one broker.
#[derive(Clone)]
pub(super) struct Sender {
    shared: Arc<Shared>,
    route: Arc<Route>,
}

impl Sender {
    pub(super) fn new(shared: Arc<Shared>, route: Arc<Route>) -> Self {
        Sender { shared, route }
    }

    /// Sends until the producer stops.
    pub(super) async fn run(self) {
        let _hang_up = HangUp(self.route.clone());
        let mut stop = self.shared.stop.subscribe();
        let mut dialling = None;
        while !*stop.borrow_and_update() {
            let next_timer = self.route.advance(Instant::now(), self.shared.is_hurried());
            if !self.send_ready(&mut self.route.line()) && dialling.is_none() {
                dialling = Some(self.dial());
            }
            tokio::select! {
                () = self.route.woken() => {}
                () = sleep_until(next_timer) => {}
                dialled = dialled(&mut dialling) => {
                    dialling = None;
                    self.connected(dialled);
                }
                _ = stop.changed() => {}
            }
        }
    }

    /// Sends in place of the task what is ready, if that is possible at once.
    pub(super) fn send_now(&self) {
        let sent = self
            .route
            .try_line()
            .map(|mut line| self.send_ready(&mut line));
        if sent != Some(true) {
            self.route.wake();
        }
    }

    /// Sends what is due, request by request, until nothing is or too much is in flight. False when
    /// there is something to send and no connection.
    fn send_ready(&self, line: &mut Line) -> bool {
        while self.route.in_flight() < REQUESTS_IN_FLIGHT_MAX && self.route.has_ready() {
            let Some(connection) = line.usable_connection() else {
                return false;
            };
            let mut ready = self.route.take_ready();
            let batches = self.fill_request(&mut ready);
            self.route.put_back(ready);
            if !batches.is_empty() {
                self.send(&connection, batches);
            }
        }
        true
    }

    fn dial(&self) -> Dialling {
        let client = self.shared.client.clone();
        let node = self.route.node;
        Box::pin(async move {
            let dialled = client.connection(node).await;
            if let Err(Error::UnknownBroker { .. }) = &dialled {
                // Nothing was dialled, so nothing has paused: metadata takes its time.
                tokio::time::sleep(client.config().retry_backoff).await;
            }
            dialled
        })
    }

    fn connected(&self, dialled: Result<Connection, Error>) {
        match dialled {
            Ok(connection) => self.route.line().connection = Some(connection),
            // Nothing will ever leave again.
            Err(Error::Closed) => self.shared.shut_down(),
            Err(error) => {
                tracing::debug!(event = "producer_dial_failed", node = %self.route.node, %error);
                // The leaders may have moved: look at each partition's again.
                self.shared.client.metadata().request_refresh();
                let refusal = is_refusal(&error).then(|| ProduceError::from(error));
                let mut stay = self.route.take_ready();
                stay.retain(|partition| {
                    let is_here = partition.leader() == Some(self.route.node);
                    if is_here && refusal.is_none() {
                        return true;
                    }
                    partition.clear_queued();
                    match &refusal {
                        Some(refusal) if is_here => self.give_up(partition, refusal),
                        _ => self.shared.push_ready(partition),
                    }
                    false
                });
                self.route.put_back(stay);
            }
        }
    }

    /// Settles what waits to be sent, for the first time or again.
    fn give_up(&self, partition: &Partition, error: &ProduceError) {
        self.note_failure(error);
        partition.fail_unsent(error);
        if let Some(gate) = &self.shared.gate {
            if partition.window().has_gap() {
                gate.note_gap(partition);
            }
            self.shared.on_gate_progress(gate);
        }
    }

    /// Takes batches from ready partitions, one each, up to a request's worth.
    fn fill_request(&self, ready: &mut std::collections::VecDeque<Arc<Partition>>) -> Vec<Taken> {
        let now = Instant::now();
        let mut batches = Vec::new();
        let mut request_bytes = 0;
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
                batches.push(Taken {
                    partition,
                    serial,
                    bytes,
                });
            }
        }
        // A request has at most one batch of a partition; more of it may be due.
        for taken in &batches {
            if taken.partition.has_unsent() {
                self.route.push_ready(&taken.partition);
            }
        }
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
                self.route.push_pause(at, partition);
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
        // The caller who waits for a record need not be on a runtime.
        self.shared.runtime.spawn(async move {
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

    fn send(&self, connection: &Connection, mut taken: Vec<Taken>) {
        taken.sort_by(|left, right| left.partition.topic.cmp(&right.partition.topic));
        let config = &self.shared.config;
        let gate = self.shared.gate.as_deref();
        let versions = gate.map_or(
            (request::VERSION_MIN, request::VERSION_MAX),
            Gate::produce_versions,
        );
        let version = connection.version_within(ApiKey::Produce, versions.0, versions.1);
        let batches: Vec<Sent> = taken
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
        let reply = match config.acks {
            Acks::None => Reply::None,
            Acks::Leader | Acks::All => Reply::Expected,
        };
        let client_id = &self.shared.client.config().client_id;
        let asked = Asked {
            version,
            spans: BatchSpans::open(client_id, connection, transactional_id, &batches),
            batches,
        };
        let sender = self.clone();
        let answer = move |body| {
            sender.route.end_request();
            sender.handle(asked, body);
            if sender.route.has_ready() {
                sender.route.wake();
            }
        };
        let timeout = config.request_timeout;
        self.route.begin_request();
        connection.request_then(ApiKey::Produce, version, chunks, reply, timeout, answer);
    }
}

/// Whether the broker does not let us in, or we do not trust it: waiting would not help.
fn is_refusal(error: &Error) -> bool {
    matches!(error, Error::Authentication { .. } | Error::Tls { .. })
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
