//! Metadata: brokers, topics, partitions, leaders; creates topics where that is allowed.

use std::sync::Arc;

use milena_wire::error_code::ErrorCode;
use milena_wire::rpc::StrBytes;
use milena_wire::rpc::messages::metadata_request::MetadataRequestTopic;
use milena_wire::rpc::messages::metadata_response::{
    MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
};
use milena_wire::rpc::messages::{MetadataRequest, MetadataResponse, TopicName};

use crate::authorizer::acl::resource;
use crate::config::layers::Settings;
use crate::node::Node;
use crate::server::RequestContext;
use crate::topics::Topic;

/// Before version 4 a request could not say that it does not want topics created.
const AUTO_CREATION_OPTIONAL_SINCE: i16 = 4;

pub(crate) fn handle(
    node: &Node,
    context: &RequestContext,
    request: MetadataRequest,
) -> MetadataResponse {
    let may_create = node.config.auto_create_topics
        && (context.api_version < AUTO_CREATION_OPTIONAL_SINCE
            || request.allow_auto_topic_creation);
    let topics = match request.topics {
        // In version 0 an empty list asks for all topics, later a null one does.
        None => all_topics(node, context),
        Some(topics) if topics.is_empty() && context.api_version == 0 => all_topics(node, context),
        Some(topics) => topics
            .iter()
            .map(|topic| one_topic(node, context, topic, may_create))
            .collect(),
    };
    let (host, port) = node.advertised(context);
    let broker = MetadataResponseBroker::default()
        .with_node_id(node.config.node_id.into())
        .with_host(StrBytes::from_string(host))
        .with_port(port.into())
        .with_rack(node.config.rack.clone().map(StrBytes::from_string));
    MetadataResponse::default()
        .with_brokers(vec![broker])
        .with_cluster_id(Some(StrBytes::from_string(node.cluster_id.clone())))
        .with_controller_id(node.config.node_id.into())
        .with_topics(topics)
}

fn all_topics(node: &Node, context: &RequestContext) -> Vec<MetadataResponseTopic> {
    let may_see = |name: &str| node.authorizer.may_see(context, resource::TOPIC, name);
    node.topics
        .all()
        .iter()
        .filter(|topic| may_see(&topic.name))
        .map(|topic| describe(node, topic))
        .collect()
}

fn one_topic(
    node: &Node,
    context: &RequestContext,
    asked: &MetadataRequestTopic,
    may_create: bool,
) -> MetadataResponseTopic {
    match find_or_create(node, context, asked, may_create) {
        Ok(topic) => describe(node, &topic),
        Err(code) => MetadataResponseTopic::default()
            .with_error_code(code.code())
            // Until version 12 the name cannot be null.
            .with_name(Some(asked.name.clone().unwrap_or_default()))
            .with_topic_id(asked.topic_id),
    }
}

fn find_or_create(
    node: &Node,
    context: &RequestContext,
    asked: &MetadataRequestTopic,
    may_create: bool,
) -> Result<Arc<Topic>, ErrorCode> {
    let Some(name) = &asked.name else {
        let topic = node.topics.by_id(asked.topic_id);
        let topic = topic.ok_or(ErrorCode::UnknownTopicId)?;
        node.authorizer
            .check(context, resource::TOPIC, &topic.name)?;
        return Ok(topic);
    };
    node.authorizer.check(context, resource::TOPIC, name)?;
    if let Some(topic) = node.topics.by_name(name) {
        return Ok(topic);
    }
    crate::topics::check_name(name).map_err(|_| ErrorCode::InvalidTopicException)?;
    if !may_create {
        return Err(ErrorCode::UnknownTopicOrPartition);
    }
    node.authorizer.check_creation(context, name)?;
    match node
        .topics
        .create(name, node.config.partitions_default, Settings::new())
    {
        // Another request was faster; what matters is that it is there.
        Err(ErrorCode::TopicAlreadyExists) => node
            .topics
            .by_name(name)
            .ok_or(ErrorCode::UnknownTopicOrPartition),
        created => created,
    }
}

fn describe(node: &Node, topic: &Topic) -> MetadataResponseTopic {
    let this_node = vec![node.config.node_id.into()];
    let partitions = topic.partitions().into_iter().map(|partition| {
        MetadataResponsePartition::default()
            .with_partition_index(partition.index)
            .with_leader_id(node.config.node_id.into())
            .with_leader_epoch(partition.leader_epoch())
            .with_replica_nodes(this_node.clone())
            .with_isr_nodes(this_node.clone())
    });
    MetadataResponseTopic::default()
        .with_name(Some(TopicName(StrBytes::from_string(
            topic.name.to_string(),
        ))))
        .with_topic_id(topic.id)
        .with_partitions(partitions.collect())
}
