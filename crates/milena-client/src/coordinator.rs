//! Which broker coordinates a group or a transactional id. Asks every time; whoever talks to a
//! coordinator remembers it until it says that it is none.

use tokio::time::Instant;

use crate::client::Client;
use crate::config::BrokerAddress;
use crate::error::Error;
use crate::net::Connection;
use crate::retry::retry_until;
use crate::topology::NodeId;
use crate::wire::messages::{BrokerId, FindCoordinatorRequest, FindCoordinatorResponse};
use crate::wire::{ApiKey, ErrorCode, StrBytes};

/// From this version on one request asks for many keys (KIP-699).
const VERSION_MANY: i16 = 4;
/// Later versions bring nothing for groups.
const VERSION_MAX: i16 = 6;

/// What a coordinator is responsible for; the number is Kafka's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CoordinatorType {
    /// A consumer group, by its id.
    Group = 0,
    /// The transactions of a producer, by its transactional id.
    Transaction = 1,
}

impl Client {
    /// The node that coordinates `key`, asked for anew. Its address is known afterwards.
    ///
    /// # Errors
    /// After `request.timeout.ms` the last retriable error, such as COORDINATOR_NOT_AVAILABLE; others
    /// at once.
    pub(crate) async fn coordinator(
        &self,
        key: &str,
        kind: CoordinatorType,
    ) -> Result<NodeId, Error> {
        let deadline = Instant::now() + self.config().request_timeout;
        let what = format!("search for the coordinator of {key}");
        retry_until(deadline, self.config(), &what, || {
            self.find_coordinator(key, kind)
        })
        .await
    }

    async fn find_coordinator(&self, key: &str, kind: CoordinatorType) -> Result<NodeId, Error> {
        let connection = self.any_connection().await?;
        let version = connection
            .version_within(ApiKey::FindCoordinator, i16::from(kind as u8), VERSION_MAX)
            .ok_or_else(|| connection.unsupported("FindCoordinator"))?;
        let response = ask(
            &connection,
            version,
            key,
            kind,
            self.config().request_timeout,
        )
        .await?;
        let found = read(response, version, key)?;
        if found.code != ErrorCode::None {
            return Err(Error::broker(found.code, format!("coordinator of {key}")));
        }
        if found.node.0 < 0 {
            let code = ErrorCode::CoordinatorNotAvailable;
            return Err(Error::broker(code, format!("coordinator of {key}")));
        }
        let port = u16::try_from(found.port).map_err(|_| {
            Error::protocol(format!("coordinator of {key} has port {}", found.port))
        })?;
        self.metadata().learn_broker(
            found.node,
            BrokerAddress {
                host: found.host,
                port,
            },
        );
        Ok(found.node)
    }
}

/// What the response says about one key, in any version.
#[derive(Debug, PartialEq, Eq)]
struct Found {
    code: ErrorCode,
    node: NodeId,
    host: String,
    port: i32,
}

async fn ask(
    connection: &Connection,
    version: i16,
    key: &str,
    kind: CoordinatorType,
    timeout: std::time::Duration,
) -> Result<FindCoordinatorResponse, Error> {
    let key = StrBytes::from_string(key.to_owned());
    let mut request = FindCoordinatorRequest::default();
    if version >= 1 {
        request = request.with_key_type(kind as i8);
    }
    request = if version >= VERSION_MANY {
        request.with_coordinator_keys(vec![key])
    } else {
        request.with_key(key)
    };
    connection.call_at(&request, version, timeout).await
}

fn read(response: FindCoordinatorResponse, version: i16, key: &str) -> Result<Found, Error> {
    let found = |code: i16, BrokerId(node): BrokerId, host: StrBytes, port| Found {
        code: ErrorCode::from(code),
        node: NodeId(node),
        host: host.to_string(),
        port,
    };
    if version < VERSION_MANY {
        let FindCoordinatorResponse {
            error_code,
            node_id,
            host,
            port,
            ..
        } = response;
        return Ok(found(error_code, node_id, host, port));
    }
    let mut answers = response.coordinators.into_iter();
    let answer = answers.find(|answer| answer.key.as_str() == key);
    let answer =
        answer.ok_or_else(|| Error::protocol(format!("no answer for coordinator {key}")))?;
    Ok(found(
        answer.error_code,
        answer.node_id,
        answer.host,
        answer.port,
    ))
}

#[cfg(test)]
mod tests;
