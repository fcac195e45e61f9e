//! DescribeConfigs: the basics of topics and of this broker, read only.

use milena_wire::batch::TimestampType;
use milena_wire::error_code::ErrorCode;
use milena_wire::rpc::StrBytes;
use milena_wire::rpc::messages::describe_configs_request::DescribeConfigsResource;
use milena_wire::rpc::messages::describe_configs_response::{
    DescribeConfigsResourceResult, DescribeConfigsResult,
};
use milena_wire::rpc::messages::{DescribeConfigsRequest, DescribeConfigsResponse};

use crate::config::BrokerConfig;
use crate::log::validate::Refusal;
use crate::node::Node;
use crate::server::RequestContext;

const TOPIC: i8 = 2;
const BROKER: i8 = 4;
/// The value was set, or left alone, when the broker was started.
const SOURCE_STATIC_BROKER: i8 = 4;
/// Types of values are told from here on (KIP-569).
const TYPES_SINCE: i16 = 3;

/// Types of values as the protocol numbers them.
#[derive(Clone, Copy)]
enum ValueType {
    Boolean = 1,
    String = 2,
    Int = 3,
    Long = 5,
}

type Row = (&'static str, String, ValueType);

pub(crate) fn handle(
    node: &Node,
    context: &RequestContext,
    request: DescribeConfigsRequest,
) -> DescribeConfigsResponse {
    let results = request.resources.into_iter().map(|resource| {
        let rows = rows_of(node, &resource);
        let result = DescribeConfigsResult::default()
            .with_resource_type(resource.resource_type)
            .with_resource_name(resource.resource_name);
        match rows {
            Err(refusal) => result
                .with_error_code(refusal.code.code())
                .with_error_message(Some(StrBytes::from_string(refusal.message))),
            Ok(rows) => {
                let wanted = |name: &str| match &resource.configuration_keys {
                    Some(keys) if !keys.is_empty() => keys.iter().any(|key| **key == *name),
                    _ => true,
                };
                let rows = rows.into_iter().filter(|(name, ..)| wanted(name));
                let configs = rows.map(|row| to_wire(row, context.api_version)).collect();
                result.with_error_message(None).with_configs(configs)
            }
        }
    });
    DescribeConfigsResponse::default().with_results(results.collect())
}

fn rows_of(node: &Node, resource: &DescribeConfigsResource) -> Result<Vec<Row>, Refusal> {
    match resource.resource_type {
        TOPIC => match node.topics.by_name(&resource.resource_name) {
            Some(_) => Ok(topic_rows(&node.config)),
            None => {
                let code = ErrorCode::UnknownTopicOrPartition;
                Err(Refusal::new(code, code.message()))
            }
        },
        BROKER => Ok(broker_rows(&node.config)),
        other => Err(Refusal::new(
            ErrorCode::InvalidRequest,
            format!("resource type {other}; this broker describes topics (2) and brokers (4)"),
        )),
    }
}

fn topic_rows(config: &BrokerConfig) -> Vec<Row> {
    vec![
        ("cleanup.policy", "delete".to_owned(), ValueType::String),
        ("compression.type", "producer".to_owned(), ValueType::String),
        (
            "max.message.bytes",
            config.batch_bytes_max.to_string(),
            ValueType::Int,
        ),
        (
            "message.timestamp.type",
            timestamp_type(config),
            ValueType::String,
        ),
        ("min.insync.replicas", "1".to_owned(), ValueType::Int),
        (
            "retention.bytes",
            or_unlimited(config.retention_bytes),
            ValueType::Long,
        ),
        (
            "retention.ms",
            or_unlimited(config.retention_ms),
            ValueType::Long,
        ),
        (
            "segment.bytes",
            config.segment_bytes.to_string(),
            ValueType::Int,
        ),
    ]
}

fn broker_rows(config: &BrokerConfig) -> Vec<Row> {
    let delay_ms = config.group_initial_rebalance_delay.as_millis();
    vec![
        (
            "auto.create.topics.enable",
            config.auto_create_topics.to_string(),
            ValueType::Boolean,
        ),
        ("default.replication.factor", "1".to_owned(), ValueType::Int),
        (
            "delete.topic.enable",
            config.delete_topics.to_string(),
            ValueType::Boolean,
        ),
        (
            "group.initial.rebalance.delay.ms",
            delay_ms.to_string(),
            ValueType::Int,
        ),
        (
            "log.message.timestamp.type",
            timestamp_type(config),
            ValueType::String,
        ),
        (
            "log.retention.bytes",
            or_unlimited(config.retention_bytes),
            ValueType::Long,
        ),
        (
            "log.retention.ms",
            or_unlimited(config.retention_ms),
            ValueType::Long,
        ),
        (
            "message.max.bytes",
            config.batch_bytes_max.to_string(),
            ValueType::Int,
        ),
        ("node.id", config.node_id.to_string(), ValueType::Int),
        (
            "num.partitions",
            config.partitions_default.to_string(),
            ValueType::Int,
        ),
    ]
}

fn timestamp_type(config: &BrokerConfig) -> String {
    let is_append_time = config.timestamp_type == TimestampType::LogAppendTime;
    if is_append_time {
        "LogAppendTime"
    } else {
        "CreateTime"
    }
    .to_owned()
}

fn or_unlimited<T: ToString>(value: Option<T>) -> String {
    value.map_or_else(|| "-1".to_owned(), |value| value.to_string())
}

fn to_wire((name, value, value_type): Row, version: i16) -> DescribeConfigsResourceResult {
    let row = DescribeConfigsResourceResult::default()
        .with_name(StrBytes::from_static_str(name))
        .with_value(Some(StrBytes::from_string(value)))
        .with_read_only(true)
        .with_config_source(SOURCE_STATIC_BROKER);
    if version < TYPES_SINCE {
        return row;
    }
    row.with_config_type(value_type as i8)
        .with_documentation(None)
}
