//! Which of several consumers of a group a configuration is for, and the names that follow from it.

use super::{Config, ConfigBuilder, Source};

/// The setting.
const NAME: &str = "consumer.id";
/// What has to be one's own among the members of a group, or helps to tell them apart.
const NUMBERED: &[&str] = &["client.id", "group.instance.id"];

impl ConfigBuilder {
    /// Which of several consumers of the group this is, a number of its own: see
    /// [`Config::with_consumer_id`]. None by default.
    pub fn consumer_id(self, id: usize) -> ConfigBuilder {
        self.set(NAME, &id.to_string())
    }
}

impl Config {
    /// The same configuration for one of several consumers of the group: what is to tell them apart
    /// has the number at its end, `client.id` (in the logs of brokers, in the description of the
    /// group and in traces) and `group.instance.id`, if it is set. As `consumer.id` it may come from
    /// wherever settings come from; a `client.id` that is read back, and quoted by dead letters, is
    /// that of the application, without a number.
    ///
    /// ```no_run
    /// use milena::{App, Config, Processes, handler};
    ///
    /// async fn on_order() {}
    ///
    /// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
    /// let config = Config::builder().client_id("billing").group_id("billing").build()?;
    /// let app = |number| {
    ///     let config = config.with_consumer_id(number); // billing-0, billing-1, …
    ///     App::new(config).topic("orders", handler(on_order))
    /// };
    /// Processes::new(4).run(app).await?; // or `Members::start(4, app)`
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn with_consumer_id(&self, id: usize) -> Config {
        let mut config = self.clone();
        config.consumer_id = Some(id);
        config.sources.insert(NAME, Source::Builder);
        config
    }

    /// The name that brokers know the clients of this configuration by.
    pub(crate) fn numbered_client_id(&self) -> String {
        self.numbered("client.id", self.client_id.clone())
    }

    /// The value of a setting as the client is given it.
    pub(super) fn numbered(&self, name: &str, value: String) -> String {
        match self.consumer_id {
            Some(id) if NUMBERED.contains(&name) => format!("{value}-{id}"),
            _ => value,
        }
    }
}
