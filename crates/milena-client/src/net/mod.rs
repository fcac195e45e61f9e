//! Connections to brokers: dialling, TLS, authentication, the handshake, pipelining, reconnecting.
//! Carries requests and responses as bytes; knows nothing of topics, groups or records.

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
mod sasl;
mod spans;
#[cfg_attr(not(feature = "tls"), path = "no_tls.rs")]
mod tls;
mod versions;
mod writer;

pub(crate) use connection::Connection;
pub(crate) use dial::Dialler;
pub(crate) use pipeline::Reply;
pub(crate) use pool::Pool;
#[cfg(feature = "oidc")]
pub(crate) use tls::Tls;
