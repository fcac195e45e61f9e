//! The headers of requests and responses. Knows no bodies.

use super::{ApiKey, RpcError};
use crate::frame::LENGTH_PREFIX_BYTES;
use crate::varint;
use bytes::{Buf, Bytes};

const WHAT: &str = "request header";
/// The first header version with tagged fields.
const FLEXIBLE_REQUEST_HEADER: i16 = 2;
const FLEXIBLE_RESPONSE_HEADER: i16 = 1;
const FIXED_REQUEST_BYTES: usize = 2 + 2 + 4 + 2;
const NO_TAGS: u8 = 0;

/// The header of a request, read without trust in what it says.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RequestHead {
    /// The number of the api; [`api`](Self::api) gives it as a type.
    pub api_key: i16,
    /// The version of the request.
    pub api_version: i16,
    /// What the response must repeat.
    pub correlation_id: i32,
    /// The name the client gives itself; text that is not UTF-8 becomes U+FFFD.
    pub client_id: Option<String>,
}

impl RequestHead {
    /// The api, if this crate knows it.
    #[must_use]
    pub fn api(&self) -> Option<ApiKey> {
        ApiKey::try_from(self.api_key).ok()
    }

    /// Takes the header from the front of a request's frame.
    ///
    /// An api that is not known, or a version far too new, is no error here, so that the answer
    /// can be an error code: the fields up to the client id never change.
    ///
    /// # Errors
    /// [`RpcError::Malformed`] when the frame is too short for a header.
    pub fn decode(frame: &mut Bytes) -> Result<Self, RpcError> {
        let mut head = Self {
            api_key: -1,
            api_version: -1,
            correlation_id: -1,
            client_id: None,
        };
        head.read(frame).ok_or_else(|| RpcError::Malformed {
            what: WHAT,
            version: head.api_version,
            reason: "it is cut off".to_owned(),
        })?;
        Ok(head)
    }

    fn read(&mut self, frame: &mut Bytes) -> Option<()> {
        self.api_key = frame.try_get_i16().ok()?;
        self.api_version = frame.try_get_i16().ok()?;
        self.correlation_id = frame.try_get_i32().ok()?;
        // Kafka never made this string compact: an old broker must be able to read it.
        if let Ok(length) = usize::try_from(frame.try_get_i16().ok()?) {
            let text = frame.get(..length)?;
            self.client_id = Some(String::from_utf8_lossy(text).into_owned());
            frame.advance(length);
        }
        let version = self
            .api()
            .map(|api| api.request_header_version(self.api_version));
        if version.is_some_and(|version| version >= FLEXIBLE_REQUEST_HEADER) {
            skip_tags(frame)?;
        }
        Some(())
    }
}

fn skip_tags(frame: &mut Bytes) -> Option<()> {
    let mut rest: &[u8] = frame;
    for _ in 0..varint::read_u32(&mut rest).ok()? {
        varint::read_u32(&mut rest).ok()?;
        let length = varint::read_u32(&mut rest).ok()?;
        rest = rest.get(usize::try_from(length).ok()?..)?;
    }
    let skipped = frame.len() - rest.len();
    frame.advance(skipped);
    Some(())
}

/// The length prefix and header in front of a request body of `body_bytes` bytes.
///
/// # Errors
/// [`RpcError::Unencodable`] when the client id or the frame is too long.
pub fn encode_request_head(
    api: ApiKey,
    version: i16,
    correlation_id: i32,
    client_id: &str,
    body_bytes: usize,
) -> Result<Vec<u8>, RpcError> {
    let too_long = |what: &str| RpcError::Unencodable {
        what: WHAT,
        version,
        reason: format!("the {what} is too long"),
    };
    let client_id_bytes = i16::try_from(client_id.len()).map_err(|_| too_long("client id"))?;
    let is_flexible = api.request_header_version(version) >= FLEXIBLE_REQUEST_HEADER;
    let head_bytes = FIXED_REQUEST_BYTES + client_id.len() + usize::from(is_flexible);
    let mut out = Vec::with_capacity(LENGTH_PREFIX_BYTES + head_bytes);
    let length = head_bytes
        .checked_add(body_bytes)
        .and_then(|length| i32::try_from(length).ok());
    out.extend_from_slice(&length.ok_or_else(|| too_long("request"))?.to_be_bytes());
    out.extend_from_slice(&(api as i16).to_be_bytes());
    out.extend_from_slice(&version.to_be_bytes());
    out.extend_from_slice(&correlation_id.to_be_bytes());
    out.extend_from_slice(&client_id_bytes.to_be_bytes());
    out.extend_from_slice(client_id.as_bytes());
    if is_flexible {
        out.push(NO_TAGS);
    }
    Ok(out)
}

/// The length prefix and header in front of a response body of `body_bytes` bytes.
///
/// # Errors
/// [`RpcError::Unencodable`] when the frame is too long.
pub fn encode_response_head(
    api: ApiKey,
    version: i16,
    correlation_id: i32,
    body_bytes: usize,
) -> Result<Vec<u8>, RpcError> {
    let is_flexible = api.response_header_version(version) >= FLEXIBLE_RESPONSE_HEADER;
    let head_bytes = size_of::<i32>() + usize::from(is_flexible);
    let length = head_bytes
        .checked_add(body_bytes)
        .and_then(|length| i32::try_from(length).ok());
    let length = length.ok_or_else(|| RpcError::Unencodable {
        what: "response header",
        version,
        reason: "the response is too long".to_owned(),
    })?;
    let mut out = Vec::with_capacity(LENGTH_PREFIX_BYTES + head_bytes);
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(&correlation_id.to_be_bytes());
    if is_flexible {
        out.push(NO_TAGS);
    }
    Ok(out)
}

/// Takes the correlation id from the front of a response's frame. It tells which request the
/// frame answers; with that, [`skip_response_head`] takes the rest of the header.
///
/// # Errors
/// [`RpcError::Malformed`] when the frame is too short.
pub fn take_correlation_id(frame: &mut Bytes) -> Result<i32, RpcError> {
    frame.try_get_i32().map_err(|_| cut_off_response(0))
}

/// Takes what is behind the correlation id in a response's header.
///
/// # Errors
/// [`RpcError::Malformed`] when the frame is too short.
pub fn skip_response_head(api: ApiKey, version: i16, frame: &mut Bytes) -> Result<(), RpcError> {
    if api.response_header_version(version) >= FLEXIBLE_RESPONSE_HEADER {
        skip_tags(frame).ok_or_else(|| cut_off_response(version))?;
    }
    Ok(())
}

fn cut_off_response(version: i16) -> RpcError {
    RpcError::Malformed {
        what: "response header",
        version,
        reason: "it is cut off".to_owned(),
    }
}
