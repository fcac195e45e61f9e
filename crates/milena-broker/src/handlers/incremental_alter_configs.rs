//! IncrementalAlterConfigs: single settings of topics and brokers (KIP-339).

use milena_wire::rpc::messages::incremental_alter_configs_request::AlterConfigsResource;
use milena_wire::rpc::messages::incremental_alter_configs_response::AlterConfigsResourceResponse;
use milena_wire::rpc::messages::{IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse};

use super::config_resource::{Resource, alter_each};
use crate::config::change::{self, Operation};
use crate::log::validate::Refusal;
use crate::node::Node;
use crate::server::RequestContext;

pub(crate) fn handle(
    node: &Node,
    context: &RequestContext,
    request: IncrementalAlterConfigsRequest,
) -> IncrementalAlterConfigsResponse {
    let resources = &request.resources;
    let altered = alter_each(resources, name, |asked| {
        alter(node, context, asked, request.validate_only)
    });
    let responses = resources.iter().zip(altered).map(|(asked, altered)| {
        AlterConfigsResourceResponse::default()
            .with_resource_type(asked.resource_type)
            .with_resource_name(asked.resource_name.clone())
            .with_error_code(altered.code)
            .with_error_message(altered.message)
    });
    IncrementalAlterConfigsResponse::default().with_responses(responses.collect())
}

fn name(asked: &AlterConfigsResource) -> (i8, &str) {
    (asked.resource_type, &asked.resource_name)
}

fn alter(
    node: &Node,
    context: &RequestContext,
    asked: &AlterConfigsResource,
    validate_only: bool,
) -> Result<(), Refusal> {
    Resource::check(node, context, name(asked))?;
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
