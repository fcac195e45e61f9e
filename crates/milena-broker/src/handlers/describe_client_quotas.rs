//! DescribeClientQuotas (KIP-546).

use std::collections::BTreeMap;

use milena_wire::error_code::ErrorCode;
use milena_wire::rpc::StrBytes;
use milena_wire::rpc::messages::describe_client_quotas_request::ComponentData;
use milena_wire::rpc::messages::describe_client_quotas_response::{
    EntityData, EntryData, ValueData,
};
use milena_wire::rpc::messages::{DescribeClientQuotasRequest, DescribeClientQuotasResponse};

use crate::log::validate::Refusal;
use crate::node::Node;
use crate::quotas::Component;

pub(crate) fn handle(
    node: &Node,
    request: DescribeClientQuotasRequest,
) -> DescribeClientQuotasResponse {
    let components = match read(&request.components) {
        Ok(components) => components,
        Err(refusal) => {
            return DescribeClientQuotasResponse::default()
                .with_error_code(refusal.code.code())
                .with_error_message(Some(StrBytes::from_string(refusal.message)))
                .with_entries(None);
        }
    };
    let found = node.quotas.find(&components, request.strict).into_iter();
    let entries = found.map(|(entity, values)| {
        let entity = entity.into_iter().map(|(kind, name)| {
            EntityData::default()
                .with_entity_type(StrBytes::from_string(kind))
                .with_entity_name(name.map(StrBytes::from_string))
        });
        let values = values.into_iter().map(|(key, value)| {
            ValueData::default()
                .with_key(StrBytes::from_string(key))
                .with_value(value)
        });
        EntryData::default()
            .with_entity(entity.collect())
            .with_values(values.collect())
    });
    DescribeClientQuotasResponse::default()
        .with_error_message(None)
        .with_entries(Some(entries.collect()))
}

fn read(asked: &[ComponentData]) -> Result<BTreeMap<String, Component>, Refusal> {
    let refused = |reason: &str| Err(Refusal::new(ErrorCode::InvalidRequest, reason));
    let mut components = BTreeMap::new();
    for component in asked {
        let wanted = match (component.match_type, &component._match) {
            (0, Some(name)) => Component::Exact(name.to_string()),
            (1, None) => Component::Default,
            (2, None) => Component::Any,
            _ => return refused("a match is exact with a name, default or any without"),
        };
        let kind = component.entity_type.to_string();
        if !matches!(kind.as_str(), "user" | "client-id" | "ip") {
            return refused("a quota is for a user, a client-id or an ip");
        }
        if components.insert(kind, wanted).is_some() {
            return refused("the filter names a type twice");
        }
    }
    Ok(components)
}
