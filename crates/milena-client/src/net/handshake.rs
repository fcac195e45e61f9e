//! The first words on a connection: which requests the broker understands (KIP-35, KIP-511).

use std::time::Duration;

use bytes::Bytes;

use super::connection::Connection;
use super::versions::ApiVersions;
use crate::error::Error;
use crate::wire::messages::{ApiVersionsRequest, ApiVersionsResponse};
use crate::wire::{ApiKey, ErrorCode, StrBytes, decode_response, encode_message};

/// The version that is tried first; brokers since 2.4 know it.
const VERSION_FIRST: i16 = 3;
/// The feature that tells how transactions end (KIP-890).
const TRANSACTION_VERSION: &str = "transaction.version";
/// `error_code` is the first field of the response in every version.
const ERROR_CODE_BYTES: usize = 2;

/// Asks for the versions, in an older one if the broker wants that, and hands them to `connection`.
pub(super) async fn shake_hands(connection: &Connection, timeout: Duration) -> Result<(), Error> {
    let mut version = VERSION_FIRST;
    let response = loop {
        let body = encode(version)?;
        let response = connection
            .request(ApiKey::ApiVersions, version, vec![body], timeout)
            .await?;
        match read(response, version).map_err(|what| unreadable(connection, &what))? {
            Answer::Versions(response) => break response,
            Answer::TryVersion(older) if older < version => version = older,
            Answer::TryVersion(_) => return Err(connection.unsupported("ApiVersions")),
        }
    };
    if response.error_code != 0 {
        let context = format!("ApiVersions at {}", connection.address());
        return Err(Error::broker(response.error_code, context));
    }
    let rows = response.api_keys.iter();
    let versions =
        ApiVersions::new(rows.map(|row| (row.api_key, row.min_version, row.max_version)));
    let mut finalized = response.finalized_features.iter();
    let transactions = finalized.find(|feature| feature.name.as_str() == TRANSACTION_VERSION);
    let level = transactions.map_or(0, |feature| feature.max_version_level);
    connection.set_versions(versions.with_transaction_version(level));
    Ok(())
}

/// What a response to ApiVersions means.
#[derive(Debug, PartialEq)]
enum Answer {
    Versions(ApiVersionsResponse),
    /// The broker does not know the version it was asked in, but this one.
    TryVersion(i16),
}

/// Reads a response to ApiVersions in `version`. A broker that does not know that version answers in
/// version 0, where it may say which it knows.
fn read(mut body: Bytes, version: i16) -> Result<Answer, String> {
    let code = body
        .first_chunk::<ERROR_CODE_BYTES>()
        .ok_or("no error code")?;
    let code = ErrorCode::from(i16::from_be_bytes(*code));
    if code != ErrorCode::UnsupportedVersion {
        let response = decode_response(version, &mut body);
        return response
            .map(Answer::Versions)
            .map_err(|error| error.to_string());
    }
    let known = decode_response::<ApiVersionsResponse>(0, &mut body)
        .ok()
        .and_then(|response| {
            let mut rows = response.api_keys.into_iter();
            rows.find(|row| row.api_key == ApiKey::ApiVersions as i16)
                .map(|row| row.max_version)
        });
    Ok(Answer::TryVersion(
        known.unwrap_or(0).clamp(0, VERSION_FIRST),
    ))
}

fn encode(version: i16) -> Result<Bytes, Error> {
    let mut request = ApiVersionsRequest::default();
    if version >= 3 {
        request = request
            .with_client_software_name(StrBytes::from_static_str("milena"))
            .with_client_software_version(StrBytes::from_static_str(env!("CARGO_PKG_VERSION")));
    }
    encode_message(version, &request).map_err(|error| Error::protocol(error.to_string()))
}

fn unreadable(connection: &Connection, what: &str) -> Error {
    let address = connection.address();
    Error::protocol(format!(
        "cannot read the ApiVersions response of {address}: {what}"
    ))
}

#[cfg(test)]
mod tests;
