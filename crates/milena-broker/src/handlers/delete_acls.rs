//! DeleteAcls (KIP-140).

use milena_wire::rpc::StrBytes;
use milena_wire::rpc::messages::delete_acls_request::DeleteAclsFilter;
use milena_wire::rpc::messages::delete_acls_response::{
    DeleteAclsFilterResult, DeleteAclsMatchingAcl,
};
use milena_wire::rpc::messages::{DeleteAclsRequest, DeleteAclsResponse};

use crate::authorizer::acl::{Acl, AclFilter};
use crate::node::Node;

pub(crate) fn handle(node: &Node, request: DeleteAclsRequest) -> DeleteAclsResponse {
    let results = request.filters.iter().map(|filter| {
        let outcome = node.authorizer.check_enabled();
        let outcome = outcome.and_then(|()| node.authorizer.delete(&read(filter)));
        match outcome {
            Ok(gone) => DeleteAclsFilterResult::default()
                .with_error_message(None)
                .with_matching_acls(gone.into_iter().map(to_wire).collect()),
            Err(refusal) => DeleteAclsFilterResult::default()
                .with_error_code(refusal.code.code())
                .with_error_message(Some(StrBytes::from_string(refusal.message))),
        }
    });
    DeleteAclsResponse::default().with_filter_results(results.collect())
}

fn read(filter: &DeleteAclsFilter) -> AclFilter {
    let text = |text: &Option<StrBytes>| text.as_ref().map(ToString::to_string);
    AclFilter {
        resource_type: filter.resource_type_filter,
        resource_name: text(&filter.resource_name_filter),
        pattern_type: filter.pattern_type_filter,
        principal: text(&filter.principal_filter),
        host: text(&filter.host_filter),
        operation: filter.operation,
        permission: filter.permission_type,
    }
}

fn to_wire(acl: Acl) -> DeleteAclsMatchingAcl {
    DeleteAclsMatchingAcl::default()
        .with_error_message(None)
        .with_resource_type(acl.resource_type)
        .with_resource_name(StrBytes::from_string(acl.resource_name))
        .with_pattern_type(acl.pattern_type)
        .with_principal(StrBytes::from_string(acl.principal))
        .with_host(StrBytes::from_string(acl.host))
        .with_operation(acl.operation)
        .with_permission_type(acl.permission)
}
