//! ApiVersions: what this broker serves, and which features its cluster has finalized.

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
    let mut response = ApiVersionsResponse::default().with_api_keys(api_keys.collect());
    let name = StrBytes::from_static_str(TRANSACTION_VERSION);
    if version >= LEVEL_ZERO_SINCE {
        let supported = SupportedFeatureKey::default()
            .with_name(name.clone())
            .with_min_version(0)
            .with_max_version(TRANSACTION_VERSION_MAX);
        response = response.with_supported_features(vec![supported]);
    }
    let level = config.transaction_version;
    if version >= FEATURES_SINCE && level > 0 {
        let finalized = FinalizedFeatureKey::default()
            .with_name(name)
            .with_min_version_level(level)
            .with_max_version_level(level);
        response = response
            .with_finalized_features(vec![finalized])
            .with_finalized_features_epoch(0);
    }
    response
}
