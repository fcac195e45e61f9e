//! Features of the cluster: which are supported, which are switched on (KIP-584).

use super::{Admin, ChangeMode, PerItem, check, text};
use crate::error::Error;
use crate::wire::messages::update_features_request::FeatureUpdateKey;
use crate::wire::messages::{ApiVersionsRequest, UpdateFeaturesRequest};
use crate::wire::{ApiKey, StrBytes};

/// Features are told from this version of ApiVersions on.
const FEATURES_SINCE: i16 = 3;

/// The features of a cluster as one broker sees them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Features {
    /// What the broker could do, sorted by name.
    pub supported: Vec<Feature>,
    /// What is switched on in the cluster, sorted by name.
    pub finalized: Vec<Feature>,
    /// Grows with each change; none if the broker does not know it.
    pub finalized_epoch: Option<i64>,
}

/// A feature and its levels.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub struct Feature {
    /// Its name, such as `metadata.version`.
    pub name: String,
    /// The lowest level.
    pub min: i16,
    /// The highest level.
    pub max: i16,
}

/// The level a feature is to have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeatureUpdate {
    /// The feature's name.
    pub name: String,
    /// The new level; 0 switches it off.
    pub level: i16,
    /// Whether it may be lower than now.
    pub direction: FeatureDirection,
}

/// Which way a level may change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FeatureDirection {
    /// Up only.
    Upgrade,
    /// Also down, if nothing is lost.
    SafeDowngrade,
    /// Also down, whatever is lost.
    UnsafeDowngrade,
}

impl FeatureDirection {
    const fn number(self) -> i8 {
        match self {
            Self::Upgrade => 1,
            Self::SafeDowngrade => 2,
            Self::UnsafeDowngrade => 3,
        }
    }
}

impl Admin {
    /// What the cluster can do and what is switched on; empty from brokers before 2.4.
    ///
    /// # Errors
    /// If no broker answered.
    pub async fn describe_features(&self) -> Result<Features, Error> {
        let response = self
            .retry("description of features", || async {
                let connection = self.lane.any_connection().await?;
                let version = connection
                    .version_within(ApiKey::ApiVersions, FEATURES_SINCE, i16::MAX)
                    .unwrap_or(FEATURES_SINCE)
                    .min(ApiKey::ApiVersions.valid_versions().max);
                let request = ApiVersionsRequest::default()
                    .with_client_software_name(StrBytes::from_static_str("milena"))
                    .with_client_software_version(text(env!("CARGO_PKG_VERSION")));
                connection.call_at(&request, version, self.timeout).await
            })
            .await?;
        let mut features = Features {
            finalized_epoch: Some(response.finalized_features_epoch).filter(|epoch| *epoch >= 0),
            ..Features::default()
        };
        features
            .supported
            .extend(response.supported_features.iter().map(|row| Feature {
                name: row.name.to_string(),
                min: row.min_version,
                max: row.max_version,
            }));
        features
            .finalized
            .extend(response.finalized_features.iter().map(|row| Feature {
                name: row.name.to_string(),
                min: row.min_version_level,
                max: row.max_version_level,
            }));
        features.supported.sort();
        features.finalized.sort();
        Ok(features)
    }

    /// Changes levels of features, or checks that they could be changed. Each has its own result;
    /// brokers since 4.0 change all or none and give all the same.
    ///
    /// # Errors
    /// If no controller answered.
    pub async fn update_features(
        &self,
        updates: &[FeatureUpdate],
        mode: ChangeMode,
    ) -> Result<PerItem<()>, Error> {
        let validate_only = mode == ChangeMode::ValidateOnly;
        let response = self
            .retry("update of features", || async {
                let connection = self.controller().await?;
                let (min, max) = if validate_only { (1, 2) } else { (0, 2) };
                let version = connection
                    .version_within(ApiKey::UpdateFeatures, min, max)
                    .ok_or_else(|| connection.unsupported("UpdateFeatures"))?;
                let rows = updates.iter().map(|update| {
                    let row = FeatureUpdateKey::default()
                        .with_feature(text(&update.name))
                        .with_max_version_level(update.level);
                    if version == 0 {
                        row.with_allow_downgrade(update.direction != FeatureDirection::Upgrade)
                    } else {
                        row.with_upgrade_type(update.direction.number())
                    }
                });
                let request = UpdateFeaturesRequest::default()
                    .with_timeout_ms(self.broker_timeout_ms())
                    .with_feature_updates(rows.collect())
                    .with_validate_only(validate_only);
                connection.call_at(&request, version, self.timeout).await
            })
            .await?;
        let results = updates.iter().map(|update| {
            let mut rows = response.results.iter();
            let row = rows.find(|row| row.feature.as_str() == update.name);
            let (code, message) = row.map_or(
                (response.error_code, response.error_message.as_ref()),
                |row| (row.error_code, row.error_message.as_ref()),
            );
            let result = check(code, message, || {
                format!("cannot change feature {}", update.name)
            });
            (update.name.clone(), result)
        });
        Ok(results.collect())
    }
}
