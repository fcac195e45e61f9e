//! ListConfigResources: what has settings, by kind (KIP-1142); in version 0 subscriptions to client
//! metrics alone (KIP-1000), of which there are none.

use milena_wire::error_code::ErrorCode;
use milena_wire::rpc::StrBytes;
use milena_wire::rpc::messages::list_config_resources_response::ConfigResource;
use milena_wire::rpc::messages::{ListConfigResourcesRequest, ListConfigResourcesResponse};

use crate::handlers::to_wire;
use crate::node::Node;
use crate::server::RequestContext;

/// Kinds other than client metrics from here on.
const KINDS_SINCE: i16 = 1;
const TOPIC: i8 = 2;
const BROKER: i8 = 4;
/// Log levels; there are none to set, but Kafka lists every broker.
const BROKER_LOGGER: i8 = 8;
const CLIENT_METRICS: i8 = 16;
const GROUP: i8 = 32;
const ALL: [i8; 5] = [TOPIC, BROKER, BROKER_LOGGER, CLIENT_METRICS, GROUP];

pub(crate) fn handle(
    node: &Node,
    context: &RequestContext,
    request: ListConfigResourcesRequest,
) -> ListConfigResourcesResponse {
    let response = ListConfigResourcesResponse::default();
    if context.api_version < KINDS_SINCE {
        return response;
    }
    let kinds = match request.resource_types.as_slice() {
        [] => &ALL[..],
        asked => asked,
    };
    if kinds.iter().any(|kind| !ALL.contains(kind)) {
        return response.with_error_code(ErrorCode::UnsupportedVersion.code());
    }
    let rows = kinds.iter().flat_map(|kind| {
        let names = names(node, *kind).into_iter();
        names.map(|name| {
            ConfigResource::default()
                .with_resource_name(name)
                .with_resource_type(*kind)
        })
    });
    response.with_config_resources(rows.collect())
}

fn names(node: &Node, kind: i8) -> Vec<StrBytes> {
    match kind {
        TOPIC => {
            let topics = node.topics.all().into_iter();
            topics.map(|topic| to_wire(&topic.name)).collect()
        }
        BROKER | BROKER_LOGGER => vec![StrBytes::from_string(node.config.node_id.to_string())],
        _ => Vec::new(),
    }
}
