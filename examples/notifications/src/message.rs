//! What a message of the topic says, and what makes it the same when it comes again.

use milena::{Message, Problems, Validate};
use serde::Deserialize;
use serde_json::Value;

/// A notification, as the message's JSON has it. Numbers and objects are kept as JSON.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Notification {
    /// Whom it is for; required.
    #[serde(deserialize_with = "text")]
    pub user_id: String,
    /// What happened; required.
    #[serde(deserialize_with = "text")]
    pub event: String,
    /// What to tell them; required.
    #[serde(deserialize_with = "text")]
    pub content: String,
}

impl Validate for Notification {
    fn validate(&self, problems: &mut Problems) {
        for (field, text) in [
            ("user_id", &self.user_id),
            ("event", &self.event),
            ("content", &self.content),
        ] {
            problems.check(!text.is_empty(), field, "missing or empty");
        }
    }
}

/// A text as it is, nothing for null, everything else as JSON.
fn text<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    Ok(match Value::deserialize(deserializer)? {
        Value::Null => String::new(),
        Value::String(text) => text,
        other => other.to_string(),
    })
}

/// The message's id; for one without, where and when it was written. The time is part of it, as a
/// topic that is made anew begins at offset 0 again.
#[must_use]
pub fn identity(message: &Message) -> String {
    match message.id() {
        Some(id) if !id.is_empty() => id.to_owned(),
        _ => format!(
            "{}/{}/{}@{}",
            message.topic(),
            message.partition(),
            message.offset(),
            message.timestamp()
        ),
    }
}

#[cfg(test)]
mod tests;
