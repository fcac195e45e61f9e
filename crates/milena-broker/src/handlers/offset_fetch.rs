//! OffsetFetch, for one group or (since version 8) several.

use milena_wire::error_code::ErrorCode;
use milena_wire::rpc::StrBytes;
use milena_wire::rpc::messages::offset_fetch_response::{
    OffsetFetchResponseGroup, OffsetFetchResponsePartition, OffsetFetchResponsePartitions,
    OffsetFetchResponseTopic, OffsetFetchResponseTopics,
};
use milena_wire::rpc::messages::{OffsetFetchRequest, OffsetFetchResponse, TopicName};

use crate::authorizer::acl::resource;
use crate::coordinator::offsets::{CommittedOffset, GroupOffsets};
use crate::handlers::{check_group_id, to_wire};
use crate::node::Node;
use crate::server::RequestContext;

/// Several groups in one request from here on (KIP-709).
const BATCHED_SINCE: i16 = 8;
/// An error code for the whole group from here on.
const TOP_LEVEL_CODE_SINCE: i16 = 2;
/// Leader epochs from here on (KIP-320).
const LEADER_EPOCH_SINCE: i16 = 5;

/// What is asked of one group; no topics at all means everything.
type Asked = Option<Vec<(TopicName, Vec<i32>)>>;
/// One topic of the answer.
type Row = (TopicName, Vec<(i32, Answer)>);
/// One partition of the answer.
type Answer = Result<CommittedOffset, ErrorCode>;

pub(crate) fn handle(
    node: &Node,
    context: &RequestContext,
    request: OffsetFetchRequest,
) -> OffsetFetchResponse {
    if context.api_version >= BATCHED_SINCE {
        let groups = request.groups.into_iter().map(|group| {
            let asked = group.topics.map(|topics| {
                topics
                    .into_iter()
                    .map(|topic| (topic.name, topic.partition_indexes))
                    .collect()
            });
            let response = OffsetFetchResponseGroup::default();
            let stable = request.require_stable;
            let member_id = group.member_id.as_deref();
            let found = node
                .groups
                .check_fetch(&group.group_id, member_id, group.member_epoch)
                .and_then(|()| look_up(node, context, &group.group_id, asked, stable));
            let response = match found {
                Ok(rows) => response.with_topics(rows.into_iter().map(batched_topic).collect()),
                Err(code) => response.with_error_code(code.code()),
            };
            response.with_group_id(group.group_id)
        });
        return OffsetFetchResponse::default().with_groups(groups.collect());
    }
    let asked = request.topics.map(|topics| {
        topics
            .into_iter()
            .map(|topic| (topic.name, topic.partition_indexes))
            .collect()
    });
    let version = context.api_version;
    let response = OffsetFetchResponse::default();
    let stable = request.require_stable;
    match look_up(node, context, &request.group_id, asked, stable) {
        Ok(rows) => {
            let topics = rows.into_iter().map(|row| single_topic(row, version));
            response.with_topics(topics.collect())
        }
        Err(code) if version >= TOP_LEVEL_CODE_SINCE => response.with_error_code(code.code()),
        Err(_) => response,
    }
}

/// With `stable`, an offset that a transaction is about to change is not given (KIP-447).
fn look_up(
    node: &Node,
    context: &RequestContext,
    group_id: &str,
    asked: Asked,
    stable: bool,
) -> Result<Vec<Row>, ErrorCode> {
    let authorizer = &node.authorizer;
    authorizer.check(context, resource::GROUP, group_id)?;
    check_group_id(group_id)?;
    let none = GroupOffsets::default();
    let rows = |offsets: &GroupOffsets| match &asked {
        Some(asked) => some_offsets(offsets, asked),
        None => all_offsets(offsets),
    };
    // A group that nobody has heard of has simply not committed anything.
    let mut found = node
        .groups
        .inspect(group_id, |_, offsets| rows(offsets))
        .unwrap_or_else(|| rows(&none));
    if asked.is_none() {
        found.retain(|(topic, _)| authorizer.may_see(context, resource::TOPIC, topic));
    }
    for (topic, partitions) in &mut found {
        if let Err(code) = authorizer.check(context, resource::TOPIC, topic) {
            partitions.iter_mut().for_each(|row| row.1 = Err(code));
        }
    }
    if stable {
        for (topic, partitions) in &mut found {
            for (index, answer) in partitions {
                if answer.is_ok() && node.groups.is_pending(group_id, topic, *index) {
                    *answer = Err(ErrorCode::UnstableOffsetCommit);
                }
            }
        }
    }
    Ok(found)
}

fn some_offsets(offsets: &GroupOffsets, asked: &[(TopicName, Vec<i32>)]) -> Vec<Row> {
    let row = |(name, partitions): &(TopicName, Vec<i32>)| {
        let found = partitions.iter().map(|index| {
            let committed = offsets.committed(name, *index).cloned();
            (*index, Ok(committed.unwrap_or_else(nothing_committed)))
        });
        (name.clone(), found.collect())
    };
    asked.iter().map(row).collect()
}

fn all_offsets(offsets: &GroupOffsets) -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::new();
    for (topic, partition, offset) in offsets.iter() {
        let row = (partition, Ok(offset.clone()));
        match rows.last_mut() {
            Some((name, partitions)) if **name == **topic => partitions.push(row),
            _ => rows.push((TopicName(to_wire(topic)), vec![row])),
        }
    }
    rows
}

fn nothing_committed() -> CommittedOffset {
    CommittedOffset {
        offset: -1,
        leader_epoch: -1,
        metadata: "".into(),
        committed_ms: 0,
    }
}

fn parts(answer: Answer) -> (CommittedOffset, i16) {
    match answer {
        Ok(offset) => (offset, ErrorCode::None.code()),
        Err(code) => (nothing_committed(), code.code()),
    }
}

fn metadata(offset: &CommittedOffset) -> Option<StrBytes> {
    Some(to_wire(&offset.metadata))
}

fn batched_topic((name, partitions): Row) -> OffsetFetchResponseTopics {
    let partitions = partitions.into_iter().map(|(index, answer)| {
        let (offset, code) = parts(answer);
        OffsetFetchResponsePartitions::default()
            .with_partition_index(index)
            .with_error_code(code)
            .with_committed_offset(offset.offset)
            .with_committed_leader_epoch(offset.leader_epoch)
            .with_metadata(metadata(&offset))
    });
    OffsetFetchResponseTopics::default()
        .with_name(name)
        .with_partitions(partitions.collect())
}

fn single_topic((name, partitions): Row, version: i16) -> OffsetFetchResponseTopic {
    let partitions = partitions.into_iter().map(|(index, answer)| {
        let (offset, code) = parts(answer);
        let epoch = if version >= LEADER_EPOCH_SINCE {
            offset.leader_epoch
        } else {
            -1
        };
        OffsetFetchResponsePartition::default()
            .with_partition_index(index)
            .with_error_code(code)
            .with_committed_offset(offset.offset)
            .with_committed_leader_epoch(epoch)
            .with_metadata(metadata(&offset))
    });
    OffsetFetchResponseTopic::default()
        .with_name(name)
        .with_partitions(partitions.collect())
}
