//! Requests and responses around the messages of the `kafka-protocol` crate: headers, sizes,
//! versions, and bounds its decoder does not have. Knows no connection and no api's meaning.

mod guard;
mod header;
mod message;
#[cfg(test)]
mod tests;
mod version;

pub use header::{
    RequestHead, encode_request_head, encode_response_head, skip_response_head, take_correlation_id,
};
pub use kafka_protocol;
pub use kafka_protocol::messages::{self, ApiKey};
pub use kafka_protocol::protocol::{
    Decodable, Encodable, HeaderVersion, Message, Request, StrBytes, VersionRange,
};
pub use message::{
    decode_message, decode_request, decode_response, encode_message, encode_request,
    encode_response,
};
pub use version::negotiate;

/// Why a request or response could not be read or written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RpcError {
    /// The bytes are not the message they should be.
    #[error("{what} version {version} is malformed: {reason}")]
    Malformed {
        /// Which message.
        what: &'static str,
        /// The version it was read as.
        version: i16,
        /// What is wrong with it.
        reason: String,
    },
    /// The message cannot be written in this version.
    #[error("{what} cannot be written as version {version}: {reason}")]
    Unencodable {
        /// Which message.
        what: &'static str,
        /// The version it was to be written as.
        version: i16,
        /// Why not.
        reason: String,
    },
}
