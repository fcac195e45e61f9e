//! Names of topics with the configured prefix and without it.

use std::borrow::Cow;

/// What stands before the names of a program's topics in the cluster; empty for those who name
/// topics as the cluster does.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct TopicPrefix(String);

impl TopicPrefix {
    pub(super) fn new(prefix: &str) -> TopicPrefix {
        TopicPrefix(prefix.to_owned())
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// As the cluster names the topic.
    pub(crate) fn put_on<'a>(&self, topic: &'a str) -> Cow<'a, str> {
        match self.as_str() {
            "" => Cow::Borrowed(topic),
            prefix => Cow::Owned(format!("{prefix}{topic}")),
        }
    }

    /// As the program names the topic; `None` for one that is not under the prefix.
    pub(crate) fn take_off<'a>(&self, topic: &'a str) -> Option<&'a str> {
        topic
            .strip_prefix(self.as_str())
            .filter(|own| !own.is_empty())
    }

    /// As [`TopicPrefix::take_off`]; a topic that is not under the prefix keeps its name.
    pub(crate) fn shown<'a>(&self, topic: &'a str) -> &'a str {
        self.take_off(topic).unwrap_or(topic)
    }
}

#[cfg(test)]
mod tests;
