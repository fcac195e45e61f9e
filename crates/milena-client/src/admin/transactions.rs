//! Transactions and producers as the cluster sees them (KIP-664).

use std::collections::BTreeMap;
use std::sync::Arc;

use super::each::failed;
use super::leaders::{by_topic, still_spreading};
use super::{Admin, PerItem, check, text};
use crate::client::CoordinatorType;
use crate::error::Error;
use crate::net::Connection;
use crate::topology::{NodeId, TopicPartition};
use crate::wire::ApiKey;
use crate::wire::messages::describe_producers_request::TopicRequest;
use crate::wire::messages::describe_transactions_response::TransactionState;
use crate::wire::messages::{
    DescribeProducersRequest, DescribeTransactionsRequest, ListTransactionsRequest, ProducerId,
    TopicName, TransactionalId,
};

/// The age of transactions can be asked for from this version on (KIP-994).
const DURATION_SINCE: i16 = 1;

/// Which transactions are listed. Default: all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[must_use]
pub struct TransactionFilter {
    states: Vec<String>,
    producer_ids: Vec<i64>,
    older_than_ms: Option<i64>,
}

impl TransactionFilter {
    /// Only those in this state, such as `Ongoing`, or another that is named.
    pub fn state(mut self, state: impl Into<String>) -> Self {
        self.states.push(state.into());
        self
    }

    /// Only those of this producer, or another that is named.
    pub fn producer_id(mut self, producer_id: i64) -> Self {
        self.producer_ids.push(producer_id);
        self
    }

    /// Only those that have been going on for longer; brokers before 3.8 list younger ones as well.
    pub fn older_than_ms(mut self, milliseconds: i64) -> Self {
        self.older_than_ms = Some(milliseconds);
        self
    }

    fn to_wire(&self, connection: &Connection) -> ListTransactionsRequest {
        let version = connection.version_of(ApiKey::ListTransactions).unwrap_or(0);
        let older_than = self.older_than_ms.filter(|_| version >= DURATION_SINCE);
        let ids = self.producer_ids.iter().copied().map(ProducerId);
        ListTransactionsRequest::default()
            .with_state_filters(self.states.iter().map(|state| text(state)).collect())
            .with_producer_id_filters(ids.collect())
            .with_duration_filter(older_than.unwrap_or(-1))
    }
}

/// One row of the list of transactions.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct TransactionListing {
    /// The `transactional.id`.
    pub transactional_id: String,
    /// The producer's id.
    pub producer_id: i64,
    /// `Empty`, `Ongoing`, `PrepareCommit`, `CompleteCommit` and so on.
    pub state: String,
    /// The broker that coordinates it.
    pub coordinator: NodeId,
}

/// A transaction in detail.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct TransactionDescription {
    /// The producer's id.
    pub producer_id: i64,
    /// The producer's epoch.
    pub producer_epoch: i16,
    /// `Empty`, `Ongoing`, `PrepareCommit`, `CompleteCommit` and so on.
    pub state: String,
    /// After how many milliseconds the coordinator aborts it.
    pub timeout_ms: i32,
    /// When it began, in milliseconds since 1970; none if none is going on.
    pub started_ms: Option<i64>,
    /// The partitions in it, sorted.
    pub partitions: Vec<TopicPartition>,
}

/// A producer that a partition remembers.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ProducerDescription {
    /// Its id.
    pub producer_id: i64,
    /// Its epoch.
    pub producer_epoch: i32,
    /// The sequence of its last record; none if unknown.
    pub last_sequence: Option<i32>,
    /// When it last wrote, in milliseconds since 1970; none if unknown.
    pub last_timestamp: Option<i64>,
    /// The epoch of the coordinator that last ended a transaction of it; none if there was none.
    pub coordinator_epoch: Option<i32>,
    /// Where its open transaction begins; none if it has none.
    pub transaction_start: Option<i64>,
}

impl Admin {
    /// The transactions of all brokers that pass a filter, sorted by id.
    ///
    /// # Errors
    /// If a broker did not answer: without it the list would not be whole.
    pub async fn list_transactions(
        &self,
        filter: &TransactionFilter,
    ) -> Result<Vec<TransactionListing>, Error> {
        let cluster = self.describe_cluster().await?;
        let mut transactions = Vec::new();
        for broker in cluster.brokers {
            let node = broker.node;
            let response = self
                .retry("list of transactions", || async {
                    let connection = self.lane.connection(node).await?;
                    let request = filter.to_wire(&connection);
                    let response = connection.call(&request, self.timeout).await?;
                    check(response.error_code, None, || {
                        format!("cannot list transactions of {node}")
                    })?;
                    Ok(response)
                })
                .await?;
            let rows = response.transaction_states.iter();
            transactions.extend(rows.map(|row| TransactionListing {
                transactional_id: row.transactional_id.to_string(),
                producer_id: row.producer_id.0,
                state: row.transaction_state.to_string(),
                coordinator: node,
            }));
        }
        transactions.sort_by(|left, right| left.transactional_id.cmp(&right.transactional_id));
        Ok(transactions)
    }

    /// Transactions in detail; each has its own result, such as TRANSACTIONAL_ID_NOT_FOUND.
    pub async fn describe_transactions(
        &self,
        transactional_ids: &[&str],
    ) -> PerItem<TransactionDescription> {
        let ids: Vec<String> = transactional_ids
            .iter()
            .map(|id| (*id).to_owned())
            .collect();
        self.each("description of transactions", &ids, |open| async move {
            let mut results = Vec::with_capacity(open.len());
            for id in open {
                let result = self.describe_transaction(&id).await;
                results.push((id, result));
            }
            Ok(results)
        })
        .await
    }

    async fn describe_transaction(&self, id: &str) -> Result<TransactionDescription, Error> {
        let coordinator = self
            .client
            .coordinator(id, CoordinatorType::Transaction)
            .await?;
        let request = DescribeTransactionsRequest::default()
            .with_transactional_ids(vec![TransactionalId(text(id))]);
        let response = self.lane.call(coordinator, &request, self.timeout).await?;
        let mut rows = response.transaction_states.iter();
        let row = rows.find(|row| row.transactional_id.as_str() == id);
        let silence = || Error::protocol(format!("the broker said nothing about {id}"));
        let row = row.ok_or_else(silence)?;
        check(row.error_code, None, || {
            format!("cannot describe transaction {id}")
        })?;
        Ok(read_transaction(row))
    }

    /// The producers that partitions remember, from their leaders; each partition has its own result.
    pub async fn describe_producers(
        &self,
        partitions: &[TopicPartition],
    ) -> PerItem<Vec<ProducerDescription>, TopicPartition> {
        self.each("description of producers", partitions, |open| async move {
            let (by_leader, mut results) = self.by_leader(open).await?;
            for (leader, partitions) in by_leader {
                match self.describe_producers_of(leader, &partitions).await {
                    Ok(answers) => results.extend(answers),
                    Err(error) => results.extend(failed(partitions, &error)),
                }
            }
            Ok(results)
        })
        .await
    }

    async fn describe_producers_of(
        &self,
        leader: NodeId,
        partitions: &[TopicPartition],
    ) -> Result<PerItem<Vec<ProducerDescription>, TopicPartition>, Error> {
        let by_topic: BTreeMap<&str, Vec<i32>> = by_topic(partitions);
        let topics = by_topic.into_iter().map(|(name, indexes)| {
            TopicRequest::default()
                .with_name(TopicName(text(name)))
                .with_partition_indexes(indexes)
        });
        let request = DescribeProducersRequest::default().with_topics(topics.collect());
        let response = self.lane.call(leader, &request, self.timeout).await?;
        let mut results = Vec::with_capacity(partitions.len());
        for topic in &response.topics {
            let name: Arc<str> = topic.name.as_str().into();
            for row in &topic.partitions {
                let partition = TopicPartition::new(Arc::clone(&name), row.partition_index);
                let result = check(row.error_code, row.error_message.as_ref(), || {
                    format!("cannot describe the producers of {partition}")
                });
                let producers = row.active_producers.iter().map(|row| ProducerDescription {
                    producer_id: row.producer_id.0,
                    producer_epoch: row.producer_epoch,
                    last_sequence: Some(row.last_sequence).filter(|known| *known >= 0),
                    last_timestamp: Some(row.last_timestamp).filter(|known| *known >= 0),
                    coordinator_epoch: Some(row.coordinator_epoch).filter(|known| *known >= 0),
                    transaction_start: Some(row.current_txn_start_offset)
                        .filter(|known| *known >= 0),
                });
                let producers = producers.collect();
                results.push((
                    partition,
                    result.map_err(still_spreading).map(|()| producers),
                ));
            }
        }
        Ok(results)
    }
}

fn read_transaction(row: &TransactionState) -> TransactionDescription {
    let mut partitions = Vec::new();
    for topic in &row.topics {
        let name: Arc<str> = topic.topic.as_str().into();
        let indexes = topic.partitions.iter();
        partitions.extend(indexes.map(|index| TopicPartition::new(Arc::clone(&name), *index)));
    }
    partitions.sort();
    TransactionDescription {
        producer_id: row.producer_id.0,
        producer_epoch: row.producer_epoch,
        state: row.transaction_state.to_string(),
        timeout_ms: row.transaction_timeout_ms,
        started_ms: Some(row.transaction_start_time_ms).filter(|time| *time >= 0),
        partitions,
    }
}
