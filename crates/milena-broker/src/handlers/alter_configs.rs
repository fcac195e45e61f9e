//! AlterConfigs: replaces all settings of a topic or broker. Deprecated in favour of
//! IncrementalAlterConfigs, and still sent by older clients.

use milena_wire::error_code::ErrorCode;
use milena_wire::rpc::messages::alter_configs_request::AlterConfigsResource;
use milena_wire::rpc::messages::alter_configs_response::AlterConfigsResourceResponse;
use milena_wire::rpc::messages::{AlterConfigsRequest, AlterConfigsResponse};

use super::config_resource::{Resource, alter_each};
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
    let resources = &request.resources;
    let altered = alter_each(resources, name, |asked| {
        replace(node, context, asked, request.validate_only)
    });
    let responses = resources.iter().zip(altered).map(|(asked, altered)| {
        AlterConfigsResourceResponse::default()
            .with_resource_type(asked.resource_type)
            .with_resource_name(asked.resource_name.clone())
            .with_error_code(altered.code)
            .with_error_message(altered.message)
    });
    AlterConfigsResponse::default().with_responses(responses.collect())
}

fn name(asked: &AlterConfigsResource) -> (i8, &str) {
    (asked.resource_type, &asked.resource_name)
}

fn replace(
    node: &Node,
    context: &RequestContext,
    asked: &AlterConfigsResource,
    validate_only: bool,
) -> Result<(), Refusal> {
    Resource::check(node, context, name(asked))?;
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
