//! ApiVersions: what is served, in which versions, and which features are switched on.

use milena_wire::rpc::StrBytes;
use milena_wire::rpc::messages::ApiVersionsResponse;
use milena_wire::rpc::messages::api_versions_response::{
    ApiVersion, FinalizedFeatureKey, SupportedFeatureKey,
};

use crate::config::BrokerConfig;
use crate::server::apis;

/// Features exist from here on (KIP-584).
const FEATURES_SINCE: i16 = 3;
/// A feature whose lowest level is 0 breaks clients before this (KAFKA-17011).
const LEVEL_ZERO_SINCE: i16 = 4;

const GROUP_VERSION: &str = "group.version";
const GROUP_VERSION_MAX: i16 = 1;
const TRANSACTION_VERSION: &str = "transaction.version";
const TRANSACTION_VERSION_MAX: i16 = 2;

/// The same answer for every client, in `version`.
pub(crate) fn handle(config: &BrokerConfig, version: i16) -> ApiVersionsResponse {
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
    // Names, the levels that are switched on, and the highest ones there are.
    let features = [
        // Groups of the new protocol (KIP-848).
        (GROUP_VERSION, GROUP_VERSION_MAX, GROUP_VERSION_MAX),
        // Transactions of KIP-890.
        (
            TRANSACTION_VERSION,
            config.transaction_version,
            TRANSACTION_VERSION_MAX,
        ),
    ];
    let supported = features.iter().filter(|_| version >= LEVEL_ZERO_SINCE);
    let supported = supported.map(|(name, _, max)| {
        SupportedFeatureKey::default()
            .with_name(StrBytes::from_static_str(name))
            .with_min_version(0)
            .with_max_version(*max)
    });
    let finalized = features.iter().filter(|(_, level, _)| *level > 0);
    let finalized = finalized.map(|(name, level, _)| {
        FinalizedFeatureKey::default()
            .with_name(StrBytes::from_static_str(name))
            .with_min_version_level(*level)
            .with_max_version_level(*level)
    });
    response
        .with_supported_features(supported.collect())
        .with_finalized_features_epoch(0)
        .with_finalized_features(finalized.collect())
}
