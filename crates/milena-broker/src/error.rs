//! What can go wrong while a broker starts or stops.
//!
//! Owns [`BrokerError`]. Errors answered to clients are Kafka error codes and
//! never pass through here.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

/// Why a broker could not be configured, started or stopped.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BrokerError {
    /// The property is not one this broker knows.
    #[error("unknown broker property '{name}'{}", nearest_hint(.nearest.as_deref()))]
    UnknownProperty {
        /// The name as it was given.
        name: String,
        /// The known name that resembles it most, if one does.
        nearest: Option<String>,
    },
    /// The value does not fit the property.
    #[error("property '{name}' cannot be '{value}': {reason}")]
    InvalidProperty {
        /// The property's name.
        name: String,
        /// The value as it was given.
        value: String,
        /// What a good value looks like.
        reason: String,
    },
    /// The listen address is not `HOST:PORT` or does not resolve.
    #[error("cannot listen on '{address}': {reason}")]
    InvalidAddress {
        /// The address as it was given.
        address: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The operating system refused the listen address.
    #[error("cannot listen on {address}: {source}")]
    Bind {
        /// The address that was tried.
        address: SocketAddr,
        /// The operating system's answer.
        source: io::Error,
    },
    /// Reading or writing the data directory failed.
    #[error("data directory: {action} {path}: {source}")]
    Storage {
        /// What was being done.
        action: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// The operating system's answer.
        source: io::Error,
    },
    /// There is no such partition on this broker.
    #[error("there is no partition {partition} of topic '{topic}' on this broker")]
    UnknownPartition {
        /// The topic's name as it was given.
        topic: String,
        /// The partition's index as it was given.
        partition: i32,
    },
    /// A leader could not be elected.
    #[error("no leader elected for {topic}-{partition}: {reason}")]
    Election {
        /// The topic's name.
        topic: String,
        /// The partition's index.
        partition: i32,
        /// What stood against it.
        reason: String,
    },
    /// Another broker process uses the data directory.
    #[error(
        "the data directory {path} is in use by another broker; stop it or choose another --data"
    )]
    DirectoryLocked {
        /// The directory.
        path: PathBuf,
    },
    /// The directory holds something else, or files this broker cannot have written.
    #[error("{path}: {reason}")]
    DirectoryCorrupt {
        /// The offending file or directory.
        path: PathBuf,
        /// What was found and what to do.
        reason: String,
    },
}

fn nearest_hint(nearest: Option<&str>) -> String {
    match nearest {
        Some(name) => format!("; did you mean '{name}'?"),
        None => String::new(),
    }
}
