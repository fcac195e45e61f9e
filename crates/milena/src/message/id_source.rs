//! Where a message's id is, when it is not in our header.

use std::borrow::Cow;

use serde_json::Value;

use super::Message;

/// A place where a message may have its id; see [`Message::id_from`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum IdSource {
    /// A header: its last value, if that is text.
    Header(Cow<'static, str>),
    /// The key, if it is text.
    Key,
    /// A field of the value, which is JSON: `id`, or `order.id` within an object. Texts and
    /// numbers are ids.
    Field(Cow<'static, str>),
}

impl IdSource {
    /// A header of this name.
    #[must_use]
    pub fn header(name: impl Into<Cow<'static, str>>) -> IdSource {
        IdSource::Header(name.into())
    }

    /// A field of the JSON value; dots lead into objects.
    #[must_use]
    pub fn field(path: impl Into<Cow<'static, str>>) -> IdSource {
        IdSource::Field(path.into())
    }

    fn read(&self, message: &Message) -> Option<String> {
        let id = match self {
            IdSource::Header(name) => message.headers().text(name)?.to_owned(),
            IdSource::Key => std::str::from_utf8(message.key()?).ok()?.to_owned(),
            IdSource::Field(path) => field(message.value()?, path)?,
        };
        (!id.is_empty()).then_some(id)
    }
}

impl Message {
    /// The message's id from the first of these places that has one. An empty text is none.
    ///
    /// ```
    /// use milena::{IdSource, MESSAGE_ID_HEADER, Message};
    ///
    /// let message = Message::new("orders").with_value(r#"{"order":{"id":7}}"#);
    /// let sources = [IdSource::header(MESSAGE_ID_HEADER), IdSource::field("order.id"), IdSource::Key];
    /// assert_eq!(message.id_from(&sources).as_deref(), Some("7"));
    /// ```
    #[must_use]
    pub fn id_from(&self, sources: &[IdSource]) -> Option<String> {
        sources.iter().find_map(|source| source.read(self))
    }
}

fn field(value: &[u8], path: &str) -> Option<String> {
    let json: Value = serde_json::from_slice(value).ok()?;
    let mut found = &json;
    for name in path.split('.') {
        found = found.get(name)?;
    }
    match found {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
