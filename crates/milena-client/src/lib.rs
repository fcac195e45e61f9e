//! A pure-Rust Kafka client.
//!
//! One [`Client`] owns the connections to a cluster and what is known about it; producers, consumers
//! and [`Admin`] are built on it and share it. The crate needs a tokio runtime, and knows nothing of
//! applications, handlers or brokers: it speaks Kafka's protocol over TCP.

pub mod admin;
mod backoff;
mod buffer_pool;
mod client;
mod clock;
pub mod config;
pub mod consumer;
mod coordinator;
mod error;
pub mod group;
mod lane;
mod metadata;
pub mod metrics;
mod net;
pub mod partitioner;
pub mod producer;
mod retry;
pub mod security;
pub mod share;
pub mod spans;
mod topology;
pub mod transaction;
mod wire;

pub use admin::Admin;
pub use client::Client;
pub use config::ClientConfig;
pub use error::Error;
pub use milena_wire::compression::Compression;
pub use milena_wire::error_code::{ErrorClass, ErrorCode};
pub use topology::{NodeId, TopicPartition};
