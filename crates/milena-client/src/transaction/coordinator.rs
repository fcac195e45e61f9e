//! What a transactional producer and its coordinators say to each other.
//!
//! Owns the requests InitProducerId, AddPartitionsToTxn, AddOffsetsToTxn, TxnOffsetCommit and
//! EndTxn, who is asked, and how long. What the answers mean is `reaction`'s, what follows
//! from them `state`'s.

use std::collections::{BTreeMap, HashMap};
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::error::TransactionError;
use super::group::ConsumerGroupMetadata;
use super::reaction::{Reaction, Request, react};
use super::state::{End, EndAnswer, EndCall, Version};
use crate::backoff::Backoff;
use crate::client::{Client, CoordinatorType};
use crate::error::Error;
use crate::net::Connection;
use crate::producer::ProducerIdentity;
use crate::topology::{NodeId, TopicPartition};
use crate::wire::messages::add_partitions_to_txn_request::AddPartitionsToTxnTopic;
use crate::wire::messages::txn_offset_commit_request::{
    TxnOffsetCommitRequestPartition, TxnOffsetCommitRequestTopic,
};
use crate::wire::messages::{
    AddOffsetsToTxnRequest, AddPartitionsToTxnRequest, EndTxnRequest, GroupId,
    InitProducerIdRequest, TopicName, TransactionalId, TxnOffsetCommitRequest,
};
use crate::wire::{self, ApiKey, ErrorCode, StrBytes};

/// The versions of requests that clients send: those above are for brokers.
const ADD_PARTITIONS_VERSION_MAX: i16 = 3;
const ADD_OFFSETS_VERSION_MAX: i16 = 4;
const INIT_VERSION_MAX: i16 = 5;
/// An epoch can be bumped from here on (KIP-360).
const INIT_VERSION_BUMPING: i16 = 3;
/// A group's member shows who it is from here on (KIP-447).
const OFFSETS_VERSION_MIN: i16 = 3;
/// From the second on, ending a transaction bumps the epoch (KIP-890).
const END_VERSION_V1: i16 = 4;
const END_VERSION_V2: i16 = 5;
/// From the second on, offsets add their group to the transaction.
const OFFSETS_VERSION_V1: i16 = 4;
const OFFSETS_VERSION_V2: i16 = 5;
/// While another operation of the transaction is going on; it does not take long.
const CONCURRENT_PAUSE: Duration = Duration::from_millis(20);

/// An offset to be stored with a transaction: that of the next record to process.
pub(super) type Offsets = Vec<(TopicPartition, i64)>;

/// Speaks for one transactional id.
pub(super) struct Coordinator {
    client: Client,
    id: Arc<str>,
    timeout: Duration,
    node: Mutex<Option<NodeId>>,
    group_nodes: Mutex<HashMap<Arc<str>, NodeId>>,
}

/// Why an attempt failed.
enum Failed {
    /// The coordinator answered with this.
    Code(ErrorCode),
    /// No answer, or none that can be read.
    Error(Error),
}

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        Failed::Error(error)
    }
}

impl Coordinator {
    pub(super) fn client_id(&self) -> &str {
        &self.client.config().client_id
    }

    pub(super) fn new(client: Client, id: Arc<str>, timeout: Duration) -> Self {
        Self {
            client,
            id,
            timeout,
            node: Mutex::default(),
            group_nodes: Mutex::default(),
        }
    }

    /// How the cluster knows transactions now.
    pub(super) async fn version(&self, deadline: Instant) -> Result<Version, TransactionError> {
        let connect = || async { Ok(self.connection().await?) };
        let connection = self.until(deadline, Request::Init, connect).await?;
        Ok(Version::of_level(connection.transaction_version()))
    }

    /// Takes over the transactional id, or bumps the epoch of `current`.
    pub(super) async fn init(
        &self,
        current: Option<ProducerIdentity>,
        deadline: Instant,
    ) -> Result<ProducerIdentity, TransactionError> {
        let ask = || self.init_once(current);
        self.until(deadline, Request::Init, ask).await
    }

    async fn init_once(
        &self,
        current: Option<ProducerIdentity>,
    ) -> Result<ProducerIdentity, Failed> {
        let connection = self.connection().await?;
        let min = current.map_or(0, |_| INIT_VERSION_BUMPING);
        let version = connection
            .version_within(ApiKey::InitProducerId, min, INIT_VERSION_MAX)
            .ok_or_else(|| connection.unsupported("InitProducerId"))?;
        let mut request = InitProducerIdRequest::default()
            .with_transactional_id(Some(self.wire_id()))
            .with_transaction_timeout_ms(
                i32::try_from(self.timeout.as_millis()).unwrap_or(i32::MAX),
            );
        if version >= INIT_VERSION_BUMPING {
            let current = current.unwrap_or(ProducerIdentity { id: -1, epoch: -1 });
            request = request
                .with_producer_id(current.id.into())
                .with_producer_epoch(current.epoch);
        }
        let response = self.call(&connection, &request, version).await?;
        check(response.error_code)?;
        Ok(ProducerIdentity {
            id: response.producer_id.0,
            epoch: response.producer_epoch,
        })
    }

    /// Adds partitions to the transaction, all or none.
    pub(super) async fn add_partitions(
        &self,
        identity: ProducerIdentity,
        partitions: &[TopicPartition],
        deadline: Instant,
    ) -> Result<(), TransactionError> {
        let ask = || self.add_partitions_once(identity, partitions);
        self.until(deadline, Request::AddPartitions, ask).await
    }

    async fn add_partitions_once(
        &self,
        identity: ProducerIdentity,
        partitions: &[TopicPartition],
    ) -> Result<(), Failed> {
        let connection = self.connection().await?;
        let version = connection
            .version_within(ApiKey::AddPartitionsToTxn, 0, ADD_PARTITIONS_VERSION_MAX)
            .ok_or_else(|| connection.unsupported("AddPartitionsToTxn"))?;
        let mut topics: BTreeMap<&Arc<str>, Vec<i32>> = BTreeMap::new();
        for partition in partitions {
            let indexes = topics.entry(&partition.topic).or_default();
            indexes.push(partition.partition);
        }
        let topics = topics.into_iter().map(|(topic, indexes)| {
            AddPartitionsToTxnTopic::default()
                .with_name(topic_name(topic))
                .with_partitions(indexes)
        });
        let request = AddPartitionsToTxnRequest::default()
            .with_v3_and_below_transactional_id(self.wire_id())
            .with_v3_and_below_producer_id(identity.id.into())
            .with_v3_and_below_producer_epoch(identity.epoch)
            .with_v3_and_below_topics(topics.collect());
        let response = self.call(&connection, &request, version).await?;
        let topics = response.results_by_topic_v3_and_below.iter();
        let rows = topics.flat_map(|topic| &topic.results_by_partition);
        worst(
            rows.map(|row| row.partition_error_code),
            Request::AddPartitions,
        )
    }

    /// Adds a group to the transaction, so that its offsets can be stored.
    pub(super) async fn add_offsets(
        &self,
        identity: ProducerIdentity,
        group: &ConsumerGroupMetadata,
        deadline: Instant,
    ) -> Result<(), TransactionError> {
        let ask = || async {
            let connection = self.connection().await?;
            let version = connection
                .version_within(ApiKey::AddOffsetsToTxn, 0, ADD_OFFSETS_VERSION_MAX)
                .ok_or_else(|| connection.unsupported("AddOffsetsToTxn"))?;
            let request = AddOffsetsToTxnRequest::default()
                .with_transactional_id(self.wire_id())
                .with_producer_id(identity.id.into())
                .with_producer_epoch(identity.epoch)
                .with_group_id(group_name(group));
            let response = self.call(&connection, &request, version).await?;
            check(response.error_code)
        };
        self.until(deadline, Request::AddOffsets, ask).await
    }

    /// Stores offsets with the group's coordinator; they count once the transaction does.
    pub(super) async fn commit_offsets(
        &self,
        identity: ProducerIdentity,
        version: Version,
        group: &ConsumerGroupMetadata,
        offsets: &Offsets,
        deadline: Instant,
    ) -> Result<(), TransactionError> {
        let ask = || self.commit_offsets_once(identity, version, group, offsets);
        self.until(deadline, Request::CommitOffsets, ask).await
    }

    async fn commit_offsets_once(
        &self,
        identity: ProducerIdentity,
        version: Version,
        group: &ConsumerGroupMetadata,
        offsets: &Offsets,
    ) -> Result<(), Failed> {
        let node = self.group_node(group).await?;
        let connection = self.client.connection(node).await;
        let connection = connection.inspect_err(|_| self.forget_group(group))?;
        let (min, max) = match version {
            Version::V1 => (OFFSETS_VERSION_MIN, OFFSETS_VERSION_V1),
            Version::V2 => (OFFSETS_VERSION_V2, OFFSETS_VERSION_V2),
        };
        let version = connection
            .version_within(ApiKey::TxnOffsetCommit, min, max)
            .ok_or_else(|| connection.unsupported("TxnOffsetCommit"))?;
        let mut topics: BTreeMap<&Arc<str>, Vec<TxnOffsetCommitRequestPartition>> = BTreeMap::new();
        for (partition, offset) in offsets {
            let row = TxnOffsetCommitRequestPartition::default()
                .with_partition_index(partition.partition)
                .with_committed_offset(*offset)
                .with_committed_leader_epoch(-1)
                .with_committed_metadata(Some(StrBytes::from_static_str("")));
            topics.entry(&partition.topic).or_default().push(row);
        }
        let topics = topics.into_iter().map(|(topic, partitions)| {
            TxnOffsetCommitRequestTopic::default()
                .with_name(topic_name(topic))
                .with_partitions(partitions)
        });
        let instance_id = group.group_instance_id().map(str::to_owned);
        let request = TxnOffsetCommitRequest::default()
            .with_transactional_id(self.wire_id())
            .with_producer_id(identity.id.into())
            .with_producer_epoch(identity.epoch)
            .with_group_id(group_name(group))
            .with_generation_id(group.generation())
            .with_member_id(StrBytes::from_string(group.member_id().to_owned()))
            .with_group_instance_id(instance_id.map(StrBytes::from_string))
            .with_topics(topics.collect());
        let answer = self.call(&connection, &request, version).await;
        let response = answer.inspect_err(|_| self.forget_group(group))?;
        let rows = response.topics.iter().flat_map(|topic| &topic.partitions);
        worst(rows.map(|row| row.error_code), Request::CommitOffsets).inspect_err(|failed| {
            if matches!(failed, Failed::Code(code) if code.refreshes_coordinator()) {
                self.forget_group(group);
            }
        })
    }

    /// Ends the transaction: asked again, always the same, until the outcome is known or the
    /// deadline has passed.
    pub(super) async fn end(
        &self,
        call: EndCall,
        deadline: Instant,
    ) -> (EndAnswer, Option<TransactionError>) {
        let request = match call.end {
            End::Commit => Request::Commit,
            End::Abort => Request::Abort,
        };
        let ask = || self.end_once(call);
        match self.attempt_until(deadline, request, ask).await {
            Ok(identity) => (EndAnswer::Done(identity), None),
            Err((Reaction::Retry, error)) => {
                let unknown = TransactionError::unknown(error);
                (EndAnswer::Unknown, Some(unknown))
            }
            Err((Reaction::Ended, _)) => (EndAnswer::Done(None), None),
            Err((Reaction::Forgotten, _)) => (EndAnswer::Forgotten, None),
            Err((Reaction::Abort, error)) => {
                let error = TransactionError::aborted(error);
                (EndAnswer::Refused(error.clone()), Some(error))
            }
            Err((Reaction::Break, error)) => {
                let error = TransactionError::fatal(error);
                (EndAnswer::Broken(error.clone()), Some(error))
            }
        }
    }

    async fn end_once(&self, call: EndCall) -> Result<Option<ProducerIdentity>, Failed> {
        let connection = self.connection().await?;
        let (min, max) = match call.version {
            Version::V1 => (0, END_VERSION_V1),
            Version::V2 => (END_VERSION_V2, END_VERSION_V2),
        };
        let version = connection
            .version_within(ApiKey::EndTxn, min, max)
            .ok_or_else(|| connection.unsupported("EndTxn"))?;
        let request = EndTxnRequest::default()
            .with_transactional_id(self.wire_id())
            .with_producer_id(call.identity.id.into())
            .with_producer_epoch(call.identity.epoch)
            .with_committed(call.end == End::Commit);
        let response = self.call(&connection, &request, version).await?;
        check(response.error_code)?;
        let next = ProducerIdentity {
            id: response.producer_id.0,
            epoch: response.producer_epoch,
        };
        Ok((call.version == Version::V2 && next.id >= 0).then_some(next))
    }

    /// Asks until there is an answer to go on with, or none in time.
    async fn until<T, F>(
        &self,
        deadline: Instant,
        request: Request,
        ask: impl FnMut() -> F,
    ) -> Result<T, TransactionError>
    where
        F: Future<Output = Result<T, Failed>>,
    {
        let answer = self.attempt_until(deadline, request, ask).await;
        answer.map_err(|(reaction, error)| match reaction {
            Reaction::Break => TransactionError::fatal(error),
            _ => TransactionError::aborted(error),
        })
    }

    async fn attempt_until<T, F>(
        &self,
        deadline: Instant,
        request: Request,
        mut ask: impl FnMut() -> F,
    ) -> Result<T, (Reaction, Error)>
    where
        F: Future<Output = Result<T, Failed>>,
    {
        let config = self.client.config();
        let mut backoff = Backoff::new(config.retry_backoff, config.retry_backoff_max);
        loop {
            let (reaction, error, is_brief) = match ask().await {
                Ok(answer) => return Ok(answer),
                Err(Failed::Code(code)) => {
                    if code.refreshes_coordinator() {
                        self.forget();
                    }
                    let context = format!("{request} of transactional id {:?}", self.id);
                    let is_brief = code == ErrorCode::ConcurrentTransactions;
                    (react(request, code), Error::broker(code, context), is_brief)
                }
                Err(Failed::Error(error)) => {
                    self.forget();
                    // An answer that cannot be read says nothing about what was done.
                    let is_unclear = matches!(error, Error::Protocol { .. });
                    let reaction = if error.is_retriable() || is_unclear {
                        Reaction::Retry
                    } else {
                        Reaction::Break
                    };
                    (reaction, error, false)
                }
            };
            let pause = if is_brief {
                CONCURRENT_PAUSE
            } else {
                backoff.next_delay()
            };
            if reaction != Reaction::Retry || Instant::now() + pause >= deadline {
                return Err((reaction, error));
            }
            tracing::debug!(event = "transaction_retry", transactional_id = %self.id, %error);
            tokio::time::sleep(pause).await;
        }
    }

    async fn call<R: wire::Request>(
        &self,
        connection: &Connection,
        request: &R,
        version: i16,
    ) -> Result<R::Response, Error> {
        let timeout = self.client.config().request_timeout;
        connection.call_at(request, version, timeout).await
    }

    async fn connection(&self) -> Result<Connection, Error> {
        let known = *self.node.lock().unwrap_or_else(PoisonError::into_inner);
        let node = match known {
            Some(node) => node,
            None => {
                let kind = CoordinatorType::Transaction;
                let node = self.client.coordinator(&self.id, kind).await?;
                *self.node.lock().unwrap_or_else(PoisonError::into_inner) = Some(node);
                node
            }
        };
        let connection = self.client.connection(node).await;
        connection.inspect_err(|_| self.forget())
    }

    fn forget(&self) {
        *self.node.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    async fn group_node(&self, group: &ConsumerGroupMetadata) -> Result<NodeId, Error> {
        let known = self.group_nodes().get(group.group_id()).copied();
        if let Some(node) = known {
            return Ok(node);
        }
        let group_id: Arc<str> = group.group_id().into();
        let kind = CoordinatorType::Group;
        let node = self.client.coordinator(&group_id, kind).await?;
        self.group_nodes().insert(group_id, node);
        Ok(node)
    }

    fn forget_group(&self, group: &ConsumerGroupMetadata) {
        self.group_nodes().remove(group.group_id());
    }

    fn group_nodes(&self) -> std::sync::MutexGuard<'_, HashMap<Arc<str>, NodeId>> {
        let nodes = self.group_nodes.lock();
        nodes.unwrap_or_else(PoisonError::into_inner)
    }

    fn wire_id(&self) -> TransactionalId {
        TransactionalId(StrBytes::from_string(self.id.to_string()))
    }
}

fn check(code: i16) -> Result<(), Failed> {
    match ErrorCode::from(code) {
        ErrorCode::None => Ok(()),
        code => Err(Failed::Code(code)),
    }
}

/// The code that matters most of many: the others may only be its consequence.
fn worst(codes: impl Iterator<Item = i16>, request: Request) -> Result<(), Failed> {
    let codes = codes.map(ErrorCode::from).filter(|code| !code.is_none());
    let worst = codes.max_by_key(|code| {
        let is_consequence = *code == ErrorCode::OperationNotAttempted;
        (!is_consequence, react(request, *code))
    });
    worst.map_or(Ok(()), |code| Err(Failed::Code(code)))
}

fn topic_name(topic: &Arc<str>) -> TopicName {
    TopicName(StrBytes::from_string(topic.to_string()))
}

fn group_name(group: &ConsumerGroupMetadata) -> GroupId {
    GroupId(StrBytes::from_string(group.group_id().to_owned()))
}
