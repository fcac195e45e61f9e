//! DescribeConfigs: the settings of topics and brokers, and where each value comes from.

use milena_wire::rpc::StrBytes;
use milena_wire::rpc::messages::describe_configs_request::DescribeConfigsResource;
use milena_wire::rpc::messages::describe_configs_response::{
    DescribeConfigsResourceResult, DescribeConfigsResult, DescribeConfigsSynonym,
};
use milena_wire::rpc::messages::{DescribeConfigsRequest, DescribeConfigsResponse};

use super::config_resource::Resource;
use crate::config::DESCRIBED;
use crate::config::layers::{Source, Synonym};
use crate::config::topic::{TopicProperty, ValueType, in_topic_unit};
use crate::log::validate::Refusal;
use crate::node::Node;
use crate::server::RequestContext;

/// Types of values, and what they mean, are told from here on (KIP-569).
const TYPES_SINCE: i16 = 3;

/// One setting and its values, the one that counts first.
struct Row {
    name: &'static str,
    value_type: ValueType,
    documentation: Option<&'static str>,
    is_read_only: bool,
    synonyms: Vec<Synonym>,
}

/// What the request wants to know besides the values.
#[derive(Clone, Copy)]
struct Wanted {
    synonyms: bool,
    types: bool,
    documentation: bool,
}

pub(crate) fn handle(
    node: &Node,
    context: &RequestContext,
    request: DescribeConfigsRequest,
) -> DescribeConfigsResponse {
    let types = context.api_version >= TYPES_SINCE;
    let wanted = Wanted {
        synonyms: request.include_synonyms,
        types,
        documentation: types && request.include_documentation,
    };
    let results = request.resources.into_iter().map(|resource| {
        let rows = rows_of(node, context, &resource);
        let result = DescribeConfigsResult::default()
            .with_resource_type(resource.resource_type)
            .with_resource_name(resource.resource_name);
        match rows {
            Err(refusal) => result
                .with_error_code(refusal.code.code())
                .with_error_message(Some(StrBytes::from_string(refusal.message))),
            Ok(rows) => {
                let is_asked = |name: &str| match &resource.configuration_keys {
                    Some(keys) => keys.iter().any(|key| **key == *name),
                    None => true,
                };
                let rows = rows.into_iter().filter(|row| is_asked(row.name));
                let configs = rows.map(|row| to_wire(row, wanted)).collect();
                result.with_error_message(None).with_configs(configs)
            }
        }
    });
    DescribeConfigsResponse::default().with_results(results.collect())
}

fn rows_of(
    node: &Node,
    context: &RequestContext,
    asked: &DescribeConfigsResource,
) -> Result<Vec<Row>, Refusal> {
    let named = (asked.resource_type, asked.resource_name.as_str());
    Resource::check(node, context, named)?;
    let resource = Resource::find(node, asked.resource_type, &asked.resource_name)?;
    Ok(match resource {
        Resource::Topic(topic) => {
            let synonyms = |property| node.configs.topic_synonyms(property, topic.id);
            TopicProperty::all()
                .iter()
                .map(|property| topic_row(property, synonyms(property)))
                .collect()
        }
        Resource::Broker => broker_rows(node),
        Resource::Cluster => cluster_rows(node),
    })
}

fn topic_row(property: &'static TopicProperty, synonyms: Vec<Synonym>) -> Row {
    Row {
        name: property.name,
        value_type: property.value_type,
        documentation: Some(property.documentation),
        is_read_only: false,
        synonyms,
    }
}

/// Everything this broker is configured with.
fn broker_rows(node: &Node) -> Vec<Row> {
    let fixed = DESCRIBED.iter().map(|(name, value_type, default)| {
        let mut synonyms = node.configs.broker_synonyms(name);
        if synonyms.is_empty() && matches!(*name, "node.id" | "broker.id") {
            synonyms.push(synonym(
                name,
                node.config.node_id.to_string(),
                Source::Static,
            ));
        }
        synonyms.push(synonym(name, (*default).to_owned(), Source::Default));
        Row {
            name,
            value_type: *value_type,
            documentation: None,
            is_read_only: true,
            synonyms,
        }
    });
    let mut rows: Vec<Row> = fixed.collect();
    for property in TopicProperty::all() {
        for (position, (name, _)) in property.synonyms.iter().enumerate() {
            let mut synonyms = node.configs.broker_synonyms(name);
            // The default belongs to the first name; the others are only other ways to say it.
            if position == 0 {
                synonyms.push(synonym(name, property.default.to_owned(), Source::Default));
            }
            rows.push(Row {
                name,
                value_type: property.value_type,
                documentation: Some(property.documentation),
                is_read_only: false,
                synonyms,
            });
        }
    }
    rows.sort_by_key(|row| row.name);
    rows
}

/// Only what was set on all brokers.
fn cluster_rows(node: &Node) -> Vec<Row> {
    let settings = node.configs.cluster_settings();
    let rows = settings.into_iter().filter_map(|(name, value)| {
        let (property, _) = TopicProperty::behind(&name)?;
        let (name, _) = property.synonyms.iter().find(|(known, _)| *known == name)?;
        Some(Row {
            name,
            value_type: property.value_type,
            documentation: Some(property.documentation),
            is_read_only: false,
            synonyms: vec![synonym(name, value, Source::Cluster)],
        })
    });
    rows.collect()
}

fn synonym(name: &'static str, value: String, source: Source) -> Synonym {
    Synonym {
        name,
        value,
        source,
        factor: 1,
    }
}

fn to_wire(row: Row, wanted: Wanted) -> DescribeConfigsResourceResult {
    let (value, source) = match row.synonyms.first() {
        Some(first) => (
            Some(in_topic_unit(&first.value, first.factor)),
            first.source,
        ),
        None => (None, Source::Default),
    };
    let mut result = DescribeConfigsResourceResult::default()
        .with_name(StrBytes::from_static_str(row.name))
        .with_value(value.map(StrBytes::from_string))
        .with_read_only(row.is_read_only)
        .with_config_source(source as i8);
    if wanted.synonyms {
        let synonyms = row.synonyms.into_iter().map(|synonym| {
            DescribeConfigsSynonym::default()
                .with_name(StrBytes::from_static_str(synonym.name))
                .with_value(Some(StrBytes::from_string(synonym.value)))
                .with_source(synonym.source as i8)
        });
        result = result.with_synonyms(synonyms.collect());
    }
    if wanted.types {
        let documentation = row.documentation.filter(|_| wanted.documentation);
        result = result
            .with_config_type(row.value_type as i8)
            .with_documentation(documentation.map(StrBytes::from_static_str));
    }
    result
}
