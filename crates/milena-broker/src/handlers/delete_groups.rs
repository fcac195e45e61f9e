//! DeleteGroups.

use milena_wire::error_code::ErrorCode;
use milena_wire::rpc::messages::delete_groups_response::DeletableGroupResult;
use milena_wire::rpc::messages::{DeleteGroupsRequest, DeleteGroupsResponse};

use crate::authorizer::acl::resource;
use crate::handlers::check_group_id;
use crate::node::Node;
use crate::server::RequestContext;

pub(crate) fn handle(
    node: &Node,
    context: &RequestContext,
    request: DeleteGroupsRequest,
) -> DeleteGroupsResponse {
    let results = request.groups_names.into_iter().map(|id| {
        let allowed = node.authorizer.check(context, resource::GROUP, &id);
        let allowed = allowed.and_then(|()| check_group_id(&id));
        let deleted = allowed.and_then(|()| node.groups.delete(&id));
        let code = deleted.err().unwrap_or(ErrorCode::None);
        DeletableGroupResult::default()
            .with_group_id(id)
            .with_error_code(code.code())
    });
    DeleteGroupsResponse::default().with_results(results.collect())
}
