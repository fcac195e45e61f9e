//! Where a message's id is: in a header, in the key, or in a field of the value.

use std::borrow::Cow;

use crate::message::Message;

/// Finds a message's id.
///
/// ```
/// use milena::{Message, MessageIdFrom};
///
/// let message = Message::new("orders").with_key("k-1").with_value(r#"{"order":{"id":17}}"#);
/// assert_eq!(MessageIdFrom::Key.find(&message).as_deref(), Some("k-1"));
/// let field = MessageIdFrom::json_field("order.id");
/// assert_eq!(field.find(&message).as_deref(), Some("17"));
/// assert_eq!(MessageIdFrom::header("request-id").find(&message), None);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum MessageIdFrom {
    /// The header of this name, the last of several.
    Header(Cow<'static, str>),
    /// The key.
    Key,
    /// A field of the value, which is JSON; names of nested fields are joined with dots.
    JsonField(Cow<'static, str>),
}

impl MessageIdFrom {
    /// The header of this name.
    #[must_use]
    pub fn header(name: impl Into<Cow<'static, str>>) -> MessageIdFrom {
        MessageIdFrom::Header(name.into())
    }

    /// A field of the value, as `id` or `order.id`.
    #[must_use]
    pub fn json_field(path: impl Into<Cow<'static, str>>) -> MessageIdFrom {
        MessageIdFrom::JsonField(path.into())
    }

    /// The id, if there is one and it is a text (in JSON also a number or a boolean).
    #[must_use]
    pub fn find(&self, message: &Message) -> Option<String> {
        match self {
            MessageIdFrom::Header(name) => message.headers().text(name).map(str::to_owned),
            MessageIdFrom::Key => {
                let key = std::str::from_utf8(message.key()?).ok()?;
                Some(key.to_owned())
            }
            MessageIdFrom::JsonField(path) => json_field(message.value()?, path),
        }
    }
}

fn json_field(value: &[u8], path: &str) -> Option<String> {
    let document: serde_json::Value = serde_json::from_slice(value).ok()?;
    let field = path
        .split('.')
        .try_fold(&document, |value, name| value.get(name))?;
    match field {
        serde_json::Value::String(text) => Some(text.clone()),
        serde_json::Value::Number(number) => Some(number.to_string()),
        serde_json::Value::Bool(flag) => Some(flag.to_string()),
        _ => None,
    }
}
