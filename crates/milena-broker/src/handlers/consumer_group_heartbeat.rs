//! ConsumerGroupHeartbeat (KIP-848).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use milena_wire::error_code::ErrorCode;
use milena_wire::rpc::StrBytes;
use milena_wire::rpc::messages::consumer_group_heartbeat_response::{Assignment, TopicPartitions};
use milena_wire::rpc::messages::{ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse};
use uuid::Uuid;

use crate::coordinator::consumer_group::{
    Beat, BeatRequest, PartitionSet, Refusal, TopicShape, TopicView,
};
use crate::coordinator::groups::new_member_id;
use crate::handlers::{check_group_id, shared, to_wire};
use crate::node::Node;
use crate::server::RequestContext;
use crate::topics::Catalog;

/// Members name themselves from here on.
const OWN_IDS_SINCE: i16 = 1;

pub(crate) fn handle(
    node: &Node,
    context: &RequestContext,
    request: ConsumerGroupHeartbeatRequest,
) -> ConsumerGroupHeartbeatResponse {
    let beat = check_group_id(&request.group_id)
        .map_err(|code| Refusal::new(code, "GroupId can't be empty or too long."))
        .and_then(|()| beat_request(context, &request))
        .and_then(|beat| {
            let group_id = &request.group_id;
            node.groups
                .consumer_heartbeat(group_id, &beat, &node.topics)
        });
    match beat {
        Ok(beat) => accepted(beat),
        Err(refusal) => {
            tracing::debug!(
                event = "group_heartbeat_refused",
                group = %request.group_id.as_str(),
                member_id = %request.member_id,
                code = refusal.code.name(),
            );
            ConsumerGroupHeartbeatResponse::default()
                .with_error_code(refusal.code.code())
                .with_error_message(Some(StrBytes::from_string(refusal.reason)))
        }
    }
}

fn beat_request(
    context: &RequestContext,
    request: &ConsumerGroupHeartbeatRequest,
) -> Result<BeatRequest, Refusal> {
    let has_no_id = request.member_id.is_empty();
    if has_no_id && context.api_version >= OWN_IDS_SINCE {
        let reason = "MemberId can't be empty.";
        return Err(Refusal::new(ErrorCode::InvalidRequest, reason));
    }
    let names = request.subscribed_topic_names.as_ref();
    let owned = request.topic_partitions.as_ref().map(|topics| {
        let partitions = topics.iter().flat_map(|topic| {
            let indexes = topic.partitions.iter();
            indexes.map(|partition| (topic.topic_id, *partition))
        });
        partitions.collect::<PartitionSet>()
    });
    let rebalance_timeout = u64::try_from(request.rebalance_timeout_ms).ok();
    Ok(BeatRequest {
        member_id: match has_no_id && request.member_epoch == 0 {
            true => new_member_id(),
            false => shared(&request.member_id),
        },
        epoch: request.member_epoch,
        instance_id: request.instance_id.as_ref().map(shared),
        rack_id: request.rack_id.as_ref().map(shared),
        client_id: Arc::from(context.client_id()),
        client_host: Arc::from(format!("/{}", context.peer.ip().to_canonical())),
        rebalance_timeout: rebalance_timeout.map(Duration::from_millis),
        names: names.map(|names| names.iter().map(|name| shared(name)).collect()),
        pattern: request.subscribed_topic_regex.as_ref().map(shared),
        assignor: request.server_assignor.as_ref().map(shared),
        owned,
    })
}

fn accepted(beat: Beat) -> ConsumerGroupHeartbeatResponse {
    let interval_ms = i32::try_from(beat.interval.as_millis()).unwrap_or(i32::MAX);
    let assignment = beat.assigned.map(|assigned| {
        let mut topics: BTreeMap<Uuid, Vec<i32>> = BTreeMap::new();
        for (topic, partition) in assigned {
            topics.entry(topic).or_default().push(partition);
        }
        let topics = topics.into_iter().map(|(topic, partitions)| {
            TopicPartitions::default()
                .with_topic_id(topic)
                .with_partitions(partitions)
        });
        Assignment::default().with_topic_partitions(topics.collect())
    });
    ConsumerGroupHeartbeatResponse::default()
        .with_member_id(Some(to_wire(&beat.member_id)))
        .with_member_epoch(beat.epoch)
        .with_heartbeat_interval_ms(interval_ms)
        .with_assignment(assignment)
}

impl TopicView for Catalog {
    fn version(&self) -> u64 {
        Catalog::version(self)
    }

    fn shape(&self, name: &str) -> Option<TopicShape> {
        self.by_name(name).map(|topic| TopicShape {
            id: topic.id,
            partitions: topic.partition_count(),
        })
    }

    fn names(&self) -> Vec<Arc<str>> {
        self.all().iter().map(|topic| topic.name.clone()).collect()
    }
}
