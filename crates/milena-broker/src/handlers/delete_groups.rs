//! DeleteGroups.

use milena_wire::error_code::ErrorCode;
use milena_wire::rpc::messages::delete_groups_response::DeletableGroupResult;
use milena_wire::rpc::messages::{DeleteGroupsRequest, DeleteGroupsResponse};

use crate::handlers::check_group_id;
use crate::node::Node;

pub(crate) fn handle(node: &Node, request: DeleteGroupsRequest) -> DeleteGroupsResponse {
    let results = request.groups_names.into_iter().map(|id| {
        let deleted = check_group_id(&id).and_then(|()| node.groups.delete(&id));
        let code = deleted.err().unwrap_or(ErrorCode::None);
        DeletableGroupResult::default()
            .with_group_id(id)
            .with_error_code(code.code())
    });
    DeleteGroupsResponse::default().with_results(results.collect())
}
