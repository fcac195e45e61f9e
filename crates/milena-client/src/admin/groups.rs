//! Consumer groups: list, describe with members and what they are assigned.

use std::collections::{BTreeMap, HashMap};

use bytes::{Buf, Bytes};

use super::{Admin, PerItem, check, text};
use crate::client::CoordinatorType;
use crate::error::Error;
use crate::net::Connection;
use crate::topology::{NodeId, TopicPartition};
use crate::wire::messages::describe_groups_response::{DescribedGroup, DescribedGroupMember};
use crate::wire::messages::{
    ConsumerProtocolAssignment, DescribeGroupsRequest, GroupId, ListGroupsRequest,
};
use crate::wire::{ApiKey, ErrorCode, Message, StrBytes, decode_message};

/// The protocol type of consumers; others, such as Kafka Connect, have assignments of their own.
const PROTOCOL_CONSUMER: &str = "consumer";
/// What a group that does not exist is described as by brokers before 3.8 (KIP-1043).
const STATE_DEAD: &str = "Dead";
/// Brokers filter by state from this version of ListGroups on (KIP-518).
const STATES_SINCE: i16 = 4;
/// Brokers filter by type from this version of ListGroups on (KIP-848).
const TYPES_SINCE: i16 = 5;

/// One row of the list of groups.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct GroupListing {
    /// The group's id.
    pub group_id: String,
    /// `consumer`, `connect`, or empty for a group that only commits.
    pub protocol_type: String,
    /// `Stable`, `Empty`, `PreparingRebalance` and so on; empty from brokers before 2.6.
    pub state: String,
    /// `classic` or `consumer` (KIP-848); empty from brokers before 3.8.
    pub group_type: String,
}

/// Which groups are listed. Default: all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[must_use]
pub struct GroupFilter {
    states: Vec<String>,
    types: Vec<String>,
}

impl GroupFilter {
    /// Only groups in this state, such as `Empty`, or another that is named (brokers since 2.6).
    pub fn state(mut self, state: impl Into<String>) -> Self {
        self.states.push(state.into());
        self
    }

    /// Only groups of this type, `classic` or `consumer`, or another that is named (brokers since 3.8).
    pub fn group_type(mut self, group_type: impl Into<String>) -> Self {
        self.types.push(group_type.into());
        self
    }

    /// The broker's filter, or ours for what it does not tell apart.
    fn passes(&self, group: &GroupListing) -> bool {
        let names = |names: &[String], name: &str| {
            names.is_empty() || names.iter().any(|one| one.eq_ignore_ascii_case(name))
        };
        names(&self.states, &group.state) && names(&self.types, &group.group_type)
    }
}

/// A group in detail.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct GroupDescription {
    /// The group's id.
    pub group_id: String,
    /// `Stable`, `Empty`, `PreparingRebalance` and so on.
    pub state: String,
    /// `consumer`, `connect`, or empty for a group that only commits.
    pub protocol_type: String,
    /// The assignor the members agreed on, such as `range`; empty while they have not.
    pub assignor: String,
    /// The broker that coordinates the group.
    pub coordinator: NodeId,
    /// Its members, sorted by id.
    pub members: Vec<MemberDescription>,
}

/// A member of a group.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct MemberDescription {
    /// The id the coordinator gave it.
    pub member_id: String,
    /// Its `group.instance.id`, if it is a static member.
    pub group_instance_id: Option<String>,
    /// Its `client.id`.
    pub client_id: String,
    /// Where it connects from.
    pub client_host: String,
    /// The partitions it consumes, sorted; empty for groups that are not of consumers.
    pub assignment: Vec<TopicPartition>,
}

impl Admin {
    /// All groups of all brokers, sorted by id.
    ///
    /// # Errors
    /// If a broker did not answer: without it the list would not be whole.
    pub async fn list_groups(&self) -> Result<Vec<GroupListing>, Error> {
        self.list_groups_matching(&GroupFilter::default()).await
    }

    /// The groups of all brokers that pass a filter, sorted by id.
    ///
    /// # Errors
    /// If a broker did not answer: without it the list would not be whole.
    pub async fn list_groups_matching(
        &self,
        filter: &GroupFilter,
    ) -> Result<Vec<GroupListing>, Error> {
        let cluster = self.describe_cluster().await?;
        let mut groups = BTreeMap::new();
        for broker in cluster.brokers {
            for group in self.list_groups_of(broker.node, filter).await? {
                groups.insert(group.group_id.clone(), group);
            }
        }
        Ok(groups.into_values().collect())
    }

    async fn list_groups_of(
        &self,
        node: NodeId,
        filter: &GroupFilter,
    ) -> Result<Vec<GroupListing>, Error> {
        let response = self
            .retry("list of groups", || async {
                let connection = self.lane.connection(node).await?;
                let request = list_request(&connection, filter);
                let response = connection.call(&request, self.timeout).await?;
                check(response.error_code, None, || {
                    format!("cannot list groups of {node}")
                })?;
                Ok(response)
            })
            .await?;
        let groups = response.groups.iter().map(|group| GroupListing {
            group_id: group.group_id.to_string(),
            protocol_type: group.protocol_type.to_string(),
            state: group.group_state.to_string(),
            group_type: group.group_type.to_string(),
        });
        Ok(groups.filter(|group| filter.passes(group)).collect())
    }

    /// The state and members of groups.
    ///
    /// # Errors
    /// Never as a whole; each group has its own result, such as GROUP_ID_NOT_FOUND.
    pub async fn describe_groups(
        &self,
        group_ids: &[&str],
    ) -> Result<PerItem<GroupDescription>, Error> {
        let mut results = Vec::with_capacity(group_ids.len());
        for group_id in group_ids {
            let what = format!("description of group {group_id}");
            let result = self.retry(&what, || self.describe_group(group_id)).await;
            results.push(((*group_id).to_owned(), result));
        }
        Ok(results)
    }

    async fn describe_group(&self, group_id: &str) -> Result<GroupDescription, Error> {
        let coordinator = self
            .client
            .coordinator(group_id, CoordinatorType::Group)
            .await?;
        let id = GroupId(StrBytes::from_string(group_id.to_owned()));
        let request = DescribeGroupsRequest::default().with_groups(vec![id]);
        let response = self.lane.call(coordinator, &request, self.timeout).await?;
        let mut groups = response.groups.iter();
        let group = groups
            .find(|group| group.group_id.as_str() == group_id)
            .ok_or_else(|| Error::protocol(format!("the broker said nothing about {group_id}")))?;
        match read_group(group, coordinator) {
            Err(error) if error.code() == Some(ErrorCode::GroupIdNotFound) => {
                let found = self.describe_consumer_group(group_id, coordinator).await?;
                found.ok_or(error)
            }
            result => result,
        }
    }
}

/// What of the filter the broker can apply.
fn list_request(connection: &Connection, filter: &GroupFilter) -> ListGroupsRequest {
    let version = connection.version_of(ApiKey::ListGroups).unwrap_or(0);
    let texts = |names: &[String], since: i16| {
        let names = names.iter().filter(|_| version >= since);
        names.map(|name| text(name)).collect()
    };
    ListGroupsRequest::default()
        .with_states_filter(texts(&filter.states, STATES_SINCE))
        .with_types_filter(texts(&filter.types, TYPES_SINCE))
}

/// Who is assigned what, of a described group.
pub(super) fn owners(group: &GroupDescription) -> HashMap<TopicPartition, String> {
    let members = group.members.iter();
    members
        .flat_map(|member| {
            member
                .assignment
                .iter()
                .map(|partition| (partition.clone(), member.member_id.clone()))
        })
        .collect()
}

fn read_group(group: &DescribedGroup, coordinator: NodeId) -> Result<GroupDescription, Error> {
    let what = || format!("cannot describe group {}", group.group_id.as_str());
    check(group.error_code, group.error_message.as_ref(), what)?;
    if group.group_state.as_str() == STATE_DEAD {
        return Err(Error::broker(ErrorCode::GroupIdNotFound, what()));
    }
    let is_consumer = group.protocol_type.as_str() == PROTOCOL_CONSUMER;
    let mut members = Vec::with_capacity(group.members.len());
    for member in &group.members {
        members.push(read_member(member, is_consumer)?);
    }
    members.sort_by(|left, right| left.member_id.cmp(&right.member_id));
    Ok(GroupDescription {
        group_id: group.group_id.to_string(),
        state: group.group_state.to_string(),
        protocol_type: group.protocol_type.to_string(),
        assignor: group.protocol_data.to_string(),
        coordinator,
        members,
    })
}

fn read_member(
    member: &DescribedGroupMember,
    is_consumer: bool,
) -> Result<MemberDescription, Error> {
    let assignment = if is_consumer {
        read_assignment(member.member_assignment.clone()).ok_or_else(|| {
            let member_id = member.member_id.as_str();
            Error::protocol(format!("cannot read the assignment of member {member_id}"))
        })?
    } else {
        Vec::new()
    };
    Ok(MemberDescription {
        member_id: member.member_id.to_string(),
        group_instance_id: member.group_instance_id.as_ref().map(ToString::to_string),
        client_id: member.client_id.to_string(),
        client_host: member.client_host.to_string(),
        assignment,
    })
}

/// The partitions of an assignment as the leader of a group wrote it: a version, then the rest. A
/// member that has not got one yet has none at all.
fn read_assignment(mut bytes: Bytes) -> Option<Vec<TopicPartition>> {
    if bytes.is_empty() {
        return Some(Vec::new());
    }
    let newest = ConsumerProtocolAssignment::VERSIONS.max;
    // A newer version begins like the ones we know.
    let version = bytes
        .try_get_i16()
        .ok()
        .filter(|version| *version >= 0)?
        .min(newest);
    let assignment = decode_message::<ConsumerProtocolAssignment>(version, &mut bytes).ok()?;
    let topics = assignment.assigned_partitions.into_iter();
    let mut partitions: Vec<TopicPartition> = topics
        .flat_map(|topic| {
            let name: std::sync::Arc<str> = topic.topic.as_str().into();
            topic
                .partitions
                .into_iter()
                .map(move |index| TopicPartition::new(name.clone(), index))
        })
        .collect();
    partitions.sort();
    Some(partitions)
}

#[cfg(test)]
mod tests;
