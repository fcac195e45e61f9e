//! Ending groups and memberships.

use super::{Admin, PerItem, check, text};
use crate::error::Error;
use crate::wire::messages::leave_group_request::MemberIdentity;
use crate::wire::messages::{DeleteGroupsRequest, GroupId, LeaveGroupRequest};
use crate::wire::{ApiKey, ErrorCode};

/// From the first that names several members to the last.
const LEAVE_GROUP_VERSIONS: (i16, i16) = (3, 5);
/// A reason can be given from this version on (KIP-800).
const REASON_SINCE: i16 = 5;

/// A member that is to leave.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MemberName {
    /// By the id the coordinator gave it.
    Id(String),
    /// A static member by its `group.instance.id`.
    Instance(String),
}

impl Admin {
    /// Deletes groups with what they have committed. Each has its own result: NON_EMPTY_GROUP while
    /// members are active, GROUP_ID_NOT_FOUND.
    pub async fn delete_groups(&self, group_ids: &[&str]) -> PerItem<()> {
        let ids: Vec<String> = group_ids.iter().map(|id| (*id).to_owned()).collect();
        self.each("deletion of groups", &ids, |open| async move {
            let mut results = Vec::with_capacity(open.len());
            for group_id in open {
                let result = self.delete_group(&group_id).await;
                results.push((group_id, result));
            }
            Ok(results)
        })
        .await
    }

    async fn delete_group(&self, group_id: &str) -> Result<(), Error> {
        let coordinator = self.group_coordinator(group_id).await?;
        let request =
            DeleteGroupsRequest::default().with_groups_names(vec![GroupId(text(group_id))]);
        let response = coordinator.call(&request, self.timeout).await?;
        let mut results = response.results.iter();
        let result = results.find(|result| result.group_id.as_str() == group_id);
        let silence = || Error::protocol(format!("the broker said nothing about {group_id}"));
        let result = result.ok_or_else(silence)?;
        check(result.error_code, None, || {
            format!("cannot delete group {group_id}")
        })
    }

    /// Has members leave a group, as if they had said so themselves; the others share what they had. A
    /// member that still runs joins again. Each has its own result, such as UNKNOWN_MEMBER_ID.
    ///
    /// # Errors
    /// If the group's coordinator did not answer or refused as a whole.
    pub async fn remove_members(
        &self,
        group_id: &str,
        members: &[MemberName],
        reason: &str,
    ) -> Result<PerItem<(), MemberName>, Error> {
        let what = format!("cannot remove members of group {group_id}");
        let response = self
            .retry(&what, || async {
                let connection = self.group_coordinator(group_id).await?;
                let (min, max) = LEAVE_GROUP_VERSIONS;
                let version = connection
                    .version_within(ApiKey::LeaveGroup, min, max)
                    .ok_or_else(|| connection.unsupported("LeaveGroup"))?;
                let request = leave_request(group_id, members, reason, version);
                let response = connection.call_at(&request, version, self.timeout).await?;
                check(response.error_code, None, || what.clone())?;
                Ok(response)
            })
            .await?;
        let results = members.iter().map(|member| {
            let mut rows = response.members.iter();
            let row = rows.find(|row| match member {
                MemberName::Id(id) => row.member_id.as_str() == id,
                MemberName::Instance(instance) => {
                    row.group_instance_id.as_ref().map(|id| id.as_str()) == Some(instance)
                }
            });
            let code = row.map_or(ErrorCode::UnknownMemberId.code(), |row| row.error_code);
            let result = check(code, None, || format!("{what}: {member:?}"));
            (member.clone(), result)
        });
        Ok(results.collect())
    }

    /// Has all members leave a group; see [`Admin::remove_members`].
    ///
    /// # Errors
    /// GROUP_ID_NOT_FOUND, or why the group's coordinator did not answer.
    pub async fn remove_all_members(
        &self,
        group_id: &str,
        reason: &str,
    ) -> Result<PerItem<(), MemberName>, Error> {
        let described = self.describe_groups(&[group_id]).await?.into_iter().next();
        let (_, group) = described.ok_or_else(|| Error::protocol("the broker sent no group"))?;
        let members: Vec<MemberName> = group?
            .members
            .into_iter()
            .map(|member| match member.group_instance_id {
                Some(instance) => MemberName::Instance(instance),
                None => MemberName::Id(member.member_id),
            })
            .collect();
        if members.is_empty() {
            return Ok(Vec::new());
        }
        self.remove_members(group_id, &members, reason).await
    }
}

fn leave_request(
    group_id: &str,
    members: &[MemberName],
    reason: &str,
    version: i16,
) -> LeaveGroupRequest {
    let members = members.iter().map(|member| {
        let identity = match member {
            MemberName::Id(id) => MemberIdentity::default().with_member_id(text(id)),
            MemberName::Instance(instance) => {
                MemberIdentity::default().with_group_instance_id(Some(text(instance)))
            }
        };
        let reason = (version >= REASON_SINCE).then(|| text(reason));
        identity.with_reason(reason)
    });
    LeaveGroupRequest::default()
        .with_group_id(GroupId(text(group_id)))
        .with_members(members.collect())
}
