//! What a Produce response says of each batch.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use crate::{ErrorClass, ErrorCode};
use bytes::Bytes;
use milena_wire::rpc::StrBytes;
use milena_wire::rpc::messages::produce_response::PartitionProduceResponse;
use milena_wire::rpc::{self, messages::ProduceResponse};

use super::delivery::BatchAcknowledgement;
use super::error::{ProduceError, ProduceErrorKind};
use super::window::{Rejection, Verdict};
use crate::TopicPartition;
use crate::metadata::NamedLeaders;

/// A partition's part of a response.
#[derive(Debug)]
pub(super) struct PartitionAnswer {
    code: ErrorCode,
    base_offset: i64,
    log_append_time_ms: i64,
    message: Option<Arc<str>>,
    /// The records that are to blame, by their index, and what is wrong with them (KIP-467).
    record_errors: Vec<(u32, Option<Arc<str>>)>,
}

/// What one response says.
#[derive(Debug, Default)]
pub(super) struct Answers {
    /// By topic, then by partition.
    topics: HashMap<String, HashMap<i32, PartitionAnswer>>,
    /// Who leads partitions that were sent to the wrong broker (KIP-951).
    pub(super) leaders: NamedLeaders,
    /// For how long the broker wants no further request: a quota is used up (KIP-219).
    pub(super) pause: Duration,
}

/// Reads a response body. An unreadable one proves nothing about the batches: the caller sends the
/// same bytes again (pitfall 8), as after a lost connection.
pub(super) fn decode(mut body: Bytes, version: i16) -> Result<Answers, String> {
    let response: ProduceResponse =
        rpc::decode_response(version, &mut body).map_err(|error| error.to_string())?;
    let pause_ms = u64::try_from(response.throttle_time_ms).unwrap_or(0);
    let mut answers = Answers {
        pause: Duration::from_millis(pause_ms),
        ..Answers::default()
    };
    for endpoint in &response.node_endpoints {
        let leaders = &mut answers.leaders;
        leaders.reach(endpoint.node_id.0, &endpoint.host, endpoint.port);
    }
    for topic in response.responses {
        let partitions = answers.topics.entry(topic.name.to_string()).or_default();
        for partition in topic.partition_responses {
            let leader = &partition.current_leader;
            if leader.leader_id.0 >= 0 {
                let name = TopicPartition::new(topic.name.as_str(), partition.index);
                let leaders = &mut answers.leaders;
                leaders.name(name, leader.leader_id.0, leader.leader_epoch);
            }
            partitions.insert(partition.index, answer(partition));
        }
    }
    Ok(answers)
}

impl Answers {
    /// Takes what is said of a partition, if anything is.
    pub(super) fn take(&mut self, topic: &str, partition: i32) -> Option<PartitionAnswer> {
        self.topics.get_mut(topic)?.remove(&partition)
    }
}

fn answer(partition: PartitionProduceResponse) -> PartitionAnswer {
    let text = |text: &StrBytes| Arc::from(text.as_str());
    let mut record_errors: Vec<(u32, Option<Arc<str>>)> = partition
        .record_errors
        .iter()
        .filter_map(|record| {
            let message = record.batch_index_error_message.as_ref().map(text);
            Some((u32::try_from(record.batch_index).ok()?, message))
        })
        .collect();
    record_errors.sort_by_key(|(index, _)| *index);
    record_errors.dedup_by_key(|(index, _)| *index);
    PartitionAnswer {
        code: ErrorCode::from(partition.error_code),
        base_offset: partition.base_offset,
        log_append_time_ms: partition.log_append_time_ms,
        message: partition.error_message.as_ref().map(text),
        record_errors,
    }
}

impl PartitionAnswer {
    pub(super) fn code(&self) -> ErrorCode {
        self.code
    }

    /// The offset of the batch's first record; -1 where the broker does not tell.
    pub(super) fn base_offset(&self) -> i64 {
        self.base_offset
    }

    /// Whether the leader is somewhere else by now.
    pub(super) fn refreshes_metadata(&self) -> bool {
        self.code.refreshes_metadata()
    }

    /// What the answer means for a batch of `topic`.
    pub(super) fn verdict(self, topic: &Arc<str>, partition: i32) -> Verdict {
        match self.code {
            // A duplicate is a batch whose first acknowledgement got lost.
            ErrorCode::None | ErrorCode::DuplicateSequenceNumber => {
                Verdict::Acknowledged(BatchAcknowledgement {
                    base_offset: self.base_offset,
                    log_append_time: self.log_append_time_ms,
                })
            }
            ErrorCode::OutOfOrderSequenceNumber | ErrorCode::UnknownProducerId => {
                Verdict::OutOfOrder
            }
            code if code.class() == ErrorClass::Retriable => Verdict::Retriable,
            ErrorCode::MessageTooLarge | ErrorCode::RecordListTooLarge => {
                Verdict::TooLarge(self.error(topic, partition, self.message.clone()))
            }
            _ => {
                let records = self.record_errors.iter().map(|(index, message)| {
                    let message = message.clone().or_else(|| self.message.clone());
                    (*index, self.error(topic, partition, message))
                });
                Verdict::Rejected(Rejection {
                    records: records.collect(),
                    error: self.error(topic, partition, self.message.clone()),
                })
            }
        }
    }

    fn error(&self, topic: &Arc<str>, partition: i32, message: Option<Arc<str>>) -> ProduceError {
        ProduceError::from(ProduceErrorKind::Rejected {
            topic: topic.clone(),
            partition,
            code: self.code,
            message,
        })
    }
}

#[cfg(test)]
mod tests;
