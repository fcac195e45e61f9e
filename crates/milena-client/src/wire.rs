//! The seam to the wire format: error codes and message types.

pub use milena_wire::error_code::{ErrorClass, ErrorCode};
pub use milena_wire::rpc::{ApiKey, Decodable, Encodable, Message, Request, StrBytes, messages};
