//! The Kafka wire format: bytes to types and back.
//!
//! Owns frames, record batches of format 2, compression, the table of error codes and the
//! helpers around the `kafka-protocol` messages. Knows no socket, no runtime and no clock, and
//! never panics on bytes it is given.

pub mod batch;
pub mod compression;
pub mod error_code;
pub mod frame;
pub mod limits;
pub mod rpc;
pub mod varint;

pub use compression::Compression;
pub use error_code::{ErrorClass, ErrorCode};
