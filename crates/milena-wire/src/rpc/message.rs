//! Whole messages to bytes and back. Knows no connection.

use super::header::{encode_request_head, encode_response_head};
use super::{ApiKey, RpcError, guard};
use bytes::{Bytes, BytesMut};
use kafka_protocol::protocol::{Decodable, Encodable, Message, Request};

/// Reads the body of a request, behind its header. Bytes behind the message stay in `body`.
///
/// # Errors
/// [`RpcError::Malformed`], also when a count is above what the bytes can hold.
pub fn decode_request<M: Decodable + Message>(
    version: i16,
    body: &mut Bytes,
) -> Result<M, RpcError> {
    decode(version, body)
}

/// Reads the body of a response, behind its header. Bytes behind the message stay in `body`.
///
/// # Errors
/// [`RpcError::Malformed`], also when a count is above what the bytes can hold.
pub fn decode_response<M: Decodable + Message>(
    version: i16,
    body: &mut Bytes,
) -> Result<M, RpcError> {
    decode(version, body)
}

/// Reads something that is no request or response of its own, such as the subscription within a
/// JoinGroup request.
///
/// # Errors
/// [`RpcError::Malformed`], also when a count is above what the bytes can hold.
pub fn decode_message<M: Decodable + Message>(
    version: i16,
    bytes: &mut Bytes,
) -> Result<M, RpcError> {
    decode(version, bytes)
}

fn decode<M: Decodable + Message>(version: i16, bytes: &mut Bytes) -> Result<M, RpcError> {
    let malformed = |reason| RpcError::Malformed {
        what: name_of::<M>(),
        version,
        reason,
    };
    if version < M::VERSIONS.min || version > M::VERSIONS.max {
        return Err(malformed(format!(
            "only versions {} are known",
            M::VERSIONS
        )));
    }
    guard::decode(bytes, version).map_err(malformed)
}

/// Writes a message without any header.
///
/// # Errors
/// [`RpcError::Unencodable`] when a field that is set does not exist in this version.
pub fn encode_message<M: Encodable>(version: i16, message: &M) -> Result<Bytes, RpcError> {
    encode_behind(Vec::new(), version, message).map(BytesMut::freeze)
}

/// Writes a request with its length prefix and header.
///
/// # Errors
/// [`RpcError::Unencodable`] when a field that is set does not exist in this version, or the
/// request is too long.
pub fn encode_request<R: Request>(
    version: i16,
    correlation_id: i32,
    client_id: &str,
    request: &R,
) -> Result<BytesMut, RpcError> {
    let unencodable = |reason| RpcError::Unencodable {
        what: name_of::<R>(),
        version,
        reason,
    };
    let api = ApiKey::try_from(R::KEY).map_err(|()| unencodable("unknown api".to_owned()))?;
    let body_bytes = request
        .compute_size(version)
        .map_err(|error| unencodable(error.to_string()))?;
    let head = encode_request_head(api, version, correlation_id, client_id, body_bytes)?;
    encode_behind(head, version, request)
}

/// Writes a response with its length prefix and header.
///
/// # Errors
/// [`RpcError::Unencodable`] when a field that is set does not exist in this version, or the
/// response is too long.
pub fn encode_response<M: Encodable>(
    api: ApiKey,
    version: i16,
    correlation_id: i32,
    response: &M,
) -> Result<BytesMut, RpcError> {
    let unencodable = |reason| RpcError::Unencodable {
        what: name_of::<M>(),
        version,
        reason,
    };
    let body_bytes = response
        .compute_size(version)
        .map_err(|error| unencodable(error.to_string()))?;
    let head = encode_response_head(api, version, correlation_id, body_bytes)?;
    encode_behind(head, version, response)
}

fn encode_behind<M: Encodable>(
    head: Vec<u8>,
    version: i16,
    message: &M,
) -> Result<BytesMut, RpcError> {
    let unencodable = |reason| RpcError::Unencodable {
        what: name_of::<M>(),
        version,
        reason,
    };
    let body_bytes = message
        .compute_size(version)
        .map_err(|error| unencodable(error.to_string()))?;
    let mut out = BytesMut::with_capacity(head.len() + body_bytes);
    out.extend_from_slice(&head);
    message
        .encode(&mut out, version)
        .map_err(|error| unencodable(error.to_string()))?;
    Ok(out)
}

fn name_of<M>() -> &'static str {
    let path = std::any::type_name::<M>();
    path.rsplit("::").next().unwrap_or(path)
}
