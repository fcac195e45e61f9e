//! CreateTopics.

use milena_wire::error_code::ErrorCode;
use milena_wire::rpc::StrBytes;
use milena_wire::rpc::messages::create_topics_request::CreatableTopic;
use milena_wire::rpc::messages::create_topics_response::{
    CreatableTopicConfigs, CreatableTopicResult,
};
use milena_wire::rpc::messages::{CreateTopicsRequest, CreateTopicsResponse};
use uuid::Uuid;

use crate::config::change::{self, Subject};
use crate::config::layers::Settings;
use crate::config::topic::{TopicProperty, in_topic_unit};
use crate::limits::PARTITIONS_PER_TOPIC_MAX;
use crate::log::validate::Refusal;
use crate::node::Node;
use crate::server::RequestContext;
use crate::topics::check_name;

/// Lets the broker choose (KIP-464).
const BROKER_DEFAULT: i32 = -1;

/// What was, or with `validate_only` would be, created.
struct Created {
    id: Uuid,
    partitions: i32,
    configs: Vec<CreatableTopicConfigs>,
}

pub(crate) fn handle(
    node: &Node,
    context: &RequestContext,
    request: CreateTopicsRequest,
) -> CreateTopicsResponse {
    let topics = request.topics.iter().map(|topic| {
        let twice = request
            .topics
            .iter()
            .filter(|other| other.name == topic.name)
            .count()
            > 1;
        let outcome = if twice {
            Err(Refusal::new(
                ErrorCode::InvalidRequest,
                "the request names this topic twice",
            ))
        } else {
            create(node, context, topic, request.validate_only)
        };
        let result = CreatableTopicResult::default().with_name(topic.name.clone());
        match outcome {
            Ok(created) => result
                .with_topic_id(created.id)
                .with_num_partitions(created.partitions)
                .with_replication_factor(1)
                .with_configs(Some(created.configs)),
            Err(refusal) => result
                .with_error_code(refusal.code.code())
                .with_error_message(Some(StrBytes::from_string(refusal.message))),
        }
    });
    CreateTopicsResponse::default().with_topics(topics.collect())
}

fn create(
    node: &Node,
    context: &RequestContext,
    topic: &CreatableTopic,
    validate_only: bool,
) -> Result<Created, Refusal> {
    let allowed = node.authorizer.check_creation(context, &topic.name);
    allowed.map_err(|code| Refusal::new(code, code.message()))?;
    check_name(&topic.name)
        .map_err(|reason| Refusal::new(ErrorCode::InvalidTopicException, reason))?;
    let partitions = partition_count(node, topic)?;
    if node.topics.by_name(&topic.name).is_some() {
        return Err(already_exists(topic));
    }
    let settings = settings_of(topic)?;
    let configs = described(node, &settings);
    if validate_only {
        return Ok(Created {
            id: Uuid::nil(),
            partitions,
            configs,
        });
    }
    let created = node
        .topics
        .create(&topic.name, partitions, settings)
        .map_err(|code| match code {
            ErrorCode::TopicAlreadyExists => already_exists(topic),
            code => Refusal::new(code, code.message()),
        })?;
    Ok(Created {
        id: created.id,
        partitions,
        configs,
    })
}

/// What the request sets on the topic, checked.
fn settings_of(topic: &CreatableTopic) -> Result<Settings, Refusal> {
    let mut settings = Settings::new();
    for config in &topic.configs {
        let value = config.value.as_ref().ok_or_else(|| {
            let reason = format!(
                "Null value not supported for topic configs: {}",
                config.name.as_str()
            );
            Refusal::new(ErrorCode::InvalidConfig, reason)
        })?;
        settings.insert(config.name.to_string(), value.trim().to_owned());
    }
    change::check(Subject::Topic, &settings)?;
    Ok(settings)
}

/// What counts for a topic with these settings.
fn described(node: &Node, settings: &Settings) -> Vec<CreatableTopicConfigs> {
    let rows = TopicProperty::all().iter().filter_map(|property| {
        let synonyms = node.configs.synonyms_with(property, settings);
        let first = synonyms.into_iter().next()?;
        let value = in_topic_unit(&first.value, first.factor);
        let row = CreatableTopicConfigs::default()
            .with_name(StrBytes::from_static_str(property.name))
            .with_value(Some(StrBytes::from_string(value)))
            .with_config_source(first.source as i8);
        Some(row)
    });
    rows.collect()
}

fn already_exists(topic: &CreatableTopic) -> Refusal {
    Refusal::new(
        ErrorCode::TopicAlreadyExists,
        format!("Topic '{}' already exists.", topic.name.as_str()),
    )
}

fn partition_count(node: &Node, topic: &CreatableTopic) -> Result<i32, Refusal> {
    if !topic.assignments.is_empty() {
        return assigned_partitions(node, topic);
    }
    if topic.replication_factor != -1 && topic.replication_factor != 1 {
        return Err(Refusal::new(
            ErrorCode::InvalidReplicationFactor,
            format!(
                "replication factor {} on a single broker; use 1",
                topic.replication_factor
            ),
        ));
    }
    match topic.num_partitions {
        BROKER_DEFAULT => Ok(node.config.partitions_default),
        count if (1..=PARTITIONS_PER_TOPIC_MAX).contains(&count) => Ok(count),
        count => Err(Refusal::new(
            ErrorCode::InvalidPartitions,
            format!("{count} partitions; a topic has 1 to {PARTITIONS_PER_TOPIC_MAX}"),
        )),
    }
}

/// A manual assignment: consecutive partitions, each on this node alone.
fn assigned_partitions(node: &Node, topic: &CreatableTopic) -> Result<i32, Refusal> {
    let invalid = |reason: &str| Refusal::new(ErrorCode::InvalidReplicaAssignment, reason);
    if topic.num_partitions != -1 || topic.replication_factor != -1 {
        return Err(Refusal::new(
            ErrorCode::InvalidRequest,
            "an assignment excludes a partition count and a replication factor",
        ));
    }
    let mut indexes: Vec<i32> = topic
        .assignments
        .iter()
        .map(|one| one.partition_index)
        .collect();
    indexes.sort_unstable();
    let count = i32::try_from(indexes.len()).unwrap_or(i32::MAX);
    if !indexes.into_iter().eq(0..count) {
        return Err(invalid("the assigned partitions are not 0, 1, 2, …"));
    }
    let here = |ids: &[milena_wire::rpc::messages::BrokerId]| matches!(ids, [only] if only.0 == node.config.node_id);
    if !topic.assignments.iter().all(|one| here(&one.broker_ids)) {
        return Err(invalid(
            "each partition can only be assigned to this broker, once",
        ));
    }
    Ok(count)
}
