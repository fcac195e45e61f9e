//! The settings of topics and brokers in layers, and which of them counts.
//!
//! Owns what was set while the broker runs, and writes it down. A topic's own setting comes first, then
//! what was set on this broker, on all brokers, in the broker's properties, and the default.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use milena_wire::error_code::ErrorCode;
use uuid::Uuid;

use super::BrokerConfig;
use super::topic::{TopicConfig, TopicProperty, in_topic_unit};
use crate::error::BrokerError;
use crate::log::validate::Refusal;
use crate::storage::codec::{Reader, Writer};
use crate::storage::{Storage, corrupt};

/// The file they are kept in.
const DOCUMENT: &str = "configs";

/// Settings as they were given: names and texts.
pub(crate) type Settings = BTreeMap<String, String>;

/// Where a value comes from; the numbers are the protocol's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    Topic = 1,
    /// Set on this broker while it runs.
    Broker = 2,
    /// Set on all brokers while they run.
    Cluster = 3,
    /// A property the broker was started with.
    Static = 4,
    Default = 5,
}

/// One place where a value may come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Synonym {
    pub(crate) name: &'static str,
    /// In the unit of `name`.
    pub(crate) value: String,
    pub(crate) source: Source,
    /// What the value is multiplied by to be in the topic's unit.
    pub(crate) factor: i64,
}

/// Whose settings are to be changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scope {
    Topic(Uuid),
    Broker,
    Cluster,
}

/// All layers of one node.
pub(crate) struct ConfigStore {
    storage: Arc<Storage>,
    given: Settings,
    dynamic: Mutex<Dynamic>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Dynamic {
    cluster: Settings,
    broker: Settings,
    topics: HashMap<Uuid, Settings>,
}

impl ConfigStore {
    /// The layers as the storage remembers them.
    pub(crate) fn open(
        storage: Arc<Storage>,
        config: &BrokerConfig,
    ) -> Result<ConfigStore, BrokerError> {
        let dynamic = match storage.load_document(DOCUMENT)? {
            None => Dynamic::default(),
            Some(payload) => decode(&payload).ok_or_else(|| {
                corrupt(&storage.path().join(DOCUMENT), "it is no list of settings")
            })?,
        };
        Ok(ConfigStore {
            storage,
            given: config.given.clone(),
            dynamic: Mutex::new(dynamic),
        })
    }

    /// What counts for a topic.
    pub(crate) fn effective(&self, topic: Uuid) -> TopicConfig {
        let dynamic = self.lock();
        let none = Settings::new();
        let own = dynamic.topics.get(&topic).unwrap_or(&none);
        self.effective_of(&dynamic, own)
    }

    /// A property's values for a topic, most important first; the last one is the default.
    pub(crate) fn topic_synonyms(&self, property: &TopicProperty, topic: Uuid) -> Vec<Synonym> {
        let dynamic = self.lock();
        let none = Settings::new();
        self.synonyms(
            &dynamic,
            property,
            dynamic.topics.get(&topic).unwrap_or(&none),
        )
    }

    /// A property's values for a topic that would have these settings.
    pub(crate) fn synonyms_with(&self, property: &TopicProperty, own: &Settings) -> Vec<Synonym> {
        self.synonyms(&self.lock(), property, own)
    }

    /// A broker property's values, most important first; no default.
    pub(crate) fn broker_synonyms(&self, name: &'static str) -> Vec<Synonym> {
        let dynamic = self.lock();
        let mut found = Vec::new();
        for (layer, source) in self.broker_layers(&dynamic) {
            found.extend(layer.get(name).map(|value| Synonym {
                name,
                value: value.clone(),
                source,
                factor: 1,
            }));
        }
        found
    }

    /// What was set on all brokers while they run.
    pub(crate) fn cluster_settings(&self) -> Settings {
        self.lock().cluster.clone()
    }

    /// Gives a new topic its settings.
    pub(crate) fn create_topic(&self, topic: Uuid, own: Settings) -> Result<(), ErrorCode> {
        if own.is_empty() {
            return Ok(());
        }
        let mut dynamic = self.lock();
        let mut changed = dynamic.clone();
        changed.topics.insert(topic, own);
        self.save(&mut dynamic, changed)
    }

    /// Forgets a deleted topic. What a failure leaves behind is never asked for again.
    pub(crate) fn forget_topic(&self, topic: Uuid) {
        let mut dynamic = self.lock();
        let mut changed = dynamic.clone();
        if changed.topics.remove(&topic).is_some() {
            let _ = self.save(&mut dynamic, changed);
        }
    }

    /// Forgets topics that are not there.
    pub(crate) fn retain_topics(&self, is_there: impl Fn(Uuid) -> bool) {
        self.lock().topics.retain(|topic, _| is_there(*topic));
    }

    /// Replaces the settings of `scope` by what `change` makes of them, all or nothing.
    pub(crate) fn change(
        &self,
        scope: Scope,
        validate_only: bool,
        change: impl FnOnce(&Settings, &dyn Fn(&str) -> Option<String>) -> Result<Settings, Refusal>,
    ) -> Result<(), Refusal> {
        let mut dynamic = self.lock();
        let mut changed = dynamic.clone();
        let settings = match scope {
            Scope::Topic(topic) => changed.topics.entry(topic).or_default(),
            Scope::Broker => &mut changed.broker,
            Scope::Cluster => &mut changed.cluster,
        };
        let inherited = |name: &str| self.inherited(&dynamic, scope, name);
        *settings = change(settings, &inherited)?;
        changed.topics.retain(|_, settings| !settings.is_empty());
        if validate_only {
            return Ok(());
        }
        self.save(&mut dynamic, changed)
            .map_err(|code| Refusal::new(code, code.message()))
    }

    /// The value that counts while `scope` has none of its own.
    fn inherited(&self, dynamic: &Dynamic, scope: Scope, name: &str) -> Option<String> {
        let property = match scope {
            Scope::Topic(_) => TopicProperty::named(name)?,
            Scope::Broker | Scope::Cluster => TopicProperty::behind(name)?.0,
        };
        let synonyms = self.synonyms(dynamic, property, &Settings::new());
        synonyms.into_iter().next().map(|first| first.value)
    }

    fn effective_of(&self, dynamic: &Dynamic, own: &Settings) -> TopicConfig {
        let mut config = TopicConfig::default();
        for property in TopicProperty::all() {
            let Some(first) = self.synonyms(dynamic, property, own).into_iter().next() else {
                continue;
            };
            let value = in_topic_unit(&first.value, first.factor);
            if let Err(reason) = property.set(&mut config, &value) {
                // Checked when it was set; an older version may have been less strict.
                tracing::warn!(event = "setting_ignored", name = first.name, value, reason);
            }
        }
        config
    }

    fn synonyms(
        &self,
        dynamic: &Dynamic,
        property: &TopicProperty,
        own: &Settings,
    ) -> Vec<Synonym> {
        let mut found = Vec::new();
        found.extend(own.get(property.name).map(|value| Synonym {
            name: property.name,
            value: value.clone(),
            source: Source::Topic,
            factor: 1,
        }));
        for (layer, source) in self.broker_layers(dynamic) {
            for (name, factor) in property.synonyms {
                found.extend(layer.get(*name).map(|value| Synonym {
                    name,
                    value: value.clone(),
                    source,
                    factor: *factor,
                }));
            }
        }
        found.push(Synonym {
            name: property
                .synonyms
                .first()
                .map_or(property.name, |(name, _)| name),
            value: property.default.to_owned(),
            source: Source::Default,
            factor: 1,
        });
        found
    }

    fn broker_layers<'a>(&'a self, dynamic: &'a Dynamic) -> [(&'a Settings, Source); 3] {
        [
            (&dynamic.broker, Source::Broker),
            (&dynamic.cluster, Source::Cluster),
            (&self.given, Source::Static),
        ]
    }

    fn save(&self, current: &mut Dynamic, changed: Dynamic) -> Result<(), ErrorCode> {
        if *current == changed {
            return Ok(());
        }
        let saved = self.storage.save_document(DOCUMENT, &encode(&changed));
        saved.map_err(|error| {
            tracing::error!(event = "settings_not_saved", error = %error);
            ErrorCode::KafkaStorageError
        })?;
        *current = changed;
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Dynamic> {
        self.dynamic.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn encode(dynamic: &Dynamic) -> Vec<u8> {
    let mut writer = Writer::default();
    encode_settings(&mut writer, &dynamic.cluster);
    encode_settings(&mut writer, &dynamic.broker);
    writer.put_count(dynamic.topics.len());
    for (topic, settings) in &dynamic.topics {
        writer.put_u128(topic.as_u128());
        encode_settings(&mut writer, settings);
    }
    writer.into_bytes()
}

fn encode_settings(writer: &mut Writer, settings: &Settings) {
    writer.put_count(settings.len());
    for (name, value) in settings {
        writer.put_text(name);
        writer.put_text(value);
    }
}

fn decode(payload: &[u8]) -> Option<Dynamic> {
    let mut reader = Reader::new(payload);
    let mut dynamic = Dynamic {
        cluster: decode_settings(&mut reader)?,
        broker: decode_settings(&mut reader)?,
        topics: HashMap::new(),
    };
    for _ in 0..reader.take_count()? {
        let topic = Uuid::from_u128(reader.take_u128()?);
        dynamic.topics.insert(topic, decode_settings(&mut reader)?);
    }
    reader.is_empty().then_some(dynamic)
}

fn decode_settings(reader: &mut Reader<'_>) -> Option<Settings> {
    let mut settings = Settings::new();
    for _ in 0..reader.take_count()? {
        let name = reader.take_text()?.to_string();
        settings.insert(name, reader.take_text()?.to_string());
    }
    Some(settings)
}

#[cfg(test)]
mod tests;
