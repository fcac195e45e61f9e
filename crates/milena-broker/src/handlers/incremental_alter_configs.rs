//! IncrementalAlterConfigs: single settings of topics and brokers (KIP-339).

use milena_wire::rpc::StrBytes;
use milena_wire::rpc::messages::incremental_alter_configs_request::AlterConfigsResource;
use milena_wire::rpc::messages::incremental_alter_configs_response::AlterConfigsResourceResponse;
use milena_wire::rpc::messages::{IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse};

use super::config_resource::{Resource, named_twice};
use crate::authorizer::acl::operation;
use crate::config::change::{self, Operation};
use crate::log::validate::Refusal;
use crate::node::Node;
use crate::server::RequestContext;

pub(crate) fn handle(
    node: &Node,
    context: &RequestContext,
    request: IncrementalAlterConfigsRequest,
) -> IncrementalAlterConfigsResponse {
    let responses = request.resources.iter().map(|resource| {
        let same = |other: &&AlterConfigsResource| {
            other.resource_type == resource.resource_type
                && other.resource_name == resource.resource_name
        };
        let outcome = if request.resources.iter().filter(same).count() > 1 {
            Err(named_twice())
        } else {
            alter(node, context, resource, request.validate_only)
        };
        let response = AlterConfigsResourceResponse::default()
            .with_resource_type(resource.resource_type)
            .with_resource_name(resource.resource_name.clone());
        match outcome {
            Ok(()) => response.with_error_message(None),
            Err(refusal) => response
                .with_error_code(refusal.code.code())
                .with_error_message(Some(StrBytes::from_string(refusal.message))),
        }
    });
    IncrementalAlterConfigsResponse::default().with_responses(responses.collect())
}

fn alter(
    node: &Node,
    context: &RequestContext,
    asked: &AlterConfigsResource,
    validate_only: bool,
) -> Result<(), Refusal> {
    let named = (asked.resource_type, asked.resource_name.as_str());
    Resource::check(node, context, operation::ALTER_CONFIGS, named)?;
    let resource = Resource::find(node, asked.resource_type, &asked.resource_name)?;
    let mut changes = Vec::with_capacity(asked.configs.len());
    for config in &asked.configs {
        let operation = Operation::read(
            config.config_operation,
            &config.name,
            config.value.as_deref(),
        )?;
        changes.push((config.name.to_string(), operation));
    }
    let subject = resource.subject();
    resource.change(node, validate_only, |settings, inherited| {
        change::apply(subject, settings, &changes, inherited)
    })
}
