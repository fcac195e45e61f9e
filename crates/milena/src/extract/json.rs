//! `Json<T>`: the value, parsed.

use serde::de::DeserializeOwned;

use super::value::null_value;
use super::{FromMessage, OptionalFromMessage};
use crate::failure::HandlerError;
use crate::message::Message;

/// The value, parsed as JSON. What does not parse fails at stage `decode`, with the path
/// of the field that does not fit, and is not retried.
///
/// `Option<Json<T>>` is `None` for a null value (a tombstone), not for JSON's `null`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Json<T>(pub T);

impl<S, T: DeserializeOwned> FromMessage<S> for Json<T> {
    type Rejection = HandlerError;

    fn from_message(message: &Message, _state: &S) -> Result<Json<T>, HandlerError> {
        parse(message.value().ok_or_else(null_value)?).map(Json)
    }
}

impl<S, T: DeserializeOwned> OptionalFromMessage<S> for Json<T> {
    type Rejection = HandlerError;

    fn from_message_optional(
        message: &Message,
        _state: &S,
    ) -> Result<Option<Json<T>>, HandlerError> {
        message
            .value()
            .map(|value| parse(value).map(Json))
            .transpose()
    }
}

fn parse<T: DeserializeOwned>(value: &[u8]) -> Result<T, HandlerError> {
    let mut deserializer = serde_json::Deserializer::from_slice(value);
    // Twice: tracking the path costs time that the good ones need not pay.
    if let Ok(parsed) = T::deserialize(&mut deserializer)
        && deserializer.end().is_ok()
    {
        return Ok(parsed);
    }
    parse_with_path(value)
}

#[cold]
fn parse_with_path<T: DeserializeOwned>(value: &[u8]) -> Result<T, HandlerError> {
    let mut deserializer = serde_json::Deserializer::from_slice(value);
    let parsed = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        let path = error.path().to_string();
        let problem = error.into_inner();
        // A document that ends too early has no path to its end.
        let path = path.trim_end_matches(".?");
        if path == "." || path == "?" {
            HandlerError::decode("json", problem)
        } else {
            HandlerError::decode("json", format_args!("{path}: {problem}"))
        }
    })?;
    deserializer
        .end()
        .map_err(|error| HandlerError::decode("json", error))?;
    Ok(parsed)
}
