//! ApiVersions: what this broker serves.

use milena_wire::rpc::StrBytes;
use milena_wire::rpc::messages::ApiVersionsResponse;
use milena_wire::rpc::messages::api_versions_response::{
    ApiVersion, FinalizedFeatureKey, SupportedFeatureKey,
};

use crate::server::apis;

/// Features are told from here on (KIP-584).
const FEATURES_SINCE: i16 = 3;
/// Features of a cluster, with the level they are at, which is the highest they have.
const FEATURES: &[(&str, i16)] = &[
    // Groups of the new protocol (KIP-848).
    ("group.version", 1),
];

/// The same answer for every client of a version.
pub(crate) fn handle(version: i16) -> ApiVersionsResponse {
    let api_keys = apis::SERVED.iter().map(|api| {
        ApiVersion::default()
            .with_api_key(api.key as i16)
            .with_min_version(api.version_min_advertised())
            .with_max_version(api.version_max)
    });
    let response = ApiVersionsResponse::default().with_api_keys(api_keys.collect());
    if version < FEATURES_SINCE {
        return response;
    }
    let supported = FEATURES.iter().map(|(name, level)| {
        SupportedFeatureKey::default()
            .with_name(StrBytes::from_static_str(name))
            .with_max_version(*level)
    });
    let finalized = FEATURES.iter().map(|(name, level)| {
        FinalizedFeatureKey::default()
            .with_name(StrBytes::from_static_str(name))
            .with_max_version_level(*level)
            .with_min_version_level(*level)
    });
    response
        .with_supported_features(supported.collect())
        .with_finalized_features_epoch(0)
        .with_finalized_features(finalized.collect())
}
