//! AlterConfigs: replaces all settings of a topic or broker. Deprecated in favour of
//! IncrementalAlterConfigs, and still sent by older clients.

use milena_wire::error_code::ErrorCode;
use milena_wire::rpc::StrBytes;
use milena_wire::rpc::messages::alter_configs_request::AlterConfigsResource;
use milena_wire::rpc::messages::alter_configs_response::AlterConfigsResourceResponse;
use milena_wire::rpc::messages::{AlterConfigsRequest, AlterConfigsResponse};

use super::config_resource::{Resource, named_twice};
use crate::authorizer::acl::operation;
use crate::config::change;
use crate::config::layers::Settings;
use crate::log::validate::Refusal;
use crate::node::Node;
use crate::server::RequestContext;

pub(crate) fn handle(
    node: &Node,
    context: &RequestContext,
    request: AlterConfigsRequest,
) -> AlterConfigsResponse {
    let responses = request.resources.iter().map(|resource| {
        let same = |other: &&AlterConfigsResource| {
            other.resource_type == resource.resource_type
                && other.resource_name == resource.resource_name
        };
        let outcome = if request.resources.iter().filter(same).count() > 1 {
            Err(named_twice())
        } else {
            replace(node, context, resource, request.validate_only)
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
    AlterConfigsResponse::default().with_responses(responses.collect())
}

fn replace(
    node: &Node,
    context: &RequestContext,
    asked: &AlterConfigsResource,
    validate_only: bool,
) -> Result<(), Refusal> {
    let named = (asked.resource_type, asked.resource_name.as_str());
    Resource::check(node, context, operation::ALTER_CONFIGS, named)?;
    let resource = Resource::find(node, asked.resource_type, &asked.resource_name)?;
    let mut settings = Settings::new();
    for config in &asked.configs {
        let value = config.value.as_ref().ok_or_else(|| {
            let reason = format!("Null value not supported for : {}", config.name.as_str());
            Refusal::new(ErrorCode::InvalidRequest, reason)
        })?;
        settings.insert(config.name.to_string(), value.trim().to_owned());
    }
    if settings.len() < asked.configs.len() {
        let reason = "the request names a setting twice";
        return Err(Refusal::new(ErrorCode::InvalidRequest, reason));
    }
    change::check(resource.subject(), &settings)?;
    resource.change(node, validate_only, |_, _| Ok(settings))
}
