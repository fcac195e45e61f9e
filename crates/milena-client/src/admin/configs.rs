//! Configuration of topics, as the brokers see it.

use super::{Admin, PerItem, check, in_order};
use crate::error::Error;
use crate::wire::StrBytes;
use crate::wire::messages::DescribeConfigsRequest;
use crate::wire::messages::describe_configs_request::DescribeConfigsResource;
use crate::wire::messages::describe_configs_response::{
    DescribeConfigsResourceResult, DescribeConfigsResult,
};

/// Kafka's number for topics among the things that are configured.
const RESOURCE_TOPIC: i8 = 2;

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
    /// It cannot be changed.
    pub is_read_only: bool,
    /// Its value is never told.
    pub is_sensitive: bool,
}

/// Where the value of a setting comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConfigSource {
    /// Set on the topic itself.
    Topic,
    /// Set on brokers while they run.
    DynamicBroker,
    /// Set in the brokers' files.
    StaticBroker,
    /// Kafka's default.
    Default,
    /// A source this client does not know, by its number.
    Other(i8),
}

impl From<i8> for ConfigSource {
    fn from(number: i8) -> Self {
        match number {
            1 => Self::Topic,
            2 | 3 => Self::DynamicBroker,
            4 => Self::StaticBroker,
            5 => Self::Default,
            other => Self::Other(other),
        }
    }
}

impl Admin {
    /// All settings of topics, sorted by name.
    ///
    /// # Errors
    /// Only if no broker answered; each topic has its own result.
    pub async fn topic_configs(&self, names: &[&str]) -> Result<PerItem<Vec<ConfigEntry>>, Error> {
        let resource = |name: &&str| {
            DescribeConfigsResource::default()
                .with_resource_type(RESOURCE_TOPIC)
                .with_resource_name(StrBytes::from_string((*name).to_owned()))
                .with_configuration_keys(None)
        };
        let request =
            DescribeConfigsRequest::default().with_resources(names.iter().map(resource).collect());
        let response = self
            .retry("configuration of topics", || async {
                self.lane
                    .any_connection()
                    .await?
                    .call(&request, self.timeout)
                    .await
            })
            .await?;
        Ok(in_order(
            names,
            response.results.iter().map(read_topic).collect(),
        ))
    }
}

fn read_topic(topic: &DescribeConfigsResult) -> (String, Result<Vec<ConfigEntry>, Error>) {
    let name = topic.resource_name.to_string();
    let result = check(topic.error_code, topic.error_message.as_ref(), || {
        format!("cannot describe the configuration of topic {name}")
    });
    let mut entries: Vec<ConfigEntry> = topic.configs.iter().map(read_entry).collect();
    entries.sort_by(|left, right| left.name.cmp(&right.name));
    (name, result.map(|()| entries))
}

fn read_entry(entry: &DescribeConfigsResourceResult) -> ConfigEntry {
    ConfigEntry {
        name: entry.name.to_string(),
        value: entry.value.as_ref().map(ToString::to_string),
        source: ConfigSource::from(entry.config_source),
        is_read_only: entry.read_only,
        is_sensitive: entry.is_sensitive,
    }
}
