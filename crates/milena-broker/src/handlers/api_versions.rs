//! ApiVersions: what is served, in which versions, and which features are switched on.

use milena_wire::rpc::StrBytes;
use milena_wire::rpc::messages::api_versions_response::{
    ApiVersion, FinalizedFeatureKey, SupportedFeatureKey,
};
use milena_wire::rpc::messages::{ApiVersionsRequest, ApiVersionsResponse};

use crate::features::Features;
use crate::node::Node;
use crate::server::{RequestContext, apis};

/// Features exist from here on (KIP-584).
const FEATURES_SINCE: i16 = 3;
/// A feature whose lowest level is 0 breaks clients before this (KAFKA-17011).
const LEVEL_ZERO_SINCE: i16 = 4;

/// The same answer for every client.
pub(crate) fn handle(
    node: &Node,
    context: &RequestContext,
    _: ApiVersionsRequest,
) -> ApiVersionsResponse {
    in_version(&node.features, context.api_version)
}

/// The answer as `version` has it.
pub(crate) fn in_version(features: &Features, version: i16) -> ApiVersionsResponse {
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
    let (features, epoch) = features.told();
    let supported = features.iter().filter(|_| version >= LEVEL_ZERO_SINCE);
    let supported = supported.map(|feature| {
        SupportedFeatureKey::default()
            .with_name(StrBytes::from_static_str(feature.name))
            .with_min_version(0)
            .with_max_version(feature.level_max)
    });
    let finalized = features.iter().filter(|feature| feature.level > 0);
    let finalized = finalized.map(|feature| {
        FinalizedFeatureKey::default()
            .with_name(StrBytes::from_static_str(feature.name))
            .with_min_version_level(feature.level)
            .with_max_version_level(feature.level)
    });
    response
        .with_supported_features(supported.collect())
        .with_finalized_features_epoch(epoch)
        .with_finalized_features(finalized.collect())
}
