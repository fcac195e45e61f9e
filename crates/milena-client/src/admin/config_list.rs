//! What has settings at all (KIP-1000, KIP-1142).

use super::{Admin, ConfigResource, check};
use crate::error::Error;
use crate::wire::ApiKey;
use crate::wire::messages::ListConfigResourcesRequest;

/// The last version of ListConfigResources that we know.
const VERSION_MAX: i16 = 1;

/// Kinds of things that have settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum ConfigKind {
    /// Topics.
    Topic = 2,
    /// Brokers.
    Broker = 4,
    /// Log levels of brokers.
    BrokerLogger = 8,
    /// Subscriptions to client metrics (KIP-714).
    ClientMetrics = 16,
    /// Groups that have settings of their own.
    Group = 32,
}

impl Admin {
    /// The things of these kinds that have settings, or of all kinds without any, sorted (KIP-1142).
    /// Brokers before 4.1 know the list of [`ConfigKind::ClientMetrics`] alone (KIP-1000, since 3.7).
    ///
    /// # Errors
    /// [`Error::Unsupported`] from a broker that does not know the list; else if no broker answered.
    pub async fn list_config_resources(
        &self,
        kinds: &[ConfigKind],
    ) -> Result<Vec<ConfigResource>, Error> {
        let response = self
            .retry("list of configurations", || async {
                let connection = self.lane.any_connection().await?;
                let api = ApiKey::ListConfigResources;
                let version_min = i16::from(kinds != [ConfigKind::ClientMetrics]);
                let version = connection
                    .version_within(api, version_min, VERSION_MAX)
                    .ok_or_else(|| connection.unsupported("ListConfigResources"))?;
                let mut request = ListConfigResourcesRequest::default();
                if version > 0 {
                    let kinds = kinds.iter().map(|kind| *kind as i8);
                    request = request.with_resource_types(kinds.collect());
                }
                let response = connection.call_at(&request, version, self.timeout).await?;
                check(response.error_code, None, || {
                    "cannot list configurations".to_owned()
                })?;
                Ok((response, version))
            })
            .await?;
        let (response, version) = response;
        let found = response.config_resources.iter().filter_map(|row| {
            let kind = match version {
                0 => ConfigKind::ClientMetrics as i8,
                _ => row.resource_type,
            };
            ConfigResource::read(kind, &row.resource_name)
        });
        let mut found: Vec<ConfigResource> = found.collect();
        found.sort();
        Ok(found)
    }
}
