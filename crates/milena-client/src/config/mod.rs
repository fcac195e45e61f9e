//! Settings of the client, parsed and checked once, at the edge. Each subsystem owns its own type;
//! this one is what all of them share. Opens no connection.

mod address;
mod client;
mod property;
mod security;

pub(crate) use address::BrokerAddress;
pub use client::ClientConfig;
pub use property::Properties;
pub(crate) use property::{Configurable, Property, PropertyValue, read_all};
pub use security::security;
