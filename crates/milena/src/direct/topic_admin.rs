//! Administering the topics of a program, under the names that the program gives them.
//!
//! Owns the way between those names and the cluster's; asking the cluster is the client's.

use milena_client::admin::{
    ChangeMode, ConfigChange, ConfigEntry, CreatedTopic, NewTopic, PerItem, TopicDescription,
    TopicListing,
};
use milena_client::{Admin, Client, Error};

use super::error::DirectError;
use crate::config::{Config, TopicPrefix, topic_problem};

/// Creates, deletes, lists and describes topics, and reads and changes their settings, with the
/// configured prefix put on names and taken off again: to it a program's topics are all there are.
/// Cheap to clone.
///
/// For everything else, and for names as the cluster has them, there is the client's
/// [`Admin`].
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use milena::testing::TestBroker;
/// use milena::{Config, TopicAdmin};
///
/// # let broker = TestBroker::start().await?;
/// # let servers = broker.broker().bootstrap();
/// let config = Config::builder().bootstrap_servers(servers).topic_prefix("staging.").build()?;
/// let topics = TopicAdmin::new(&config)?;
/// topics.create("orders", |topic| topic.partitions(6)).await?; // `staging.orders`
/// topics.alter_configs("orders", |change| change.set("retention.ms", "60000")).await?;
/// assert_eq!(topics.list().await?[0].name, "orders");
/// assert_eq!(topics.describe("orders").await?.partitions.len(), 6);
/// topics.delete("orders").await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct TopicAdmin {
    client: Client,
    admin: Admin,
    prefix: TopicPrefix,
}

impl TopicAdmin {
    /// With connections of its own, made when first used; needs a tokio runtime.
    ///
    /// # Errors
    /// [`DirectError::Config`] when the configuration cannot work.
    pub fn new(config: &Config) -> Result<TopicAdmin, DirectError> {
        let client = Client::new(config.client_config()?)?;
        Ok(TopicAdmin {
            admin: Admin::new(&client),
            client,
            prefix: config.topic_prefix.clone(),
        })
    }

    /// Creates a topic; what `settings` does not say of it is the broker's default.
    ///
    /// # Errors
    /// [`DirectError::Client`] with TOPIC_ALREADY_EXISTS and the like, and for a name that is not
    /// legal.
    pub async fn create(
        &self,
        topic: &str,
        settings: impl FnOnce(NewTopic) -> NewTopic,
    ) -> Result<CreatedTopic, DirectError> {
        let new = settings(NewTopic::new(self.name(topic)?));
        Ok(self.admin.create_topic(new).await?)
    }

    /// Deletes a topic and all its records.
    ///
    /// # Errors
    /// [`DirectError::Client`] with UNKNOWN_TOPIC_OR_PARTITION and the like.
    pub async fn delete(&self, topic: &str) -> Result<(), DirectError> {
        only(self.admin.delete_topics(&[&self.name(topic)?]).await?)
    }

    /// The topics under the prefix, by name; without a prefix all, Kafka's own included.
    ///
    /// # Errors
    /// [`DirectError::Client`] when no broker answered.
    pub async fn list(&self) -> Result<Vec<TopicListing>, DirectError> {
        let mut own = Vec::new();
        for mut topic in self.admin.list_topics().await? {
            if let Some(name) = self.prefix.take_off(&topic.name) {
                topic.name = name.to_owned();
                own.push(topic);
            }
        }
        Ok(own)
    }

    /// A topic's partitions.
    ///
    /// # Errors
    /// [`DirectError::Client`] with UNKNOWN_TOPIC_OR_PARTITION and the like.
    pub async fn describe(&self, topic: &str) -> Result<TopicDescription, DirectError> {
        let name = self.name(topic)?;
        let mut described: TopicDescription = only(self.admin.describe_topics(&[&name]).await?)?;
        described.name = topic.to_owned();
        Ok(described)
    }

    /// All settings of a topic, sorted by name.
    ///
    /// # Errors
    /// As [`TopicAdmin::describe`].
    pub async fn configs(&self, topic: &str) -> Result<Vec<ConfigEntry>, DirectError> {
        only(self.admin.topic_configs(&[&self.name(topic)?]).await?)
    }

    /// Changes settings of a topic, all that `changes` says or none.
    ///
    /// # Errors
    /// [`DirectError::Client`] with INVALID_CONFIG, UNKNOWN_TOPIC_OR_PARTITION and the like.
    pub async fn alter_configs(
        &self,
        topic: &str,
        changes: impl FnOnce(ConfigChange) -> ConfigChange,
    ) -> Result<(), DirectError> {
        let change = changes(ConfigChange::of_topic(self.name(topic)?));
        only(self.admin.alter_configs(&[change], ChangeMode::Apply).await)
    }

    /// Closes the connections, of all clones.
    pub async fn close(&self) {
        self.client.close().await;
    }

    /// As the cluster names the topic.
    fn name(&self, topic: &str) -> Result<String, DirectError> {
        let name = self.prefix.put_on(topic).into_owned();
        // A prefix alone would be a legal name.
        let checked = if topic.is_empty() { topic } else { &name };
        match topic_problem(checked) {
            None => Ok(name),
            Some(problem) => Err(DirectError::Client(Error::Config {
                field: "topic".to_owned(),
                value: name,
                expected: problem.to_owned(),
            })),
        }
    }
}

/// The answer about the only thing that was asked about.
fn only<T, K>(results: PerItem<T, K>) -> Result<T, DirectError> {
    let first = results.into_iter().next();
    let (_, result) = first.ok_or_else(|| {
        DirectError::Client(Error::Protocol {
            context: "the broker sent an empty answer".to_owned(),
        })
    })?;
    Ok(result?)
}
