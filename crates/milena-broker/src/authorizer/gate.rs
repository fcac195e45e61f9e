//! Refuses requests as a whole, before their handlers see them: those whose every row would be refused,
//! or that name one thing only. What they need says the table in `rights`; which names they bring is read
//! here. Rights on single rows are asked for where those are looked at.

use bytes::Bytes;
use milena_wire::error_code::ErrorCode;
use milena_wire::rpc::messages as m;
use milena_wire::rpc::{self, ApiKey, Request, StrBytes};

use super::acl::{CLUSTER_NAME, resource};
use super::rights::{self, Right, Scope};
use crate::node::Node;
use crate::server::RequestContext;

/// Brokers ask coordinators, about many transactions at once, from here on (KIP-890).
const ADD_PARTITIONS_BETWEEN_BROKERS_SINCE: i16 = 4;

/// Why a request is refused, if it is. `body` is what follows its header.
pub(crate) fn refusal(node: &Node, context: &RequestContext, body: &Bytes) -> Option<ErrorCode> {
    if !node.authorizer.is_enabled() {
        return None;
    }
    let mut whole = rights::of(context.api_key).filter(|right| right.scope == Scope::Request);
    let missing = whole.find(|right| {
        let mut names = names(right, context, body).into_iter();
        names.any(|name| {
            let (operation, resource) = (right.operation, right.resource);
            !node.authorizer.allows(context, operation, resource, &name)
        })
    });
    missing.map(|right| rights::code(right.resource))
}

/// The names that a request brings of the kind that `right` is about. What cannot be read is refused
/// by its handler.
fn names(right: &Right, context: &RequestContext, body: &Bytes) -> Vec<String> {
    let names = match right.resource {
        resource::CLUSTER => cluster(right.api, context),
        resource::GROUP => group(right.api, context, body).map(|name| vec![name]),
        resource::TRANSACTIONAL_ID => transaction(right.api, context, body).map(|id| vec![id]),
        _ => topics(right.api, context, body),
    };
    let names = names.unwrap_or_default().into_iter();
    names.map(|name| name.to_string()).collect()
}

fn cluster(api: ApiKey, context: &RequestContext) -> Option<Vec<StrBytes>> {
    let is_between_brokers = context.api_version >= ADD_PARTITIONS_BETWEEN_BROKERS_SINCE;
    if api == ApiKey::AddPartitionsToTxn && !is_between_brokers {
        return None;
    }
    Some(vec![StrBytes::from_static_str(CLUSTER_NAME)])
}

fn group(api: ApiKey, context: &RequestContext, body: &Bytes) -> Option<StrBytes> {
    let group = match api {
        ApiKey::JoinGroup => decode::<m::JoinGroupRequest>(context, body)?.group_id,
        ApiKey::SyncGroup => decode::<m::SyncGroupRequest>(context, body)?.group_id,
        ApiKey::Heartbeat => decode::<m::HeartbeatRequest>(context, body)?.group_id,
        ApiKey::LeaveGroup => decode::<m::LeaveGroupRequest>(context, body)?.group_id,
        ApiKey::OffsetCommit => decode::<m::OffsetCommitRequest>(context, body)?.group_id,
        ApiKey::OffsetDelete => decode::<m::OffsetDeleteRequest>(context, body)?.group_id,
        ApiKey::ConsumerGroupHeartbeat => {
            decode::<m::ConsumerGroupHeartbeatRequest>(context, body)?.group_id
        }
        ApiKey::AddOffsetsToTxn => decode::<m::AddOffsetsToTxnRequest>(context, body)?.group_id,
        ApiKey::TxnOffsetCommit => decode::<m::TxnOffsetCommitRequest>(context, body)?.group_id,
        _ => return None,
    };
    Some(group.0)
}

fn transaction(api: ApiKey, context: &RequestContext, body: &Bytes) -> Option<StrBytes> {
    let id = match api {
        ApiKey::Produce => decode::<m::ProduceRequest>(context, body)?.transactional_id?,
        ApiKey::InitProducerId => {
            decode::<m::InitProducerIdRequest>(context, body)?.transactional_id?
        }
        ApiKey::AddPartitionsToTxn
            if context.api_version < ADD_PARTITIONS_BETWEEN_BROKERS_SINCE =>
        {
            decode::<m::AddPartitionsToTxnRequest>(context, body)?.v3_and_below_transactional_id
        }
        ApiKey::AddOffsetsToTxn => {
            decode::<m::AddOffsetsToTxnRequest>(context, body)?.transactional_id
        }
        ApiKey::EndTxn => decode::<m::EndTxnRequest>(context, body)?.transactional_id,
        ApiKey::TxnOffsetCommit => {
            decode::<m::TxnOffsetCommitRequest>(context, body)?.transactional_id
        }
        _ => return None,
    };
    Some(id.0)
}

fn topics(api: ApiKey, context: &RequestContext, body: &Bytes) -> Option<Vec<StrBytes>> {
    if api != ApiKey::ConsumerGroupHeartbeat {
        return None;
    }
    let request = decode::<m::ConsumerGroupHeartbeatRequest>(context, body)?;
    let names = request.subscribed_topic_names?.into_iter();
    Some(names.map(|name| name.0).collect())
}

fn decode<R: Request>(context: &RequestContext, body: &Bytes) -> Option<R> {
    rpc::decode_request(context.api_version, &mut body.clone()).ok()
}
