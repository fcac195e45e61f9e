//! DeleteTopics, by name and (since version 6) by id.

use milena_wire::error_code::ErrorCode;
use milena_wire::rpc::StrBytes;
use milena_wire::rpc::messages::delete_topics_response::DeletableTopicResult;
use milena_wire::rpc::messages::{DeleteTopicsRequest, DeleteTopicsResponse, TopicName};
use uuid::Uuid;

use crate::authorizer::acl::resource;
use crate::node::Node;
use crate::server::RequestContext;

pub(crate) fn handle(
    node: &Node,
    context: &RequestContext,
    request: DeleteTopicsRequest,
) -> DeleteTopicsResponse {
    let by_name = request
        .topic_names
        .into_iter()
        .map(|name| (Some(name), Uuid::nil()));
    let by_state = request
        .topics
        .into_iter()
        .map(|topic| (topic.name, topic.topic_id));
    let responses = by_name
        .chain(by_state)
        .map(|(name, id)| delete(node, context, name, id));
    DeleteTopicsResponse::default().with_responses(responses.collect())
}

fn delete(
    node: &Node,
    context: &RequestContext,
    name: Option<TopicName>,
    id: Uuid,
) -> DeletableTopicResult {
    let (found, missing) = match &name {
        Some(name) => (
            node.topics.by_name(name),
            ErrorCode::UnknownTopicOrPartition,
        ),
        None => (node.topics.by_id(id), ErrorCode::UnknownTopicId),
    };
    let asked = match (&name, &found) {
        (Some(name), _) => name.as_str(),
        (None, Some(topic)) => &topic.name,
        (None, None) => "",
    };
    let allowed = node.authorizer.check(context, resource::TOPIC, asked);
    let outcome = match &found {
        _ if allowed.is_err() => allowed,
        _ if !node.config.delete_topics => Err(ErrorCode::TopicDeletionDisabled),
        None => Err(missing),
        Some(topic) => node.topics.delete(topic).inspect(|()| {
            node.groups.forget_topic(&topic.name);
            node.transactions.forget_topic(&topic.name);
        }),
    };
    let code = outcome.err().unwrap_or(ErrorCode::None);
    let found_name = || {
        found
            .as_ref()
            .map(|topic| TopicName(StrBytes::from_string(topic.name.to_string())))
    };
    DeletableTopicResult::default()
        .with_topic_id(found.as_ref().map_or(id, |topic| topic.id))
        .with_name(name.or_else(found_name))
        .with_error_code(code.code())
}
