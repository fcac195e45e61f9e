//! `Bytes`: the value as it is.

use bytes::Bytes;

use super::{FromMessage, OptionalFromMessage};
use crate::failure::HandlerError;
use crate::message::Message;

/// The value's bytes, not copied. A null value is a failure; ask for `Option<Bytes>` where
/// tombstones occur.
impl<S> FromMessage<S> for Bytes {
    type Rejection = HandlerError;

    fn from_message(message: &Message, _state: &S) -> Result<Bytes, HandlerError> {
        message.value_bytes().ok_or_else(null_value)
    }
}

impl<S> OptionalFromMessage<S> for Bytes {
    type Rejection = HandlerError;

    fn from_message_optional(message: &Message, _state: &S) -> Result<Option<Bytes>, HandlerError> {
        Ok(message.value_bytes())
    }
}

pub(super) fn null_value() -> HandlerError {
    HandlerError::decode("null-value", "the value is null; `Option` accepts that")
}
