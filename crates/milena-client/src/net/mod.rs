//! Connections to brokers: dialling, the handshake, pipelining, reconnecting. Carries requests and
//! responses as bytes; knows nothing of topics, groups or records.

mod connection;
mod dial;
#[cfg(test)]
pub(crate) mod fake_broker;
mod frames;
mod handshake;
mod header;
mod metrics;
mod pipeline;
mod pool;
mod reader;
mod reconnect;
mod response;
mod versions;
mod writer;

pub(crate) use connection::Connection;
pub(crate) use pool::Pool;
