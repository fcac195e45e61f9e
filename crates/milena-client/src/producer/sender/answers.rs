//! The answers to a sender's requests, and what each means for the batches in it.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;

use super::Sender;
use crate::producer::config::Acks;
use crate::producer::delivery::BatchAcknowledgement;
use crate::producer::error::ProduceError;
use crate::producer::partition::Partition;
use crate::producer::response;
use crate::producer::spans::BatchSpans;
use crate::producer::window::Verdict;
use crate::spans::ErrorType;
use crate::{Error, TopicPartition};

/// A batch in a request: its partition and its serial number in the window there.
pub(super) type Sent = (Arc<Partition>, u64);

/// A request that waits for its answer.
pub(super) struct Asked {
    pub(super) version: i16,
    pub(super) batches: Vec<Sent>,
    pub(super) spans: BatchSpans,
}

impl Sender {
    pub(super) fn reject(&self, batches: &[Sent], error: &Error) {
        let now = Instant::now();
        for (partition, serial) in batches {
            let error = ProduceError::from(error.clone());
            self.settle(partition, *serial, Verdict::Rejected(error.into()), now);
        }
    }

    /// With `acks=0` a batch is settled once it is written to the socket.
    fn handle_unanswered(&self, asked: &Asked, sent: Result<(), Error>) {
        let now = Instant::now();
        for (index, (partition, serial)) in asked.batches.iter().enumerate() {
            let verdict = match &sent {
                Ok(()) => Verdict::Acknowledged(BatchAcknowledgement::UNKNOWN),
                Err(unsent) => {
                    asked.spans.answered(index, None, unsent.error_type());
                    Verdict::Retriable
                }
            };
            self.settle(partition, *serial, verdict, now);
            self.shared.push_ready(partition);
        }
    }

    /// Settles the batches of a request with its answer, or with why there is none.
    pub(super) fn handle(&self, asked: Asked, body: Result<Bytes, Error>) {
        if self.shared.config.acks == Acks::None {
            return self.handle_unanswered(&asked, body.map(drop));
        }
        let now = Instant::now();
        let unanswered = body
            .as_ref()
            .err()
            .map_or("protocol", ErrorType::error_type);
        let answers = body.map_err(|error| error.to_string());
        let answers = answers.and_then(|body| response::decode(body, asked.version));
        let mut answers = answers.unwrap_or_else(|reason| {
            tracing::debug!(event = "produce_unanswered", node = %self.route.node, reason);
            self.shared.client.metadata().request_refresh();
            response::Answers::default()
        });
        if !answers.pause.is_zero() {
            self.route.pause(now + answers.pause);
        }
        let mut stale = Vec::new();
        for (index, (partition, serial)) in asked.batches.into_iter().enumerate() {
            // No answer proves nothing: the batch may be written (pitfalls 6 and 8).
            let answer = answers.take(&partition.topic, partition.index);
            let spans = &asked.spans;
            spans.answered(index, answer.as_ref(), unanswered);
            let verdict = answer.map_or(Verdict::Retriable, |answer| {
                if answer.refreshes_metadata() {
                    stale.push(TopicPartition::new(
                        partition.topic.clone(),
                        partition.index,
                    ));
                }
                answer.verdict(&partition.topic, partition.index)
            });
            self.settle(&partition, serial, verdict, now);
            if partition.has_unsent() {
                self.shared.push_ready(&partition);
            }
        }
        // After the batches were settled: a new leader ends their pause.
        let metadata = self.shared.client.metadata();
        metadata.learn_leaders(self.route.node, &answers.leaders, &stale);
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
        if partition.leader() != Some(self.route.node) {
            window.end_pause();
        }
        if let Some(gate) = &self.shared.gate
            && window.has_gap()
        {
            gate.note_gap(partition);
        }
    }

    /// A transaction in which something has failed cannot be committed. Told before those who
    /// wait for the record are, so that a commit cannot miss it.
    pub(super) fn note_failure(&self, error: &ProduceError) {
        if let Some(gate) = &self.shared.gate {
            gate.on_record_failed(error);
        }
    }
}
