//! Produce: batches into logs.

use std::sync::Arc;

use bytes::Bytes;
use milena_wire::batch::{RawBatch, TimestampType};
use milena_wire::error_code::ErrorCode;
use milena_wire::rpc::StrBytes;
use milena_wire::rpc::messages::produce_request::TopicProduceData;
use milena_wire::rpc::messages::produce_response::{
    PartitionProduceResponse, TopicProduceResponse,
};
use milena_wire::rpc::messages::{ProduceRequest, ProduceResponse};

use crate::authorizer::acl::resource;
use crate::clock;
use crate::config::topic::TopicConfig;
use crate::coordinator::transaction::{Addition, Identity};
use crate::coordinator::transactions::Registration;
use crate::log::partition::{Appended, Stamp};
use crate::log::rewrite;
use crate::log::validate::{self, BatchRules, Refusal};
use crate::node::Node;
use crate::server::RequestContext;
use crate::server::reply::{self, Reply};
use crate::topics::{Partition, Topic};

/// Topics go by id instead of by name from here on (KIP-516).
const TOPIC_IDS_SINCE: i16 = 13;
/// TRANSACTION_ABORTABLE is understood from here on (KIP-890).
const ABORTABLE_SINCE: i16 = 11;
/// A partition need not have been added to the transaction before from here on (KIP-890).
const IMPLICIT_SINCE: i16 = 12;
/// Errors come with a sentence from here on (KIP-467).
const ERROR_MESSAGES_SINCE: i16 = 8;

pub(crate) fn handle(node: &Arc<Node>, context: &RequestContext, request: ProduceRequest) -> Reply {
    let acks = request.acks;
    let transactional_id = request.transactional_id.as_deref().map(|id| id.as_str());
    let mut appends = Appends::new(node, context, transactional_id);
    let topics = request.topic_data.into_iter().map(|topic| {
        if (-1..=1).contains(&acks) {
            appends.topic(topic)
        } else {
            refuse_topic(topic, ErrorCode::InvalidRequiredAcks)
        }
    });
    let response = ProduceResponse::default().with_responses(topics.collect());
    let Appends {
        failures,
        unflushed,
        ..
    } = appends;
    if acks == 0 {
        // A closed connection is the only sign of failure there is.
        return if failures > 0 {
            Reply::Disconnect
        } else {
            Reply::Nothing
        };
    }
    if unflushed.is_empty() {
        return Reply::Ready(reply::encode(context, &response));
    }
    let context = context.clone();
    Reply::Later(Box::pin(async move {
        let response = flushed(response, unflushed).await;
        reply::encode(&context, &response)
    }))
}

/// A partition, and up to where it has to be on disk before it is acknowledged.
type Unflushed = (Arc<Partition>, i64);

/// Acknowledges once everything is on disk, as `log.flush.interval.messages` demands.
async fn flushed(mut response: ProduceResponse, unflushed: Vec<Unflushed>) -> ProduceResponse {
    for (partition, end_offset) in unflushed {
        let Err(error) = partition.log.flush_up_to(end_offset).await else {
            continue;
        };
        tracing::error!(event = "flush_failed", topic = %partition.topic, error = %error);
        let is_its = |topic: &&mut TopicProduceResponse| {
            topic.topic_id == partition.topic_id || *topic.name.as_str() == *partition.topic
        };
        let topics = response.responses.iter_mut().filter(is_its);
        let rows = topics.flat_map(|topic| &mut topic.partition_responses);
        for row in rows.filter(|row| row.index == partition.index) {
            row.error_code = ErrorCode::KafkaStorageError.code();
            row.base_offset = -1;
        }
    }
    response
}

/// The appends of one request.
struct Appends<'a> {
    node: &'a Node,
    context: &'a RequestContext,
    api_version: i16,
    transactional_id: Option<&'a str>,
    now_ms: i64,
    failures: usize,
    unflushed: Vec<Unflushed>,
}

impl<'a> Appends<'a> {
    fn new(node: &'a Node, context: &'a RequestContext, transactional_id: Option<&'a str>) -> Self {
        Appends {
            node,
            context,
            api_version: context.api_version,
            transactional_id,
            now_ms: clock::wall_ms(),
            failures: 0,
            unflushed: Vec::new(),
        }
    }

    fn topic(&mut self, data: TopicProduceData) -> TopicProduceResponse {
        let (topic, missing) = if self.api_version >= TOPIC_IDS_SINCE {
            (
                self.node.topics.by_id(data.topic_id),
                ErrorCode::UnknownTopicId,
            )
        } else {
            (
                self.node.topics.by_name(&data.name),
                ErrorCode::UnknownTopicOrPartition,
            )
        };
        let name = topic
            .as_ref()
            .map_or(data.name.as_str(), |topic| &topic.name);
        let allowed = self
            .node
            .authorizer
            .check(self.context, resource::TOPIC, name);
        let partitions = data.partition_data.into_iter().map(|partition| {
            let response = PartitionProduceResponse::default()
                .with_index(partition.index)
                .with_base_offset(-1)
                .with_log_start_offset(-1);
            let appended = match allowed {
                Ok(()) => self.append(
                    topic.as_deref(),
                    missing,
                    partition.index,
                    partition.records,
                ),
                Err(code) => Err(Refusal::new(code, code.message())),
            };
            match appended {
                Ok(appended) => response
                    .with_base_offset(appended.base_offset)
                    .with_log_append_time_ms(appended.log_append_time)
                    .with_log_start_offset(appended.start_offset),
                Err(refusal) => self.refused(response, refusal),
            }
        });
        let partitions = partitions.collect();
        TopicProduceResponse::default()
            .with_name(data.name)
            .with_topic_id(data.topic_id)
            .with_partition_responses(partitions)
    }

    fn append(
        &mut self,
        topic: Option<&Topic>,
        missing: ErrorCode,
        index: i32,
        records: Option<Bytes>,
    ) -> Result<Appended, Refusal> {
        let topic = topic.ok_or_else(|| Refusal::new(missing, missing.message()))?;
        let partition = topic.partition(index).ok_or_else(|| {
            let code = ErrorCode::UnknownTopicOrPartition;
            Refusal::new(
                code,
                format!("topic '{}' has no partition {index}", topic.name),
            )
        })?;
        let config = topic.config();
        let appended = self.append_to(&partition, &config, records)?;
        if appended.unflushed_records >= config.flush_messages {
            self.unflushed.push((partition, appended.end_offset));
        }
        Ok(appended)
    }

    fn append_to(
        &self,
        partition: &Partition,
        config: &TopicConfig,
        records: Option<Bytes>,
    ) -> Result<Appended, Refusal> {
        let mut batch = validate::check(records, self.rules(config))?;
        if let Some((codec, level)) = config.codec() {
            batch = rewrite::recompress(batch, codec, level)
                .map_err(|error| Refusal::new(ErrorCode::CorruptMessage, error.to_string()))?;
        }
        let stamp = Stamp {
            timestamp_type: config.timestamp_type,
            now_ms: self.now_ms,
        };
        if batch.header.attributes.is_transactional() {
            return self.append_transactional(partition, &batch, stamp);
        }
        partition.log.append(&batch, stamp)
    }

    fn rules(&self, config: &TopicConfig) -> BatchRules {
        // Under LogAppendTime the producer's timestamps are replaced, whatever they are.
        let tolerance_ms = |tolerance_ms| match config.timestamp_type {
            TimestampType::LogAppendTime => i64::MAX,
            _ => tolerance_ms,
        };
        let after_max_ms = tolerance_ms(config.timestamp_after_max_ms);
        let before_max_ms = tolerance_ms(config.timestamp_before_max_ms);
        BatchRules {
            batch_bytes_max: config.batch_bytes_max,
            needs_keys: config.cleanup.compacts,
            timestamp_max: self.now_ms.saturating_add(after_max_ms),
            timestamp_min: self.now_ms.saturating_sub(before_max_ms),
        }
    }

    /// Appends a batch that belongs to a transaction, which must be going on.
    fn append_transactional(
        &self,
        partition: &Partition,
        batch: &RawBatch,
        stamp: Stamp,
    ) -> Result<Appended, Refusal> {
        let Some(transactional_id) = self.transactional_id else {
            let code = ErrorCode::TransactionalIdAuthorizationFailed;
            let reason = "a transactional batch came without a transactional id";
            return Err(Refusal::new(code, reason));
        };
        let registration = if self.api_version >= IMPLICIT_SINCE {
            Registration::Implicit
        } else if self.node.config.verifies_transactions {
            Registration::Explicit
        } else {
            return partition.log.append(batch, stamp);
        };
        let who = Identity {
            id: batch.header.producer_id,
            epoch: batch.header.producer_epoch,
        };
        let name = (partition.topic.clone(), partition.index);
        let appended = self.node.transactions.write_within(
            transactional_id,
            who,
            Addition::Partition(&name),
            registration,
            || partition.log.append(batch, stamp),
        );
        appended.unwrap_or_else(|code| Err(self.not_in_transaction(code)))
    }

    /// The code as producers of this version know it.
    fn not_in_transaction(&self, code: ErrorCode) -> Refusal {
        let code = match code {
            ErrorCode::ProducerFenced => ErrorCode::InvalidProducerEpoch,
            ErrorCode::TransactionAbortable if self.api_version < ABORTABLE_SINCE => {
                ErrorCode::InvalidTxnState
            }
            // Older clients take this for the end of their transaction.
            ErrorCode::ConcurrentTransactions if self.api_version < IMPLICIT_SINCE => {
                ErrorCode::NotEnoughReplicas
            }
            code => code,
        };
        Refusal::new(code, code.message())
    }

    fn refused(
        &mut self,
        response: PartitionProduceResponse,
        refusal: Refusal,
    ) -> PartitionProduceResponse {
        self.failures += 1;
        tracing::debug!(
            event = "produce_refused",
            partition = response.index,
            code = refusal.code.name(),
            reason = refusal.message,
        );
        let response = response.with_error_code(refusal.code.code());
        if self.api_version < ERROR_MESSAGES_SINCE {
            return response;
        }
        response.with_error_message(Some(StrBytes::from_string(refusal.message)))
    }
}

fn refuse_topic(topic: TopicProduceData, code: ErrorCode) -> TopicProduceResponse {
    let partitions = topic.partition_data.iter().map(|partition| {
        PartitionProduceResponse::default()
            .with_index(partition.index)
            .with_error_code(code.code())
            .with_base_offset(-1)
            .with_log_start_offset(-1)
    });
    TopicProduceResponse::default()
        .with_partition_responses(partitions.collect())
        .with_name(topic.name)
        .with_topic_id(topic.topic_id)
}
