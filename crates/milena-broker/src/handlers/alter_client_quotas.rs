//! AlterClientQuotas (KIP-546).

use milena_wire::error_code::ErrorCode;
use milena_wire::rpc::StrBytes;
use milena_wire::rpc::messages::alter_client_quotas_request::EntryData as AskedEntry;
use milena_wire::rpc::messages::alter_client_quotas_response::{EntityData, EntryData};
use milena_wire::rpc::messages::{AlterClientQuotasRequest, AlterClientQuotasResponse};

use crate::log::validate::Refusal;
use crate::node::Node;
use crate::quotas::Entity;

pub(crate) fn handle(node: &Node, request: AlterClientQuotasRequest) -> AlterClientQuotasResponse {
    let entries = request.entries.iter().map(|asked| {
        let entity = asked.entity.iter().map(|part| {
            EntityData::default()
                .with_entity_type(part.entity_type.clone())
                .with_entity_name(part.entity_name.clone())
        });
        let entry = EntryData::default().with_entity(entity.collect());
        match alter(node, asked, request.validate_only) {
            Ok(()) => entry.with_error_message(None),
            Err(refusal) => entry
                .with_error_code(refusal.code.code())
                .with_error_message(Some(StrBytes::from_string(refusal.message))),
        }
    });
    AlterClientQuotasResponse::default().with_entries(entries.collect())
}

fn alter(node: &Node, asked: &AskedEntry, validate_only: bool) -> Result<(), Refusal> {
    let parts = asked.entity.iter().map(|part| {
        let name = part.entity_name.as_ref().map(ToString::to_string);
        (part.entity_type.to_string(), name)
    });
    let entity: Entity = parts.collect();
    if entity.len() < asked.entity.len() {
        let reason = "the entity names a type twice";
        return Err(Refusal::new(ErrorCode::InvalidRequest, reason));
    }
    let changes = asked.ops.iter().map(|change| {
        let value = (!change.remove).then_some(change.value);
        (change.key.to_string(), value)
    });
    let changes: Vec<(String, Option<f64>)> = changes.collect();
    node.quotas.alter(&entity, &changes, validate_only)
}
