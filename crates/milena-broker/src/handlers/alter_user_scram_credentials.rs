//! AlterUserScramCredentials (KIP-554): passwords that the client has salted come and go.

use std::collections::BTreeMap;
use std::sync::Arc;

use milena_wire::error_code::ErrorCode;
use milena_wire::rpc::StrBytes;
use milena_wire::rpc::messages::alter_user_scram_credentials_request::{
    ScramCredentialDeletion, ScramCredentialUpsertion,
};
use milena_wire::rpc::messages::alter_user_scram_credentials_response::AlterUserScramCredentialsResult;
use milena_wire::rpc::messages::{
    AlterUserScramCredentialsRequest, AlterUserScramCredentialsResponse,
};
use milena_wire::sasl::scram::{ITERATIONS_MIN, ScramCredential, ScramMechanism};

use crate::node::Node;

/// As with Apache Kafka: more would let one user's login cost too much.
const ITERATIONS_MAX: u32 = 16_384;

/// Why a user's credentials stay as they are.
type Refusal = (ErrorCode, &'static str);
/// What is to happen to a credential; none is removed.
type Change = (ScramMechanism, Option<ScramCredential>);

pub(crate) fn handle(
    node: &Arc<Node>,
    request: AlterUserScramCredentialsRequest,
) -> AlterUserScramCredentialsResponse {
    let mut users: BTreeMap<String, Result<Vec<Change>, Refusal>> = BTreeMap::new();
    for deletion in &request.deletions {
        add(&mut users, &deletion.name, check_deletion(node, deletion));
    }
    for upsertion in &request.upsertions {
        add(&mut users, &upsertion.name, check_upsertion(upsertion));
    }
    let saved = node.scram.change(|all| {
        for (user, changes) in &users {
            let credentials = all.entry(user.clone()).or_default();
            for (mechanism, credential) in changes.iter().flatten() {
                match credential {
                    Some(credential) => credentials.insert(*mechanism, credential.clone()),
                    None => credentials.remove(mechanism),
                };
            }
        }
    });
    let failed = saved.err().map(|error| {
        tracing::error!(event = "scram_credentials_not_saved", %error);
        (
            ErrorCode::KafkaStorageError,
            "the credentials could not be written down",
        )
    });
    let results = users.into_iter().map(|(user, changes)| {
        let result =
            AlterUserScramCredentialsResult::default().with_user(StrBytes::from_string(user));
        match changes.err().or(failed) {
            None => result,
            Some((code, message)) => result
                .with_error_code(code.code())
                .with_error_message(Some(StrBytes::from_static_str(message))),
        }
    });
    AlterUserScramCredentialsResponse::default().with_results(results.collect())
}

/// Notes a change; a user of whom one is refused keeps everything.
fn add(
    users: &mut BTreeMap<String, Result<Vec<Change>, Refusal>>,
    user: &str,
    change: Result<Change, Refusal>,
) {
    const TWICE: Refusal = (
        ErrorCode::DuplicateResource,
        "A user credential cannot be altered twice in the same request",
    );
    let entry = users
        .entry(user.to_owned())
        .or_insert_with(|| Ok(Vec::new()));
    let Ok(changes) = entry else { return };
    match change {
        Err(refusal) => *entry = Err(refusal),
        Ok((mechanism, _)) if changes.iter().any(|(known, _)| *known == mechanism) => {
            *entry = Err(TWICE);
        }
        Ok(change) => changes.push(change),
    }
}

fn check_deletion(node: &Node, deletion: &ScramCredentialDeletion) -> Result<Change, Refusal> {
    let mechanism = check(&deletion.name, deletion.mechanism)?;
    if node.scram.find(&deletion.name, mechanism).is_none() {
        return Err((
            ErrorCode::ResourceNotFound,
            "Attempt to delete a user credential that does not exist",
        ));
    }
    Ok((mechanism, None))
}

fn check_upsertion(upsertion: &ScramCredentialUpsertion) -> Result<Change, Refusal> {
    let mechanism = check(&upsertion.name, upsertion.mechanism)?;
    let unacceptable = |reason| Err((ErrorCode::UnacceptableCredential, reason));
    let iterations = u32::try_from(upsertion.iterations).unwrap_or(0);
    match iterations {
        ITERATIONS_MIN..=ITERATIONS_MAX => {}
        0..ITERATIONS_MIN => return unacceptable("Too few iterations"),
        _ => return unacceptable("Too many iterations"),
    }
    if upsertion.salt.is_empty() {
        return unacceptable("The salt must not be empty");
    }
    let credential = ScramCredential::new(
        mechanism,
        &upsertion.salted_password,
        upsertion.salt.to_vec(),
        iterations,
    );
    Ok((mechanism, Some(credential)))
}

fn check(user: &str, mechanism: i8) -> Result<ScramMechanism, Refusal> {
    if user.is_empty() {
        return Err((
            ErrorCode::UnacceptableCredential,
            "Username must not be empty",
        ));
    }
    ScramMechanism::from_number(mechanism).ok_or((
        ErrorCode::UnsupportedSaslMechanism,
        "Unknown SCRAM mechanism",
    ))
}
