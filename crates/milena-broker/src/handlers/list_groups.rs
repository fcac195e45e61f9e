//! ListGroups.

use milena_wire::rpc::StrBytes;
use milena_wire::rpc::messages::list_groups_response::ListedGroup;
use milena_wire::rpc::messages::{ListGroupsRequest, ListGroupsResponse};

use crate::node::Node;
use crate::server::RequestContext;

/// States are told, and can be asked for, from here on (KIP-518).
const STATES_SINCE: i16 = 4;
/// So are types (KIP-848).
const TYPES_SINCE: i16 = 5;

pub(crate) fn handle(
    node: &Node,
    context: &RequestContext,
    request: ListGroupsRequest,
) -> ListGroupsResponse {
    let names = |filter: &[StrBytes], name: &str| {
        filter.is_empty()
            || filter
                .iter()
                .any(|wanted| wanted.eq_ignore_ascii_case(name))
    };
    let groups = node.groups.list(|id, group| {
        let state = group.state_name();
        let type_name = group.type_name();
        if !node.authorizer.may_list_group(context, id) {
            return None;
        }
        if !names(&request.states_filter, state) || !names(&request.types_filter, type_name) {
            return None;
        }
        let protocol_type = group.protocol_type().as_ref().map(crate::handlers::to_wire);
        let mut listed = ListedGroup::default()
            .with_group_id(StrBytes::from_string(id.to_owned()).into())
            .with_protocol_type(protocol_type.unwrap_or_default());
        if context.api_version >= STATES_SINCE {
            listed = listed.with_group_state(StrBytes::from_static_str(state));
        }
        if context.api_version >= TYPES_SINCE {
            listed = listed.with_group_type(StrBytes::from_static_str(type_name));
        }
        Some(listed)
    });
    ListGroupsResponse::default().with_groups(groups.into_iter().flatten().collect())
}
