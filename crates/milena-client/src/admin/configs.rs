//! Configuration of topics, brokers and other things: read it, change it (KIP-226, KIP-339, KIP-524).

use std::collections::BTreeMap;

use super::each::failed;
use super::{Admin, PerItem, check, text};
use crate::error::Error;
use crate::topology::NodeId;
use crate::wire::messages::describe_configs_request::DescribeConfigsResource;
use crate::wire::messages::describe_configs_response::{
    DescribeConfigsResourceResult, DescribeConfigsResult, DescribeConfigsSynonym,
};
use crate::wire::messages::{
    DescribeConfigsRequest, IncrementalAlterConfigsRequest, incremental_alter_configs_request,
};

/// Something that has settings.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum ConfigResource {
    /// A topic, by its name.
    Topic(String),
    /// One broker.
    Broker(NodeId),
    /// All brokers: what is set here counts for those that do not set it themselves.
    BrokerDefaults,
    /// The log levels of one broker.
    BrokerLogger(NodeId),
    /// A subscription to client metrics, by its name (KIP-714).
    ClientMetrics(String),
    /// A group, by its id (KIP-848; brokers since 4.0).
    Group(String),
}

impl ConfigResource {
    /// Kafka's number for its kind.
    pub(super) fn kind(&self) -> i8 {
        match self {
            Self::Topic(_) => 2,
            Self::Broker(_) | Self::BrokerDefaults => 4,
            Self::BrokerLogger(_) => 8,
            Self::ClientMetrics(_) => 16,
            Self::Group(_) => 32,
        }
    }

    /// Kafka's name for it.
    fn name(&self) -> String {
        match self {
            Self::Topic(name) | Self::ClientMetrics(name) | Self::Group(name) => name.clone(),
            Self::Broker(node) | Self::BrokerLogger(node) => node.0.to_string(),
            Self::BrokerDefaults => String::new(),
        }
    }

    /// What a response names.
    pub(super) fn read(kind: i8, name: &str) -> Option<Self> {
        let node = || name.parse().map(NodeId).ok();
        match kind {
            2 => Some(Self::Topic(name.to_owned())),
            4 if name.is_empty() => Some(Self::BrokerDefaults),
            4 => node().map(Self::Broker),
            8 => node().map(Self::BrokerLogger),
            16 => Some(Self::ClientMetrics(name.to_owned())),
            32 => Some(Self::Group(name.to_owned())),
            _ => None,
        }
    }

    /// The only broker that can answer, if there is one.
    fn home(&self) -> Option<NodeId> {
        match self {
            Self::Broker(node) | Self::BrokerLogger(node) => Some(*node),
            _ => None,
        }
    }
}

/// How much is asked of a setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConfigDetail {
    /// The values that count.
    Values,
    /// Also the values that they stand in front of, and what the settings mean.
    Everything,
}

/// One setting.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConfigEntry {
    /// Its name, such as `retention.ms`.
    pub name: String,
    /// Its value; none if it is secret or not set.
    pub value: Option<String>,
    /// Where the value comes from.
    pub source: ConfigSource,
    /// It cannot be changed while the broker runs.
    pub is_read_only: bool,
    /// Its value is never told.
    pub is_sensitive: bool,
    /// All values it could have, most important first; empty unless asked for.
    pub synonyms: Vec<ConfigSynonym>,
    /// What it is for; none unless asked for, and from brokers before 2.6.
    pub documentation: Option<String>,
}

/// One of the places where the value of a setting may come from.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConfigSynonym {
    /// The setting's name there, such as `log.retention.hours`.
    pub name: String,
    /// Its value there, in the unit of that name.
    pub value: Option<String>,
    /// Where that is.
    pub source: ConfigSource,
}

/// Where the value of a setting comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConfigSource {
    /// Set on the topic itself.
    Topic,
    /// Set on one broker while it runs.
    DynamicBroker,
    /// Set on all brokers while they run.
    DynamicBrokerDefault,
    /// Set in the brokers' files.
    StaticBroker,
    /// Kafka's default.
    Default,
    /// The level of a broker's logger.
    BrokerLogger,
    /// Set on a subscription to client metrics.
    ClientMetrics,
    /// Set on a group.
    Group,
    /// A source this client does not know, by its number.
    Other(i8),
}

impl From<i8> for ConfigSource {
    fn from(number: i8) -> Self {
        match number {
            1 => Self::Topic,
            2 => Self::DynamicBroker,
            3 => Self::DynamicBrokerDefault,
            4 => Self::StaticBroker,
            5 => Self::Default,
            6 => Self::BrokerLogger,
            7 => Self::ClientMetrics,
            8 => Self::Group,
            other => Self::Other(other),
        }
    }
}

/// Changes to the settings of one thing; all of them happen, or none.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub struct ConfigChange {
    resource: ConfigResource,
    operations: Vec<(String, i8, Option<String>)>,
}

impl ConfigChange {
    /// No changes yet.
    pub fn of(resource: ConfigResource) -> Self {
        Self {
            resource,
            operations: Vec::new(),
        }
    }

    /// Changes of a topic.
    pub fn of_topic(name: impl Into<String>) -> Self {
        Self::of(ConfigResource::Topic(name.into()))
    }

    /// Sets a value.
    pub fn set(self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.operation(name.into(), 0, Some(value.into()))
    }

    /// Takes a value back, so that the inherited one counts.
    pub fn delete(self, name: impl Into<String>) -> Self {
        self.operation(name.into(), 1, None)
    }

    /// Adds to a setting that is a list, such as `cleanup.policy`.
    pub fn append(self, name: impl Into<String>, items: impl Into<String>) -> Self {
        self.operation(name.into(), 2, Some(items.into()))
    }

    /// Takes out of a setting that is a list.
    pub fn subtract(self, name: impl Into<String>, items: impl Into<String>) -> Self {
        self.operation(name.into(), 3, Some(items.into()))
    }

    fn operation(mut self, name: String, operation: i8, value: Option<String>) -> Self {
        self.operations.push((name, operation, value));
        self
    }

    fn to_wire(&self) -> incremental_alter_configs_request::AlterConfigsResource {
        let configs = self.operations.iter().map(|(name, operation, value)| {
            incremental_alter_configs_request::AlterableConfig::default()
                .with_name(text(name))
                .with_config_operation(*operation)
                .with_value(value.as_deref().map(text))
        });
        incremental_alter_configs_request::AlterConfigsResource::default()
            .with_resource_type(self.resource.kind())
            .with_resource_name(text(&self.resource.name()))
            .with_configs(configs.collect())
    }
}

/// Whether a change is made or only checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChangeMode {
    /// Make it.
    Apply,
    /// Check that it could be made; change nothing.
    ValidateOnly,
}

impl Admin {
    /// All settings of topics, sorted by name.
    ///
    /// # Errors
    /// Never as a whole; each topic has its own result.
    pub async fn topic_configs(&self, names: &[&str]) -> Result<PerItem<Vec<ConfigEntry>>, Error> {
        let topics = names
            .iter()
            .map(|name| ConfigResource::Topic((*name).to_owned()));
        let topics: Vec<ConfigResource> = topics.collect();
        let described = self.describe_configs(&topics, ConfigDetail::Values).await;
        let named = names.iter().map(|name| (*name).to_owned());
        let results = described.into_iter().map(|(_, result)| result);
        Ok(named.zip(results).collect())
    }

    /// All settings of topics, brokers and so on, sorted by name; each resource has its own result.
    pub async fn describe_configs(
        &self,
        resources: &[ConfigResource],
        detail: ConfigDetail,
    ) -> PerItem<Vec<ConfigEntry>, ConfigResource> {
        self.each(
            "description of configurations",
            resources,
            |open| async move {
                let mut results = Vec::new();
                for (home, resources) in by_home(open, |resource| resource.home()) {
                    match self.describe_configs_of(home, &resources, detail).await {
                        Ok(described) => results.extend(described),
                        Err(error) => results.extend(failed(resources, &error)),
                    }
                }
                Ok(results)
            },
        )
        .await
    }

    async fn describe_configs_of(
        &self,
        home: Option<NodeId>,
        resources: &[ConfigResource],
        detail: ConfigDetail,
    ) -> Result<PerItem<Vec<ConfigEntry>, ConfigResource>, Error> {
        let everything = detail == ConfigDetail::Everything;
        let asked = resources.iter().map(|resource| {
            DescribeConfigsResource::default()
                .with_resource_type(resource.kind())
                .with_resource_name(text(&resource.name()))
                .with_configuration_keys(None)
        });
        let request = DescribeConfigsRequest::default()
            .with_resources(asked.collect())
            .with_include_synonyms(everything)
            .with_include_documentation(everything);
        let connection = self.connection_to(home).await?;
        let response = connection.call(&request, self.timeout).await?;
        Ok(response.results.iter().filter_map(read_described).collect())
    }

    /// Changes settings, each resource's changes all or none; each has its own result, such as
    /// INVALID_CONFIG. For all at once on a topic that is created, see [`super::NewTopic::config`].
    pub async fn alter_configs(
        &self,
        changes: &[ConfigChange],
        mode: ChangeMode,
    ) -> PerItem<(), ConfigResource> {
        let resources: Vec<ConfigResource> = changes
            .iter()
            .map(|change| change.resource.clone())
            .collect();
        self.each("change of configurations", &resources, |open| async move {
            let mut results = Vec::new();
            for (home, resources) in by_home(open, |resource| resource.home()) {
                let is_meant = |change: &&ConfigChange| resources.contains(&change.resource);
                let changes: Vec<&ConfigChange> = changes.iter().filter(is_meant).collect();
                match self.alter_configs_of(home, &changes, mode).await {
                    Ok(altered) => results.extend(altered),
                    Err(error) => results.extend(failed(resources, &error)),
                }
            }
            Ok(results)
        })
        .await
    }

    async fn alter_configs_of(
        &self,
        home: Option<NodeId>,
        changes: &[&ConfigChange],
        mode: ChangeMode,
    ) -> Result<PerItem<(), ConfigResource>, Error> {
        let request = IncrementalAlterConfigsRequest::default()
            .with_resources(changes.iter().map(|change| change.to_wire()).collect())
            .with_validate_only(mode == ChangeMode::ValidateOnly);
        let connection = self.connection_to(home).await?;
        let response = connection.call(&request, self.timeout).await?;
        let results = response.responses.iter().filter_map(|row| {
            let resource = ConfigResource::read(row.resource_type, &row.resource_name)?;
            let result = check(row.error_code, row.error_message.as_ref(), || {
                format!("cannot change the configuration of {resource:?}")
            });
            Some((resource, result))
        });
        Ok(results.collect())
    }
}

/// Items by the only broker that can answer for them; `None` for those that any can.
fn by_home<K>(
    items: Vec<K>,
    home: impl Fn(&K) -> Option<NodeId>,
) -> BTreeMap<Option<NodeId>, Vec<K>> {
    let mut by_home: BTreeMap<Option<NodeId>, Vec<K>> = BTreeMap::new();
    for item in items {
        by_home.entry(home(&item)).or_default().push(item);
    }
    by_home
}

fn read_described(
    row: &DescribeConfigsResult,
) -> Option<(ConfigResource, Result<Vec<ConfigEntry>, Error>)> {
    let resource = ConfigResource::read(row.resource_type, &row.resource_name)?;
    let result = check(row.error_code, row.error_message.as_ref(), || {
        format!("cannot describe the configuration of {resource:?}")
    });
    let mut entries: Vec<ConfigEntry> = row.configs.iter().map(read_entry).collect();
    entries.sort_by(|left, right| left.name.cmp(&right.name));
    Some((resource, result.map(|()| entries)))
}

fn read_entry(entry: &DescribeConfigsResourceResult) -> ConfigEntry {
    let synonym = |synonym: &DescribeConfigsSynonym| ConfigSynonym {
        name: synonym.name.to_string(),
        value: synonym.value.as_ref().map(ToString::to_string),
        source: ConfigSource::from(synonym.source),
    };
    ConfigEntry {
        name: entry.name.to_string(),
        value: entry.value.as_ref().map(ToString::to_string),
        source: ConfigSource::from(entry.config_source),
        is_read_only: entry.read_only,
        is_sensitive: entry.is_sensitive,
        synonyms: entry.synonyms.iter().map(synonym).collect(),
        documentation: entry.documentation.as_ref().map(ToString::to_string),
    }
}
