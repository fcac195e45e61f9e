//! What a classic member and its coordinator say to each other.
//!
//! Owns the requests JoinGroup, SyncGroup, Heartbeat and LeaveGroup and the
//! reading of their answers; must not know what follows from them.

use std::sync::Arc;
use std::time::Duration;

use crate::wire::StrBytes;
use crate::wire::messages::join_group_request::JoinGroupRequestProtocol;
use crate::wire::messages::join_group_response::JoinGroupResponse;
use crate::wire::messages::leave_group_request::MemberIdentity;
use crate::wire::messages::sync_group_request::SyncGroupRequestAssignment;
use crate::wire::messages::{
    ApiKey, GroupId, HeartbeatRequest, JoinGroupRequest, LeaveGroupRequest, SyncGroupRequest,
};

use super::action::{GroupFailure, Identity, JoinCall, Joined, SyncCall};
use super::assignor::{Assignor, MemberSubscription};
use super::coordinator::GroupCoordinator;
use super::subscription::{
    Subscription, decode_assignment, decode_subscription, encode_assignment, encode_subscription,
};
use crate::topology::TopicPartition;
use crate::wire::ErrorCode;

/// What groups of consumers call themselves.
const PROTOCOL_TYPE: &str = "consumer";
/// Added to the rebalance timeout for the way there and back.
const JOIN_SLACK: Duration = Duration::from_secs(5);
/// LeaveGroup names members in a list from this version on.
const LEAVE_VERSION_WITH_MEMBERS: i16 = 3;

/// What of the configuration goes into requests.
#[derive(Debug, Clone)]
pub(crate) struct RequestConfig {
    /// Empty for none.
    pub(crate) rack: Arc<str>,
    pub(crate) group_instance_id: Option<String>,
    pub(crate) session_timeout: Duration,
    pub(crate) rebalance_timeout: Duration,
}

/// The answer to JoinGroup.
#[derive(Debug)]
pub(crate) enum JoinOutcome {
    Joined(Joined),
    /// Join again under this id.
    MemberIdRequired(String),
    Failed(GroupFailure),
}

/// Says what one member says.
#[derive(Clone)]
pub(crate) struct GroupRequests {
    coordinator: Arc<GroupCoordinator>,
    config: RequestConfig,
}

impl GroupRequests {
    pub(crate) fn new(coordinator: Arc<GroupCoordinator>, config: RequestConfig) -> Self {
        Self {
            coordinator,
            config,
        }
    }

    /// Joins the group; waits for as long as its other members may take.
    pub(crate) async fn join(&self, call: JoinCall) -> JoinOutcome {
        let subscription = Subscription {
            rack: &self.config.rack,
            topics: &call.topics,
            owned: &call.owned,
            generation: call.identity.generation,
            previous: call.previous.as_ref(),
        };
        let protocols = call.assignors.iter().map(|assignor| {
            JoinGroupRequestProtocol::default()
                .with_name(StrBytes::from_static_str(assignor.name()))
                .with_metadata(encode_subscription(*assignor, subscription))
        });
        let request = JoinGroupRequest::default()
            .with_group_id(self.group_id())
            .with_session_timeout_ms(milliseconds(self.config.session_timeout))
            .with_rebalance_timeout_ms(milliseconds(self.config.rebalance_timeout))
            .with_member_id(StrBytes::from_string(call.identity.member_id.clone()))
            .with_group_instance_id(self.group_instance_id())
            .with_protocol_type(StrBytes::from_static_str(PROTOCOL_TYPE))
            .with_protocols(protocols.collect());
        let timeout = self.config.rebalance_timeout + JOIN_SLACK;
        let response = match self.coordinator.member_connection().await {
            Ok(connection) => connection.call(&request, timeout).await,
            Err(error) => Err(error),
        };
        match response {
            Ok(response) => read_join(response),
            Err(error) => JoinOutcome::Failed(self.unreachable(ApiKey::JoinGroup, &error)),
        }
    }

    /// Hands in the assignments, if this member leads, and gets its own.
    pub(crate) async fn sync(&self, call: SyncCall) -> Result<Vec<TopicPartition>, GroupFailure> {
        let assignments = call.assignments.iter().map(|(member_id, partitions)| {
            SyncGroupRequestAssignment::default()
                .with_member_id(StrBytes::from_string(member_id.clone()))
                .with_assignment(encode_assignment(partitions))
        });
        let request = SyncGroupRequest::default()
            .with_group_id(self.group_id())
            .with_generation_id(call.identity.generation)
            .with_member_id(StrBytes::from_string(call.identity.member_id.clone()))
            .with_group_instance_id(self.group_instance_id())
            .with_protocol_type(Some(StrBytes::from_static_str(PROTOCOL_TYPE)))
            .with_protocol_name(Some(StrBytes::from_static_str(call.assignor.name())))
            .with_assignments(assignments.collect());
        let timeout = self.config.rebalance_timeout + JOIN_SLACK;
        let response = match self.coordinator.member_connection().await {
            Ok(connection) => connection.call(&request, timeout).await,
            Err(error) => Err(error),
        };
        let response = response.map_err(|error| self.unreachable(ApiKey::SyncGroup, &error))?;
        check(response.error_code)?;
        decode_assignment(&response.assignment)
            .map_err(|error| GroupFailure::Unusable(error.to_string()))
    }

    /// Tells the coordinator that this member lives.
    pub(crate) async fn heartbeat(&self, identity: &Identity) -> Result<(), GroupFailure> {
        let request = HeartbeatRequest::default()
            .with_group_id(self.group_id())
            .with_generation_id(identity.generation)
            .with_member_id(StrBytes::from_string(identity.member_id.clone()))
            .with_group_instance_id(self.group_instance_id());
        // A heartbeat that takes longer than the session is of no use.
        let timeout = self
            .coordinator
            .request_timeout()
            .min(self.config.session_timeout);
        let response = match self.coordinator.member_connection().await {
            Ok(connection) => connection.call(&request, timeout).await,
            Err(error) => Err(error),
        };
        let response = response.map_err(|error| self.unreachable(ApiKey::Heartbeat, &error))?;
        check(response.error_code)
    }

    /// Leaves the group at once instead of when the session ends.
    pub(crate) async fn leave(&self, identity: &Identity) -> Result<(), GroupFailure> {
        let unreachable = |error| self.unreachable(ApiKey::LeaveGroup, &error);
        let connection = self
            .coordinator
            .shared_connection()
            .await
            .map_err(unreachable)?;
        let member_id = StrBytes::from_string(identity.member_id.clone());
        let mut request = LeaveGroupRequest::default().with_group_id(self.group_id());
        let version = connection.version_of(ApiKey::LeaveGroup).unwrap_or(0);
        if version >= LEAVE_VERSION_WITH_MEMBERS {
            let member = MemberIdentity::default()
                .with_member_id(member_id)
                .with_group_instance_id(self.group_instance_id());
            request.members.push(member);
        } else {
            request.member_id = member_id;
        }
        let timeout = self.coordinator.request_timeout();
        let response = connection
            .call(&request, timeout)
            .await
            .map_err(unreachable)?;
        check(response.error_code)
    }

    fn group_id(&self) -> GroupId {
        GroupId(StrBytes::from_string(
            self.coordinator.group_id().to_string(),
        ))
    }

    fn group_instance_id(&self) -> Option<StrBytes> {
        self.config
            .group_instance_id
            .clone()
            .map(StrBytes::from_string)
    }

    fn unreachable(&self, api: ApiKey, error: &crate::Error) -> GroupFailure {
        tracing::debug!(
            event = "group_request_failed",
            group = %self.coordinator.group_id(),
            request = ?api,
            %error,
        );
        GroupFailure::unanswered(error)
    }
}

fn read_join(response: JoinGroupResponse) -> JoinOutcome {
    let member_id = response.member_id.to_string();
    let code = ErrorCode::from(response.error_code);
    if code == ErrorCode::MemberIdRequired {
        return JoinOutcome::MemberIdRequired(member_id);
    }
    if code != ErrorCode::None {
        return JoinOutcome::Failed(GroupFailure::Code(code));
    }
    let name = response.protocol_name.as_deref().unwrap_or_default();
    let Some(assignor) = Assignor::from_name(name) else {
        let problem = format!("the coordinator chose the assignor {name:?}, which was not offered");
        return JoinOutcome::Failed(GroupFailure::Unusable(problem));
    };
    let members: Vec<MemberSubscription> = response
        .members
        .iter()
        .filter_map(|member| {
            let subscription = decode_subscription(
                assignor,
                &member.member_id,
                member.group_instance_id.as_deref(),
                &member.metadata,
            );
            subscription
                .inspect_err(|error| {
                    let member_id = member.member_id.as_str();
                    tracing::warn!(event = "group_subscription_unreadable", member_id, %error);
                })
                .ok()
        })
        .collect();
    JoinOutcome::Joined(Joined {
        is_leader: response.leader.as_str() == member_id,
        identity: Identity {
            member_id,
            generation: response.generation_id,
        },
        assignor,
        skips_assignment: response.skip_assignment,
        members,
    })
}

fn check(code: i16) -> Result<(), GroupFailure> {
    match ErrorCode::from(code) {
        ErrorCode::None => Ok(()),
        code => Err(GroupFailure::Code(code)),
    }
}

fn milliseconds(duration: Duration) -> i32 {
    i32::try_from(duration.as_millis()).unwrap_or(i32::MAX)
}
