//! DescribeUserScramCredentials (KIP-554): who has credentials; never the credentials themselves.

use std::collections::BTreeMap;
use std::sync::Arc;

use milena_wire::error_code::ErrorCode;
use milena_wire::rpc::StrBytes;
use milena_wire::rpc::messages::describe_user_scram_credentials_response::{
    CredentialInfo, DescribeUserScramCredentialsResult,
};
use milena_wire::rpc::messages::{
    DescribeUserScramCredentialsRequest, DescribeUserScramCredentialsResponse,
};

use crate::node::Node;

pub(crate) fn handle(
    node: &Arc<Node>,
    request: DescribeUserScramCredentialsRequest,
) -> DescribeUserScramCredentialsResponse {
    let asked: Vec<String> = match &request.users {
        Some(users) if !users.is_empty() => {
            users.iter().map(|user| user.name.to_string()).collect()
        }
        _ => node.scram.names(),
    };
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for user in &asked {
        *counts.entry(user).or_default() += 1;
    }
    let results = counts
        .iter()
        .map(|(user, count)| describe(node, user, *count));
    DescribeUserScramCredentialsResponse::default().with_results(results.collect())
}

fn describe(node: &Node, user: &str, count: usize) -> DescribeUserScramCredentialsResult {
    let result = DescribeUserScramCredentialsResult::default()
        .with_user(StrBytes::from_string(user.to_owned()));
    let refused = |code: ErrorCode, message: String| {
        result
            .clone()
            .with_error_code(code.code())
            .with_error_message(Some(StrBytes::from_string(message)))
    };
    if count > 1 {
        let message = format!(
            "Cannot describe SCRAM credentials for the same user twice in a single request: {user}"
        );
        return refused(ErrorCode::DuplicateResource, message);
    }
    let Some(found) = node.scram.describe(user) else {
        let message = format!("Attempt to describe a user credential that does not exist: {user}");
        return refused(ErrorCode::ResourceNotFound, message);
    };
    let infos = found.into_iter().map(|(mechanism, iterations)| {
        CredentialInfo::default()
            .with_mechanism(mechanism.number())
            .with_iterations(i32::try_from(iterations).unwrap_or(i32::MAX))
    });
    result.with_credential_infos(infos.collect())
}
