//! The Fetch request and its answer.
//!
//! Owns what a fetch says in each version and the reading of what comes back
//! into batches; must not know sessions' rules, queues or tasks. Batches are
//! only looked at from outside: their checksums and records are for whoever
//! hands them out.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use crate::wire::StrBytes;
use crate::wire::messages::fetch_request::{FetchPartition, FetchTopic, ForgottenTopic};
use crate::wire::messages::fetch_response::{FetchResponse, PartitionData};
use crate::wire::messages::{FetchRequest, TopicName};
use bytes::Bytes;
use milena_wire::batch::control::ControlRecord;
use milena_wire::batch::{Batches, RawBatch};
use milena_wire::limits::DECOMPRESSED_BYTES_MAX;
use uuid::Uuid;

use super::aborted::AbortedTransactions;
use super::config::{ConsumerConfig, IsolationLevel};
use super::partitions::{FetchedPartition, FetchedResult, QueuedBatch};
use super::position::Incarnation;
use super::session::FetchPlan;
use super::validation::EpochEnd;
use crate::error::Error;
use crate::metadata::NamedLeaders;
use crate::topology::{NodeId, TopicPartition};
use crate::wire::ErrorCode;

pub(crate) const FETCH_VERSION_MIN: i16 = 4;
/// The last one whose fields this client fills.
pub(crate) const FETCH_VERSION_MAX: i16 = 17;
/// From here on topics are named by their ids.
pub(crate) const FETCH_VERSION_WITH_TOPIC_IDS: i16 = 13;
/// From here on the epoch of the last record fetched is told (KIP-320).
const FETCH_VERSION_WITH_LAST_EPOCH: i16 = 12;
/// From here on there are sessions.
pub(crate) const FETCH_VERSION_WITH_SESSIONS: i16 = 7;

/// What goes into every request.
#[derive(Debug, Clone)]
pub(crate) struct FetchSettings {
    pub(crate) wait_max: Duration,
    pub(crate) bytes_min: usize,
    pub(crate) bytes_max: usize,
    pub(crate) isolation_level: IsolationLevel,
    /// Where this client is; empty when another replica is not to be recommended.
    pub(crate) rack: Arc<str>,
}

impl FetchSettings {
    pub(crate) fn new(config: &ConsumerConfig, bytes_max: usize) -> Self {
        Self {
            wait_max: config.fetch_wait_max,
            bytes_min: config.fetch_bytes_min.min(bytes_max),
            bytes_max,
            isolation_level: config.isolation_level,
            rack: Arc::clone(&config.client_rack),
        }
    }
}

/// What was asked about each partition, to tell what an answer is about.
pub(crate) type Asked = BTreeMap<TopicPartition, (i64, Incarnation)>;

/// Puts a plan into words of `version`.
pub(crate) fn request(plan: &FetchPlan, settings: &FetchSettings, version: i16) -> FetchRequest {
    let has_sessions = version >= FETCH_VERSION_WITH_SESSIONS;
    let has_topic_ids = version >= FETCH_VERSION_WITH_TOPIC_IDS;
    let mut topics: Vec<FetchTopic> = Vec::new();
    let mut last: Option<(&Arc<str>, Uuid)> = None;
    for (name, params) in &plan.partitions {
        if last != Some((&name.topic, params.topic_id)) {
            last = Some((&name.topic, params.topic_id));
            let mut topic = FetchTopic::default();
            if has_topic_ids {
                topic.topic_id = params.topic_id;
            } else {
                topic.topic = topic_name(&name.topic);
            }
            topics.push(topic);
        }
        let has_last_epoch = version >= FETCH_VERSION_WITH_LAST_EPOCH;
        let last_fetched_epoch = if has_last_epoch {
            params.last_fetched_epoch
        } else {
            -1
        };
        let partition = FetchPartition::default()
            .with_partition(name.partition)
            .with_last_fetched_epoch(last_fetched_epoch)
            .with_current_leader_epoch(params.current_leader_epoch)
            .with_fetch_offset(params.fetch_offset)
            .with_partition_max_bytes(params.partition_bytes_max);
        if let Some(topic) = topics.last_mut() {
            topic.partitions.push(partition);
        }
    }
    let forgotten = plan.forgotten.iter().map(|(name, topic_id)| {
        let mut topic = ForgottenTopic::default().with_partitions(vec![name.partition]);
        if has_topic_ids {
            topic.topic_id = *topic_id;
        } else {
            topic.topic = topic_name(&name.topic);
        }
        topic
    });
    FetchRequest::default()
        .with_max_wait_ms(i32::try_from(settings.wait_max.as_millis()).unwrap_or(i32::MAX))
        .with_min_bytes(i32::try_from(settings.bytes_min).unwrap_or(i32::MAX))
        .with_max_bytes(i32::try_from(settings.bytes_max).unwrap_or(i32::MAX))
        .with_isolation_level(match settings.isolation_level {
            IsolationLevel::ReadUncommitted => 0,
            IsolationLevel::ReadCommitted => 1,
        })
        .with_rack_id(StrBytes::from_string(settings.rack.to_string()))
        .with_session_id(if has_sessions { plan.session_id } else { 0 })
        .with_session_epoch(if has_sessions { plan.session_epoch } else { -1 })
        .with_topics(topics)
        .with_forgotten_topics_data(if has_sessions {
            forgotten.collect()
        } else {
            Vec::new()
        })
}

/// Who leads partitions whose fetches went to the wrong broker, or under an old epoch (KIP-951).
pub(crate) fn leaders(
    response: &FetchResponse,
    topic_names: &HashMap<Uuid, Arc<str>>,
) -> NamedLeaders {
    let mut named = NamedLeaders::default();
    if response.node_endpoints.is_empty() {
        return named;
    }
    for endpoint in &response.node_endpoints {
        named.reach(endpoint.node_id.0, &endpoint.host, endpoint.port);
    }
    for topic in &response.responses {
        let Some(name) = topic_names.get(&topic.topic_id) else {
            continue;
        };
        for data in &topic.partitions {
            let leader = &data.current_leader;
            let partition = TopicPartition::new(Arc::clone(name), data.partition_index);
            named.name(partition, leader.leader_id.0, leader.leader_epoch);
        }
    }
    named
}

/// Reads an answer. Partitions that were not asked about are ignored.
pub(crate) fn read(
    response: FetchResponse,
    asked: &Asked,
    topic_names: &HashMap<Uuid, Arc<str>>,
    isolation_level: IsolationLevel,
) -> Vec<FetchedPartition> {
    let mut fetched = Vec::new();
    for topic in response.responses {
        let name = match topic_names.get(&topic.topic_id) {
            Some(name) => Arc::clone(name),
            None => Arc::from(topic.topic.as_str()),
        };
        for data in topic.partitions {
            let partition = TopicPartition::new(Arc::clone(&name), data.partition_index);
            let Some((fetched_from, incarnation)) = asked.get(&partition).copied() else {
                continue;
            };
            let result = match ErrorCode::from(data.error_code) {
                ErrorCode::None => read_partition(&partition, fetched_from, data, isolation_level),
                code => FetchedResult::Code(code),
            };
            fetched.push(FetchedPartition {
                partition,
                incarnation,
                fetched_from,
                result,
            });
        }
    }
    fetched
}

fn read_partition(
    partition: &TopicPartition,
    fetched_from: i64,
    data: PartitionData,
    isolation_level: IsolationLevel,
) -> FetchedResult {
    let diverging = &data.diverging_epoch;
    if diverging.end_offset >= 0 {
        return FetchedResult::Diverging(EpochEnd {
            epoch: diverging.epoch,
            offset: diverging.end_offset,
        });
    }
    if data.preferred_read_replica.0 >= 0 {
        return FetchedResult::Elsewhere(NodeId(data.preferred_read_replica.0));
    }
    let mut aborted = match isolation_level {
        IsolationLevel::ReadUncommitted => None,
        IsolationLevel::ReadCommitted => {
            let list = data.aborted_transactions.unwrap_or_default();
            let pairs = list
                .iter()
                .map(|entry| (entry.producer_id.0, entry.first_offset));
            Some(AbortedTransactions::new(pairs))
        }
    };
    let records = data.records.unwrap_or_default();
    let mut next = NextBatch {
        offset: fetched_from,
        epoch_before: -1,
    };
    match read_batches(records, fetched_from, aborted.as_mut(), &mut next) {
        Err(problem) => {
            let context = format!("fetch of {partition} from offset {fetched_from}: {problem}");
            FetchedResult::Unreadable(Error::protocol(context))
        }
        Ok(batches) => FetchedResult::Records {
            batches,
            next_offset: next.offset,
            last_epoch: next.epoch_before,
            high_watermark: data.high_watermark,
            last_stable_offset: data.last_stable_offset,
        },
    }
}

/// Behind the last batch that was read.
struct NextBatch {
    offset: i64,
    /// Of the leader that wrote it; -1 as long as there is none.
    epoch_before: i32,
}

/// The batches to hand out; `next` moves past all complete ones, also
/// those without records, whose offsets are used up (PITFALLS 23), and control
/// batches (PITFALLS 24).
fn read_batches(
    records: Bytes,
    fetched_from: i64,
    mut aborted: Option<&mut AbortedTransactions>,
    next: &mut NextBatch,
) -> Result<Vec<QueuedBatch>, String> {
    let has_bytes = !records.is_empty();
    let mut batches = Vec::new();
    for batch in Batches::new(records) {
        let batch = match batch {
            Ok(batch) => batch,
            // What came before is good; the trouble comes up again with the next
            // fetch.
            Err(_) if next.offset > fetched_from => break,
            Err(error) => return Err(error.to_string()),
        };
        let header = &batch.header;
        if header.next_offset() <= next.offset {
            continue;
        }
        let is_wanted = if header.attributes.is_control() {
            if let Some(aborted) = aborted.as_deref_mut() {
                aborted.on_control(header, control_record(&batch).as_ref());
            }
            false
        } else {
            let is_aborted = aborted
                .as_deref_mut()
                .is_some_and(|list| list.is_aborted(header));
            header.records_count > 0 && !is_aborted
        };
        let from = next.offset;
        next.offset = header.next_offset();
        next.epoch_before = header.partition_leader_epoch;
        if is_wanted {
            batches.push(QueuedBatch { raw: batch, from });
        }
    }
    if has_bytes && next.offset == fetched_from {
        return Err("the broker sent part of a batch and no complete one".to_owned());
    }
    Ok(batches)
}

/// The one record of a control batch; none if it cannot be read, which makes it
/// a marker of nothing.
fn control_record(batch: &RawBatch) -> Option<ControlRecord> {
    let opened = batch.open(DECOMPRESSED_BYTES_MAX).ok()?;
    let record = opened.records().next()?.ok()?;
    ControlRecord::parse(&record).ok()
}

fn topic_name(topic: &Arc<str>) -> TopicName {
    TopicName(StrBytes::from_string(topic.to_string()))
}

#[cfg(test)]
mod tests;
