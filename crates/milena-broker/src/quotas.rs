//! Client quotas: stored, validated and told (KIP-546), and what is used of them. Those of bytes and
//! of the time of handling are enforced; `controller_mutation_rate` and `connection_creation_rate` are
//! stored only.
//!
//! Owns the entries and writes them down. Who has to pause is told, not made to.

mod rate;
mod usage;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use milena_wire::error_code::ErrorCode;
use tokio::time::Instant;

use crate::config::BrokerConfig;
use crate::error::BrokerError;
use crate::log::validate::Refusal;
use crate::storage::codec::{Reader, Writer};
use crate::storage::{Storage, corrupt};

use rate::Windows;
pub(crate) use usage::Limited;
use usage::Usage;

/// The file they are kept in.
const DOCUMENT: &str = "quotas";

/// Kinds of entities.
const USER: &str = "user";
const CLIENT_ID: &str = "client-id";
const IP: &str = "ip";

/// Names of quotas; the second is whether it is a whole number of bytes or milliseconds.
const KEYS: &[(&str, bool)] = &[
    ("connection_creation_rate", true),
    ("consumer_byte_rate", true),
    ("controller_mutation_rate", false),
    ("producer_byte_rate", true),
    ("request_percentage", false),
];

/// Who a quota is for: kinds (`user`, `client-id`, `ip`) and names; `None` is whoever has none of his own.
pub(crate) type Entity = BTreeMap<String, Option<String>>;
type Values = BTreeMap<String, u64>;

/// A component that a description asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Component {
    /// This name.
    Exact(String),
    /// Whoever has none of his own.
    Default,
    /// Any name, and the default.
    Any,
}

/// The quotas of one node.
pub(crate) struct Quotas {
    storage: Arc<Storage>,
    /// Values as the bits of floating-point numbers, so that they can be compared.
    entries: Mutex<BTreeMap<Entity, Values>>,
    windows: Windows,
    /// Whether any quota is enforced: what most requests look at.
    are_limiting: AtomicBool,
    usage: Mutex<Usage>,
}

impl Quotas {
    /// The quotas as the storage remembers them.
    pub(crate) fn open(
        storage: Arc<Storage>,
        config: &BrokerConfig,
    ) -> Result<Quotas, BrokerError> {
        let entries = match storage.load_document(DOCUMENT)? {
            None => BTreeMap::new(),
            Some(payload) => decode(&payload).ok_or_else(|| {
                corrupt(&storage.path().join(DOCUMENT), "it is no list of quotas")
            })?,
        };
        Ok(Quotas {
            storage,
            are_limiting: AtomicBool::new(are_limiting(&entries)),
            entries: Mutex::new(entries),
            windows: Windows {
                count: config.quota_windows,
                length: config.quota_window,
            },
            usage: Mutex::default(),
        })
    }

    /// Whether anybody's use is limited.
    pub(crate) fn are_limiting(&self) -> bool {
        self.are_limiting.load(Ordering::Relaxed)
    }

    /// Counts what a client, by user and client id, used; tells for how long it has to pause.
    pub(crate) fn record(
        &self,
        limited: Limited,
        who: (&str, &str),
        used: f64,
        now: Instant,
    ) -> Duration {
        let entries = self.lock();
        let mut usage = self.usage.lock().unwrap_or_else(PoisonError::into_inner);
        usage.record(&entries, limited, who, used, (self.windows, now))
    }

    /// Sets quotas of one entity, or takes them back; all of them or none.
    pub(crate) fn alter(
        &self,
        entity: &Entity,
        changes: &[(String, Option<f64>)],
        validate_only: bool,
    ) -> Result<(), Refusal> {
        check_entity(entity)?;
        let mut entries = self.lock();
        let mut changed = entries.clone();
        let values = changed.entry(entity.clone()).or_default();
        for (key, value) in changes {
            check_value(entity, key, *value)?;
            match value {
                Some(value) => values.insert(key.clone(), value.to_bits()),
                None => values.remove(key),
            };
        }
        changed.retain(|_, values| !values.is_empty());
        if validate_only || *entries == changed {
            return Ok(());
        }
        let saved = self.storage.save_document(DOCUMENT, &encode(&changed));
        saved.map_err(|error| {
            tracing::error!(event = "quotas_not_saved", error = %error);
            let code = ErrorCode::KafkaStorageError;
            Refusal::new(code, code.message())
        })?;
        let are_limiting = are_limiting(&changed);
        self.are_limiting.store(are_limiting, Ordering::Relaxed);
        *entries = changed;
        Ok(())
    }

    /// The quotas of entities that have all these components and, if `strict`, no others.
    pub(crate) fn find(
        &self,
        components: &BTreeMap<String, Component>,
        strict: bool,
    ) -> Vec<(Entity, BTreeMap<String, f64>)> {
        let entries = self.lock();
        let found = entries.iter().filter(|(entity, _)| {
            let has_all = components.iter().all(|(kind, wanted)| {
                entity.get(kind).is_some_and(|name| match wanted {
                    Component::Exact(wanted) => name.as_ref() == Some(wanted),
                    Component::Default => name.is_none(),
                    Component::Any => true,
                })
            });
            has_all && (!strict || entity.len() == components.len())
        });
        let told = found.map(|(entity, values)| {
            let values = values.iter();
            let values = values.map(|(key, bits)| (key.clone(), f64::from_bits(*bits)));
            (entity.clone(), values.collect())
        });
        told.collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Entity, Values>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn are_limiting(entries: &BTreeMap<Entity, Values>) -> bool {
    let mut values = entries.values();
    values.any(|values| {
        let mut enforced = Limited::ALL.into_iter();
        enforced.any(|limited| values.contains_key(limited.key()))
    })
}

fn check_entity(entity: &Entity) -> Result<(), Refusal> {
    let refused = |reason: &str| Err(Refusal::new(ErrorCode::InvalidRequest, reason));
    if entity.is_empty() {
        return refused("Invalid empty client quota entity");
    }
    let is_known = |kind: &String| matches!(kind.as_str(), USER | CLIENT_ID | IP);
    if !entity.keys().all(is_known) {
        return refused("a quota is for a user, a client-id or an ip");
    }
    if entity.contains_key(IP) && entity.len() > 1 {
        return refused("a quota of an ip is for that alone");
    }
    if entity.values().flatten().any(String::is_empty) {
        return refused("Empty client quota entity names are not allowed");
    }
    Ok(())
}

fn check_value(entity: &Entity, key: &str, value: Option<f64>) -> Result<(), Refusal> {
    let refused = |reason: String| Err(Refusal::new(ErrorCode::InvalidRequest, reason));
    let known = KEYS.iter().find(|(known, _)| *known == key);
    let of_ip = key == "connection_creation_rate";
    let Some((_, is_whole)) = known.filter(|_| entity.contains_key(IP) == of_ip) else {
        return refused(format!("Invalid configuration key {key}"));
    };
    match value {
        Some(value) if !value.is_finite() || value <= 0.0 => {
            refused(format!("Quota {key} must be greater than 0"))
        }
        Some(value) if *is_whole && value.fract() != 0.0 => {
            refused(format!("{key} cannot be a fractional value"))
        }
        _ => Ok(()),
    }
}

fn encode(entries: &BTreeMap<Entity, Values>) -> Vec<u8> {
    let mut writer = Writer::default();
    writer.put_count(entries.len());
    for (entity, values) in entries {
        writer.put_count(entity.len());
        for (kind, name) in entity {
            writer.put_text(kind);
            let name: Option<Arc<str>> = name.as_deref().map(Arc::from);
            writer.put_optional_text(name.as_ref());
        }
        writer.put_count(values.len());
        for (key, bits) in values {
            writer.put_text(key);
            writer.put_u64(*bits);
        }
    }
    writer.into_bytes()
}

fn decode(payload: &[u8]) -> Option<BTreeMap<Entity, Values>> {
    let mut reader = Reader::new(payload);
    let mut entries = BTreeMap::new();
    for _ in 0..reader.take_count()? {
        let mut entity = Entity::new();
        for _ in 0..reader.take_count()? {
            let kind = reader.take_text()?.to_string();
            let name = reader.take_optional_text()?;
            entity.insert(kind, name.map(|name| name.to_string()));
        }
        let mut values = Values::new();
        for _ in 0..reader.take_count()? {
            let key = reader.take_text()?.to_string();
            values.insert(key, reader.take_u64()?);
        }
        entries.insert(entity, values);
    }
    reader.is_empty().then_some(entries)
}

#[cfg(test)]
mod tests;
