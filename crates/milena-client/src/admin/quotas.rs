//! Client quotas: how much users and clients may do (KIP-546).

use std::collections::BTreeMap;

use super::{Admin, ChangeMode, PerItem, check, text};
use crate::error::Error;
use crate::wire::messages::alter_client_quotas_request::{EntityData, EntryData, OpData};
use crate::wire::messages::describe_client_quotas_request::ComponentData;
use crate::wire::messages::{AlterClientQuotasRequest, DescribeClientQuotasRequest};

/// What a part of a quota's entity is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum QuotaEntityType {
    /// A user, as it authenticated.
    User,
    /// A `client.id`.
    ClientId,
    /// An address; only for `connection_creation_rate`.
    Ip,
}

impl QuotaEntityType {
    const fn name(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::ClientId => "client-id",
            Self::Ip => "ip",
        }
    }

    fn read(name: &str) -> Option<Self> {
        let all = [Self::User, Self::ClientId, Self::Ip];
        all.into_iter().find(|known| known.name() == name)
    }
}

/// Whom a quota is for: a user, a client id, both at once, or an address. `None` instead of a name is
/// whoever has no quota of his own.
pub type QuotaEntity = BTreeMap<QuotaEntityType, Option<String>>;

/// Quotas by name, such as `producer_byte_rate` in bytes a second.
pub type QuotaValues = BTreeMap<String, f64>;

/// What a part of an entity must be to be described.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum QuotaMatch {
    /// This name.
    Exact(String),
    /// The default for whoever has no quota of his own.
    Default,
    /// Any name, or the default.
    Any,
}

/// Changes to the quotas of one entity: a value sets one, `None` takes it back.
#[derive(Debug, Clone, PartialEq)]
pub struct QuotaChange {
    /// Whom it is for.
    pub entity: QuotaEntity,
    /// Names and values.
    pub values: BTreeMap<String, Option<f64>>,
}

impl Admin {
    /// The quotas of entities that have all these parts and, if `strict`, no others. No parts at all
    /// and not strict: every quota.
    ///
    /// # Errors
    /// If no broker answered, or it refused.
    pub async fn describe_client_quotas(
        &self,
        parts: &[(QuotaEntityType, QuotaMatch)],
        strict: bool,
    ) -> Result<Vec<(QuotaEntity, QuotaValues)>, Error> {
        let components = parts.iter().map(|(kind, wanted)| {
            let (number, name) = match wanted {
                QuotaMatch::Exact(name) => (0, Some(text(name))),
                QuotaMatch::Default => (1, None),
                QuotaMatch::Any => (2, None),
            };
            ComponentData::default()
                .with_entity_type(text(kind.name()))
                .with_match_type(number)
                .with_match(name)
        });
        let request = DescribeClientQuotasRequest::default()
            .with_components(components.collect())
            .with_strict(strict);
        let response = self
            .retry("description of quotas", || async {
                let connection = self.lane.any_connection().await?;
                let response = connection.call(&request, self.timeout).await?;
                check(response.error_code, response.error_message.as_ref(), || {
                    "cannot describe quotas".to_owned()
                })?;
                Ok(response)
            })
            .await?;
        let entries = response.entries.unwrap_or_default();
        let mut quotas: Vec<(QuotaEntity, QuotaValues)> = entries
            .iter()
            .map(|entry| {
                let entity = entry.entity.iter().filter_map(|part| {
                    let kind = QuotaEntityType::read(&part.entity_type)?;
                    let name = part.entity_name.as_ref().map(ToString::to_string);
                    Some((kind, name))
                });
                let values = entry.values.iter();
                let values = values.map(|value| (value.key.to_string(), value.value));
                (entity.collect(), values.collect())
            })
            .collect();
        quotas.sort_by(|left, right| left.0.cmp(&right.0));
        Ok(quotas)
    }

    /// Sets quotas and takes them back, each entity's changes all or none; each has its own result.
    pub async fn alter_client_quotas(
        &self,
        changes: &[QuotaChange],
        mode: ChangeMode,
    ) -> PerItem<(), QuotaEntity> {
        let entities: Vec<QuotaEntity> =
            changes.iter().map(|change| change.entity.clone()).collect();
        self.each("change of quotas", &entities, |open| async move {
            let asked = changes
                .iter()
                .filter(|change| open.contains(&change.entity));
            let request = AlterClientQuotasRequest::default()
                .with_entries(asked.map(to_wire).collect())
                .with_validate_only(mode == ChangeMode::ValidateOnly);
            let connection = self.controller().await?;
            let response = connection.call(&request, self.timeout).await?;
            let results = response.entries.iter().map(|entry| {
                let parts = entry.entity.iter().filter_map(|part| {
                    let kind = QuotaEntityType::read(&part.entity_type)?;
                    let name = part.entity_name.as_ref().map(ToString::to_string);
                    Some((kind, name))
                });
                let result = check(entry.error_code, entry.error_message.as_ref(), || {
                    "cannot change the quotas".to_owned()
                });
                (parts.collect(), result)
            });
            Ok(results.collect())
        })
        .await
    }
}

fn to_wire(change: &QuotaChange) -> EntryData {
    let entity = change.entity.iter().map(|(kind, name)| {
        EntityData::default()
            .with_entity_type(text(kind.name()))
            .with_entity_name(name.as_deref().map(text))
    });
    let operations = change.values.iter().map(|(key, value)| {
        OpData::default()
            .with_key(text(key))
            .with_value(value.unwrap_or(0.0))
            .with_remove(value.is_none())
    });
    EntryData::default()
        .with_entity(entity.collect())
        .with_ops(operations.collect())
}
