//! The parts of the wire format that the whole client is built on, under one name.

pub(crate) use milena_wire::error_code::{ErrorClass, ErrorCode};
pub(crate) use milena_wire::rpc::{
    ApiKey, Message, Request, StrBytes, decode_message, decode_response, encode_message,
    encode_request_head, messages,
};
#[cfg(test)]
pub(crate) use milena_wire::rpc::{Decodable, Encodable};
