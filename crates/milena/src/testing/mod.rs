//! A broker for tests: in this process, in memory, up in milliseconds.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use milena::testing::TestBroker;
//! use milena::{Outgoing, Publisher};
//!
//! let broker = TestBroker::start().await?;
//! let publisher = Publisher::new(&broker.config("my-group")?)?;
//! publisher.send(&Outgoing::to("orders").value("hello")).await?;
//! publisher.close().await?;
//! # Ok(())
//! # }
//! ```

mod app;
mod clock;
mod consume;

use std::time::Duration;

pub use self::app::{TestApp, TestError};
pub use self::clock::TestClock;
pub use self::consume::consume_until;

pub use milena_broker::{
    ApiKey, Broker, BrokerBuilder, BrokerError, ErrorCode, Fault, Faults, Storage,
};

use crate::config::{Config, ConfigError};

/// An embedded broker with what tests want: topics made when first used, and no waiting
/// for a group's further members. Dropping it stops it.
pub struct TestBroker {
    broker: Broker,
}

impl TestBroker {
    /// Starts a broker on a free port of the loopback interface, with three partitions a
    /// topic.
    ///
    /// # Errors
    /// When no port can be had.
    pub async fn start() -> Result<TestBroker, BrokerError> {
        let broker = Broker::builder()
            .property("num.partitions", "3")?
            .property("auto.create.topics.enable", "true")?
            .property("group.initial.rebalance.delay.ms", "0")?
            .start()
            .await?;
        Ok(TestBroker { broker })
    }

    /// The broker itself, for its faults.
    pub fn broker(&self) -> &Broker {
        &self.broker
    }

    /// The configuration of an application or publisher on this broker: commits every
    /// 50 ms, and stops within 5 s.
    ///
    /// # Errors
    /// When the group's name is empty.
    pub fn config(&self, group: &str) -> Result<Config, ConfigError> {
        Config::builder()
            .bootstrap_servers(self.broker.bootstrap())
            .group_id(group)
            .commit_interval(Duration::from_millis(50))
            .revocation_timeout(Duration::from_secs(5))
            .shutdown_timeout(Duration::from_secs(5))
            .build()
    }
}
