//! An embeddable single-node Kafka broker for development, tests and small edge boxes.
//!
//! It starts in milliseconds on an ephemeral port, many in one process, keeps its
//! data in memory or in a directory, and speaks Kafka's protocol to any client. For
//! anything that must survive the loss of a machine, use Apache Kafka.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), milena_broker::BrokerError> {
//! let broker = milena_broker::Broker::builder()
//!     .property("num.partitions", "3")?
//!     .start()
//!     .await?;
//! println!("bootstrap.servers={}", broker.bootstrap());
//! broker.stop().await;
//! # Ok(()) }
//! ```
//!
//! This file owns the list of modules and what is public; it holds no logic.

mod authorizer;
mod broker;
mod clock;
mod config;
mod coordinator;
mod error;
mod faults;
mod features;
mod fetch_sessions;
mod handlers;
mod housekeeping;
mod leadership;
mod limits;
mod log;
mod node;
mod quotas;
mod security;
mod server;
mod storage;
mod topics;

pub use broker::{Broker, BrokerBuilder, StorageKind as Storage};
pub use config::property_names;
pub use error::BrokerError;
pub use faults::{Fault, Faults};
pub use milena_wire::error_code::ErrorCode;
pub use milena_wire::rpc::ApiKey;
