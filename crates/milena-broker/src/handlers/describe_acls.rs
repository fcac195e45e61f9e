//! DescribeAcls (KIP-140).

use milena_wire::rpc::StrBytes;
use milena_wire::rpc::messages::describe_acls_response::{AclDescription, DescribeAclsResource};
use milena_wire::rpc::messages::{DescribeAclsRequest, DescribeAclsResponse};

use crate::authorizer::acl::AclFilter;
use crate::node::Node;

pub(crate) fn handle(node: &Node, request: DescribeAclsRequest) -> DescribeAclsResponse {
    let text = |text: &Option<StrBytes>| text.as_ref().map(ToString::to_string);
    let filter = AclFilter {
        resource_type: request.resource_type_filter,
        resource_name: text(&request.resource_name_filter),
        pattern_type: request.pattern_type_filter,
        principal: text(&request.principal_filter),
        host: text(&request.host_filter),
        operation: request.operation,
        permission: request.permission_type,
    };
    let outcome = node.authorizer.check_enabled();
    let found = match outcome.and_then(|()| node.authorizer.find(&filter)) {
        Ok(found) => found,
        Err(refusal) => {
            return DescribeAclsResponse::default()
                .with_error_code(refusal.code.code())
                .with_error_message(Some(StrBytes::from_string(refusal.message)));
        }
    };
    // Sorted by resource: those of one follow each other.
    let mut resources: Vec<DescribeAclsResource> = Vec::new();
    for acl in found {
        let entry = AclDescription::default()
            .with_principal(StrBytes::from_string(acl.principal))
            .with_host(StrBytes::from_string(acl.host))
            .with_operation(acl.operation)
            .with_permission_type(acl.permission);
        let same = resources.last_mut().filter(|last| {
            last.resource_type == acl.resource_type
                && last.pattern_type == acl.pattern_type
                && *last.resource_name == *acl.resource_name
        });
        match same {
            Some(last) => last.acls.push(entry),
            None => resources.push(
                DescribeAclsResource::default()
                    .with_resource_type(acl.resource_type)
                    .with_resource_name(StrBytes::from_string(acl.resource_name))
                    .with_pattern_type(acl.pattern_type)
                    .with_acls(vec![entry]),
            ),
        }
    }
    DescribeAclsResponse::default()
        .with_error_message(None)
        .with_resources(resources)
}
