//! UpdateFeatures: levels of features, all that are named or none (KIP-584).

use milena_wire::error_code::ErrorCode;
use milena_wire::rpc::StrBytes;
use milena_wire::rpc::messages::update_features_response::UpdatableFeatureResult;
use milena_wire::rpc::messages::{UpdateFeaturesRequest, UpdateFeaturesResponse};

use crate::features::Update;
use crate::log::validate::Refusal;
use crate::node::Node;
use crate::server::RequestContext;

/// Which way a level may change is a number from here on, and whether to change it is asked.
const TYPES_SINCE: i16 = 1;
/// One result stands for all from here on (KIP-1022).
const ONE_RESULT_SINCE: i16 = 2;
const UPGRADE: i8 = 1;
const UNSAFE_DOWNGRADE: i8 = 3;

pub(crate) fn handle(
    node: &Node,
    context: &RequestContext,
    request: UpdateFeaturesRequest,
) -> UpdateFeaturesResponse {
    let version = context.api_version;
    let outcome = updates(&request, version).and_then(|updates| {
        let validate_only = version >= TYPES_SINCE && request.validate_only;
        node.features.update(&updates, validate_only)
    });
    let (code, message) = match outcome {
        Ok(()) => (ErrorCode::None, None),
        Err(refusal) => (refusal.code, Some(StrBytes::from_string(refusal.message))),
    };
    if version >= ONE_RESULT_SINCE {
        return UpdateFeaturesResponse::default()
            .with_error_code(code.code())
            .with_error_message(message);
    }
    let results = request.feature_updates.iter().map(|update| {
        UpdatableFeatureResult::default()
            .with_feature(update.feature.clone())
            .with_error_code(code.code())
            .with_error_message(message.clone())
    });
    UpdateFeaturesResponse::default()
        .with_error_message(None)
        .with_results(results.collect())
}

fn updates(request: &UpdateFeaturesRequest, version: i16) -> Result<Vec<Update>, Refusal> {
    let updates = request.feature_updates.iter().map(|update| {
        let kind = update.upgrade_type;
        if version >= TYPES_SINCE && !(UPGRADE..=UNSAFE_DOWNGRADE).contains(&kind) {
            let reason = format!("{kind} is no kind of upgrade");
            return Err(Refusal::new(ErrorCode::InvalidUpdateVersion, reason));
        }
        Ok(Update {
            name: update.feature.to_string(),
            level: update.max_version_level,
            may_fall: match version >= TYPES_SINCE {
                true => kind > UPGRADE,
                false => update.allow_downgrade,
            },
        })
    });
    updates.collect()
}
