//! Asking leaders where epochs end (KIP-320).
//!
//! Owns the OffsetForLeaderEpoch request and the reading of its answers: one attempt each. Must not
//! know positions or retries.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::wire::StrBytes;
use crate::wire::messages::offset_for_leader_epoch_request::{
    OffsetForLeaderPartition, OffsetForLeaderTopic,
};
use crate::wire::messages::offset_for_leader_epoch_response::OffsetForLeaderEpochResponse;
use crate::wire::messages::{ApiKey, OffsetForLeaderEpochRequest, TopicName};

use super::ask_leaders::{Answers, ask_leaders};
use super::validation::{EpochEnd, EpochQuery};
use crate::client::Client;
use crate::error::Error;
use crate::topology::{NodeId, TopicPartition};
use crate::wire::ErrorCode;

/// From here on the permission to describe a topic is enough.
const VERSION_MIN: i16 = 3;
/// The last one whose fields this client fills.
const VERSION_MAX: i16 = 4;
const WHAT: &str = "end of the leader epoch";

/// Asks the leader of each partition. [`Error::Unsupported`] where it is too old for the question.
pub(super) async fn epoch_ends(
    client: &Client,
    queries: &[(TopicPartition, EpochQuery)],
) -> Answers<EpochEnd> {
    ask_leaders(client, WHAT, queries, |leader, queries| {
        ask(client, leader, queries)
    })
    .await
}

async fn ask(
    client: &Client,
    leader: NodeId,
    queries: Vec<&(TopicPartition, EpochQuery)>,
) -> Result<Answers<EpochEnd>, Error> {
    let connection = client.connection(leader).await?;
    let version = connection
        .version_within(ApiKey::OffsetForLeaderEpoch, VERSION_MIN, VERSION_MAX)
        .ok_or_else(|| connection.unsupported("OffsetForLeaderEpoch"))?;
    let mut topics: BTreeMap<&Arc<str>, Vec<OffsetForLeaderPartition>> = BTreeMap::new();
    for (partition, query) in queries {
        let asked = OffsetForLeaderPartition::default()
            .with_partition(partition.partition)
            .with_current_leader_epoch(query.leader_epoch)
            .with_leader_epoch(query.epoch);
        topics.entry(&partition.topic).or_default().push(asked);
    }
    let topics = topics.into_iter().map(|(topic, partitions)| {
        OffsetForLeaderTopic::default()
            .with_topic(TopicName(StrBytes::from_string(topic.to_string())))
            .with_partitions(partitions)
    });
    let request = OffsetForLeaderEpochRequest::default()
        .with_replica_id((-1).into())
        .with_topics(topics.collect());
    let timeout = client.config().request_timeout;
    let response = connection.call_at(&request, version, timeout).await?;
    Ok(read(client, response))
}

fn read(client: &Client, response: OffsetForLeaderEpochResponse) -> Answers<EpochEnd> {
    let mut ends = Answers::new();
    for topic in &response.topics {
        let name: Arc<str> = Arc::from(topic.topic.as_str());
        for data in &topic.partitions {
            let partition = TopicPartition::new(Arc::clone(&name), data.partition);
            let end = match ErrorCode::from(data.error_code) {
                ErrorCode::None => Ok(EpochEnd {
                    epoch: data.leader_epoch,
                    offset: data.end_offset,
                }),
                code => {
                    if code.refreshes_metadata() {
                        client.metadata().request_refresh();
                    }
                    Err(Error::broker(code, format!("{WHAT} of {partition}")))
                }
            };
            ends.insert(partition, end);
        }
    }
    ends
}
