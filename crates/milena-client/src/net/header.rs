//! Request and response headers: the few bytes between a frame's length and its body.

use bytes::{Buf, BufMut, Bytes, BytesMut};

use crate::wire::ApiKey;

/// Bytes of a request header besides the client id: length, api key, version, correlation id, length
/// of the client id, count of tagged fields.
const FIXED_BYTES: usize = 4 + 2 + 2 + 4 + 2 + 1;

/// What a request header says.
#[derive(Debug, Clone, Copy)]
pub(super) struct RequestHeader<'a> {
    pub(super) api: ApiKey,
    pub(super) version: i16,
    pub(super) correlation_id: i32,
    pub(super) client_id: &'a str,
}

impl RequestHeader<'_> {
    /// The frame's length prefix and the header, for a body of `body_bytes`. `None` if the frame
    /// would be too long for its length field.
    pub(super) fn encode(&self, body_bytes: usize) -> Option<Bytes> {
        let is_flexible = self.api.request_header_version(self.version) >= 2;
        let mut buffer = BytesMut::with_capacity(FIXED_BYTES + self.client_id.len());
        let client_id_bytes = i16::try_from(self.client_id.len()).ok()?;
        let header_bytes = FIXED_BYTES - 4 - usize::from(!is_flexible) + self.client_id.len();
        buffer.put_i32(i32::try_from(header_bytes.checked_add(body_bytes)?).ok()?);
        buffer.put_i16(self.api as i16);
        buffer.put_i16(self.version);
        buffer.put_i32(self.correlation_id);
        buffer.put_i16(client_id_bytes);
        buffer.put_slice(self.client_id.as_bytes());
        if is_flexible {
            buffer.put_u8(0);
        }
        Some(buffer.freeze())
    }
}

/// The shape of a response header, known from its request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ResponseHeader {
    /// The correlation id alone.
    Plain,
    /// The correlation id and tagged fields.
    Flexible,
}

impl ResponseHeader {
    /// The shape for responses to `api` in `version`.
    pub(super) fn of(api: ApiKey, version: i16) -> Self {
        if api.response_header_version(version) >= 1 {
            Self::Flexible
        } else {
            Self::Plain
        }
    }

    /// Skips what follows the correlation id. `None` if it ends before that.
    pub(super) fn skip_rest(self, body: &mut Bytes) -> Option<()> {
        if self == Self::Plain {
            return Some(());
        }
        for _ in 0..read_unsigned_varint(body)? {
            read_unsigned_varint(body)?;
            let field_bytes = read_unsigned_varint(body)? as usize;
            if field_bytes > body.len() {
                return None;
            }
            body.advance(field_bytes);
        }
        Some(())
    }
}

/// The correlation id that a response starts with.
pub(super) fn read_correlation_id(frame: &mut Bytes) -> Option<i32> {
    frame.try_get_i32().ok()
}

fn read_unsigned_varint(buffer: &mut Bytes) -> Option<u32> {
    let mut value = 0u32;
    for shift in (0..35).step_by(7) {
        let byte = buffer.try_get_u8().ok()?;
        value |= u32::from(byte & 0x7f).checked_shl(shift)?;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests;
