//! CreateAcls (KIP-140).

use milena_wire::rpc::StrBytes;
use milena_wire::rpc::messages::create_acls_request::AclCreation;
use milena_wire::rpc::messages::create_acls_response::AclCreationResult;
use milena_wire::rpc::messages::{CreateAclsRequest, CreateAclsResponse};

use crate::authorizer::acl::Acl;
use crate::node::Node;

pub(crate) fn handle(node: &Node, request: CreateAclsRequest) -> CreateAclsResponse {
    let results = request.creations.iter().map(|creation| {
        let outcome = node.authorizer.check_enabled();
        let outcome = outcome.and_then(|()| node.authorizer.create(read(creation)));
        match outcome {
            Ok(()) => AclCreationResult::default().with_error_message(None),
            Err(refusal) => AclCreationResult::default()
                .with_error_code(refusal.code.code())
                .with_error_message(Some(StrBytes::from_string(refusal.message))),
        }
    });
    CreateAclsResponse::default().with_results(results.collect())
}

fn read(creation: &AclCreation) -> Acl {
    Acl {
        resource_type: creation.resource_type,
        resource_name: creation.resource_name.to_string(),
        pattern_type: creation.resource_pattern_type,
        principal: creation.principal.to_string(),
        host: creation.host.to_string(),
        operation: creation.operation,
        permission: creation.permission_type,
    }
}
