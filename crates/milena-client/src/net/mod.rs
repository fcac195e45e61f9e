//! Connections to brokers: dialling, the handshake, pipelining, reconnecting. Carries requests and
//! responses as bytes; knows nothing of topics, groups or records.

mod connection;

pub(crate) use connection::{Connection, ResponseFuture};
