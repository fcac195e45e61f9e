//! Groups of the new consumer protocol (KIP-848), which a broker describes by a request of their own.

use std::sync::Arc;

use super::groups::{GroupDescription, MemberDescription};
use super::{Admin, check};
use crate::error::Error;
use crate::topology::{NodeId, TopicPartition};
use crate::wire::messages::consumer_group_describe_response::{DescribedGroup, Member};
use crate::wire::messages::{ConsumerGroupDescribeRequest, GroupId};
use crate::wire::{ErrorCode, StrBytes};

/// The protocol type of these groups, the same as of classic groups of consumers.
const PROTOCOL_CONSUMER: &str = "consumer";

impl Admin {
    /// A group of the new protocol; `None` if the coordinator knows no such group, or no such request.
    pub(super) async fn describe_consumer_group(
        &self,
        group_id: &str,
        coordinator: NodeId,
    ) -> Result<Option<GroupDescription>, Error> {
        let id = GroupId(StrBytes::from_string(group_id.to_owned()));
        let request = ConsumerGroupDescribeRequest::default().with_group_ids(vec![id]);
        let response = match self.lane.call(coordinator, &request, self.timeout).await {
            Err(Error::Unsupported { .. }) => return Ok(None),
            answered => answered?,
        };
        let mut groups = response.groups.iter();
        match groups.find(|group| group.group_id.as_str() == group_id) {
            Some(group) => read_group(group, coordinator),
            None => Ok(None),
        }
    }
}

fn read_group(
    group: &DescribedGroup,
    coordinator: NodeId,
) -> Result<Option<GroupDescription>, Error> {
    let group_id = group.group_id.to_string();
    match ErrorCode::from(group.error_code) {
        ErrorCode::GroupIdNotFound | ErrorCode::UnsupportedVersion => return Ok(None),
        _ => check(group.error_code, group.error_message.as_ref(), || {
            format!("cannot describe group {group_id}")
        })?,
    }
    let mut members: Vec<MemberDescription> = group.members.iter().map(read_member).collect();
    members.sort_by(|left, right| left.member_id.cmp(&right.member_id));
    Ok(Some(GroupDescription {
        group_id,
        state: group.group_state.to_string(),
        protocol_type: PROTOCOL_CONSUMER.to_owned(),
        assignor: group.assignor_name.to_string(),
        coordinator,
        members,
    }))
}

fn read_member(member: &Member) -> MemberDescription {
    let topics = member.assignment.topic_partitions.iter();
    let mut assignment: Vec<TopicPartition> = topics
        .flat_map(|topic| {
            let name: Arc<str> = topic.topic_name.as_str().into();
            let partitions = topic.partitions.iter();
            partitions.map(move |index| TopicPartition::new(Arc::clone(&name), *index))
        })
        .collect();
    assignment.sort();
    MemberDescription {
        member_id: member.member_id.to_string(),
        group_instance_id: member.instance_id.as_ref().map(ToString::to_string),
        client_id: member.client_id.to_string(),
        client_host: member.client_host.to_string(),
        assignment,
    }
}

#[cfg(test)]
mod tests;
