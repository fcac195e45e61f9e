//! Asking leaders for offsets of their logs.
//!
//! Owns the ListOffsets request and the reading of its answers: one attempt each. Must not know positions or retries.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::wire::StrBytes;
use crate::wire::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use crate::wire::messages::list_offsets_response::ListOffsetsResponse;
use crate::wire::messages::{ApiKey, ListOffsetsRequest, TopicName};

use super::ask_leaders::{Answers, ask_leaders};
use super::config::IsolationLevel;
use super::position::OffsetQuery;
use crate::client::Client;
use crate::error::Error;
use crate::metadata::ClusterSnapshot;
use crate::topology::{NodeId, TopicPartition};
use crate::wire::ErrorCode;

/// The timestamp that stands for the oldest record.
const TIMESTAMP_EARLIEST: i64 = -2;
/// The timestamp that stands for the end of the log.
const TIMESTAMP_LATEST: i64 = -1;
/// Requests know isolation levels from here on.
const VERSION_WITH_ISOLATION: i16 = 2;
/// The last one whose fields this client fills.
const VERSION_MAX: i16 = 9;
const VERSION_MIN: i16 = 1;
const WHAT: &str = "offsets";

/// The answer for each partition; no offset means that no record is that new.
pub(crate) type Offsets = Answers<Option<i64>>;

/// Asks the leader of each partition, all of them at the same time. Every
/// partition asked about gets an answer or an error.
pub(crate) async fn list_offsets(
    client: &Client,
    isolation_level: IsolationLevel,
    queries: &[(TopicPartition, OffsetQuery)],
) -> Offsets {
    let snapshot = client.metadata().snapshot();
    ask_leaders(client, WHAT, queries, |leader, queries| {
        ask(client, leader, isolation_level, &snapshot, queries)
    })
    .await
}

async fn ask(
    client: &Client,
    leader: NodeId,
    isolation_level: IsolationLevel,
    snapshot: &ClusterSnapshot,
    queries: Vec<&(TopicPartition, OffsetQuery)>,
) -> Result<Offsets, Error> {
    let connection = client.connection(leader).await?;
    let version = connection
        .version_within(ApiKey::ListOffsets, VERSION_MIN, VERSION_MAX)
        .ok_or_else(|| Error::Unsupported {
            address: format!("broker {leader}"),
            api: "ListOffsets".to_owned(),
        })?;
    let mut topics: BTreeMap<&Arc<str>, Vec<ListOffsetsPartition>> = BTreeMap::new();
    for (partition, query) in queries {
        let asked = ListOffsetsPartition::default()
            .with_partition_index(partition.partition)
            .with_current_leader_epoch(snapshot.leader_epoch(partition))
            .with_timestamp(match query {
                OffsetQuery::Earliest => TIMESTAMP_EARLIEST,
                OffsetQuery::Latest => TIMESTAMP_LATEST,
                OffsetQuery::Timestamp(timestamp) => *timestamp,
                OffsetQuery::Ago(age) => timestamp_before_now(*age),
            });
        topics.entry(&partition.topic).or_default().push(asked);
    }
    let topics = topics.into_iter().map(|(topic, partitions)| {
        ListOffsetsTopic::default()
            .with_name(TopicName(StrBytes::from_string(topic.to_string())))
            .with_partitions(partitions)
    });
    let is_committed =
        isolation_level == IsolationLevel::ReadCommitted && version >= VERSION_WITH_ISOLATION;
    let request = ListOffsetsRequest::default()
        .with_replica_id((-1).into())
        .with_isolation_level(i8::from(is_committed))
        .with_topics(topics.collect());
    let timeout = client.config().request_timeout;
    let response = connection.call_at(&request, version, timeout).await?;
    Ok(read(client, snapshot, response))
}

/// Milliseconds since 1970, not before it: what is below has meanings of its own.
fn timestamp_before_now(age: Duration) -> i64 {
    let then = SystemTime::now().checked_sub(age);
    let since_epoch = then.and_then(|then| then.duration_since(UNIX_EPOCH).ok());
    let milliseconds = since_epoch.unwrap_or_default().as_millis();
    i64::try_from(milliseconds).unwrap_or(i64::MAX)
}

fn read(client: &Client, snapshot: &ClusterSnapshot, response: ListOffsetsResponse) -> Offsets {
    let mut offsets = Offsets::new();
    for topic in &response.topics {
        let name: Arc<str> = Arc::from(topic.name.as_str());
        for data in &topic.partitions {
            let partition = TopicPartition::new(Arc::clone(&name), data.partition_index);
            let answer = match ErrorCode::from(data.error_code) {
                ErrorCode::None => {
                    if data.leader_epoch > snapshot.leader_epoch(&partition) {
                        client.metadata().request_refresh();
                    }
                    Ok((data.offset >= 0).then_some(data.offset))
                }
                code => {
                    if code.refreshes_metadata() {
                        client.metadata().request_refresh();
                    }
                    Err(Error::broker(code, format!("{WHAT} of {partition}")))
                }
            };
            offsets.insert(partition, answer);
        }
    }
    offsets
}
