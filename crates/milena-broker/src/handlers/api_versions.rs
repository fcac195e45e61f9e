//! ApiVersions: what this broker serves.

use milena_wire::rpc::messages::ApiVersionsResponse;
use milena_wire::rpc::messages::api_versions_response::ApiVersion;

use crate::server::apis;

/// The same answer for every client.
pub(crate) fn handle() -> ApiVersionsResponse {
    let api_keys = apis::SERVED.iter().map(|api| {
        ApiVersion::default()
            .with_api_key(api.key as i16)
            .with_min_version(api.version_min_advertised())
            .with_max_version(api.version_max)
    });
    ApiVersionsResponse::default().with_api_keys(api_keys.collect())
}
