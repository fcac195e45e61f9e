//! Response headers: the few bytes between a frame's length and its body. What they look like is
//! known from the request.

use bytes::{Buf, Bytes};
use milena_wire::varint;

use crate::wire::ApiKey;

/// The first version of response headers that has tagged fields.
const FLEXIBLE_VERSION: i16 = 1;

/// The shape of a response header.
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
        if api.response_header_version(version) >= FLEXIBLE_VERSION {
            Self::Flexible
        } else {
            Self::Plain
        }
    }

    /// Skips what follows the correlation id. `None` if the frame ends before that.
    pub(super) fn skip_rest(self, frame: &mut Bytes) -> Option<()> {
        if self == Self::Plain {
            return Some(());
        }
        let mut rest: &[u8] = frame;
        for _ in 0..varint::read_u32(&mut rest).ok()? {
            varint::read_u32(&mut rest).ok()?;
            let field_bytes = varint::read_u32(&mut rest).ok()?;
            rest = rest.get(usize::try_from(field_bytes).ok()?..)?;
        }
        let skipped = frame.len() - rest.len();
        frame.advance(skipped);
        Some(())
    }
}

/// The correlation id that a response starts with.
pub(super) fn read_correlation_id(frame: &mut Bytes) -> Option<i32> {
    frame.try_get_i32().ok()
}

#[cfg(test)]
mod tests;
