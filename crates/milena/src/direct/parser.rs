//! Messages as values of a type.

use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;

use serde::de::DeserializeOwned;

use crate::failure::{FailureStage, HandlerError};
use crate::message::Message;

/// Reads the values of messages as JSON of a `T`, and checks them.
///
/// ```
/// use milena::{Message, MessageParser};
///
/// #[derive(Debug, serde::Deserialize)]
/// struct Payload { id: String, amount: i64 }
///
/// let parser = MessageParser::<Payload>::new().validate(|payload| {
///     if payload.amount < 0 { Err(("amount", "is negative".to_owned())) } else { Ok(()) }
/// });
/// let message = Message::new("payments").with_value(r#"{"id":"a","amount":5}"#);
/// let parsed = parser.parse(&message)?;
/// assert_eq!(parsed.payload.id, "a");
/// assert_eq!(parsed.topic(), &"payments".into());
///
/// let error = parser.parse(&message.clone().with_value(r#"{"id":"a","amount":"x"}"#)).unwrap_err();
/// assert_eq!(error.path.as_deref(), Some("amount"));
/// # Ok::<(), milena::ParseError>(())
/// ```
#[derive(Clone, Copy)]
#[must_use = "a parser does nothing until it parses"]
pub struct MessageParser<T> {
    validate: Option<Validate<T>>,
    payload: PhantomData<fn() -> T>,
}

/// The path of the field that is wrong, and what is wrong with it.
type Validate<T> = fn(&T) -> Result<(), (&'static str, String)>;

/// A message with its value as a `T`; what the [`Message`] says, it says too.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ParsedMessage<T> {
    /// The message as it came.
    pub message: Message,
    /// Its value.
    pub payload: T,
}

/// Why a message's value is not what it should be. Turns into a
/// [`HandlerError`] that is not retried.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ParseError {
    /// The field that is wrong, as `items[2].price`; `None` when there is no one field to
    /// blame.
    pub path: Option<String>,
    /// What is wrong.
    pub problem: String,
    /// Whether it could be read at all.
    pub kind: ParseErrorKind,
}

/// How far the reading of a value came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ParseErrorKind {
    /// The value is null.
    NullValue,
    /// It is not JSON, or not of this type.
    Unreadable,
    /// It could be read, and does not make sense.
    Invalid,
}

impl<T: DeserializeOwned> MessageParser<T> {
    /// A parser that takes what can be read.
    pub fn new() -> MessageParser<T> {
        MessageParser {
            validate: None,
            payload: PhantomData,
        }
    }

    /// Checks what was read: an error is the path of the field and what is wrong with it.
    pub fn validate(
        mut self,
        validate: fn(&T) -> Result<(), (&'static str, String)>,
    ) -> MessageParser<T> {
        self.validate = Some(validate);
        self
    }

    /// Reads the message's value.
    ///
    /// # Errors
    /// [`ParseError`] with the path of the field that is wrong. The message is untouched:
    /// it can go to a dead letter topic as it is.
    pub fn parse(&self, message: &Message) -> Result<ParsedMessage<T>, ParseError> {
        let Some(value) = message.value() else {
            return Err(ParseError {
                path: None,
                problem: "the value is null".to_owned(),
                kind: ParseErrorKind::NullValue,
            });
        };
        let payload: T = read(value)?;
        if let Some(validate) = self.validate {
            validate(&payload).map_err(|(path, problem)| ParseError {
                path: Some(path.to_owned()),
                problem,
                kind: ParseErrorKind::Invalid,
            })?;
        }
        Ok(ParsedMessage {
            message: message.clone(),
            payload,
        })
    }
}

fn read<T: DeserializeOwned>(value: &[u8]) -> Result<T, ParseError> {
    let unreadable = |path: Option<String>, problem: serde_json::Error| ParseError {
        path,
        problem: problem.to_string(),
        kind: ParseErrorKind::Unreadable,
    };
    let mut deserializer = serde_json::Deserializer::from_slice(value);
    let payload = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        let path = error.path().to_string();
        // A document that ends too early has no path to its end.
        let path = path.trim_end_matches(".?");
        let path = (path != "." && path != "?").then(|| path.to_owned());
        unreadable(path, error.into_inner())
    })?;
    let ended = deserializer.end();
    ended.map_err(|problem| unreadable(None, problem))?;
    Ok(payload)
}

impl<T: DeserializeOwned> Default for MessageParser<T> {
    fn default() -> MessageParser<T> {
        MessageParser::new()
    }
}

impl<T> fmt::Debug for MessageParser<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let payload = std::any::type_name::<T>();
        write!(formatter, "MessageParser<{payload}>")
    }
}

impl<T> Deref for ParsedMessage<T> {
    type Target = Message;

    fn deref(&self) -> &Message {
        &self.message
    }
}

impl fmt::Display for ParseError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.path {
            Some(path) => write!(formatter, "{path}: {}", self.problem),
            None => formatter.write_str(&self.problem),
        }
    }
}

impl std::error::Error for ParseError {}

impl ParseError {
    pub(crate) fn as_handler_error(&self) -> HandlerError {
        match self.kind {
            ParseErrorKind::NullValue => HandlerError::decode("null-value", self),
            ParseErrorKind::Unreadable => HandlerError::decode("json", self),
            ParseErrorKind::Invalid => {
                let invalid = HandlerError::non_retriable(self).with_code("invalid");
                invalid.at_stage(FailureStage::Validate)
            }
        }
    }
}

#[cfg(test)]
mod tests;
