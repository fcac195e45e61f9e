//! What members subscribe to: names and regular expressions.
//!
//! Owns the expressions and the view on the topics there are; must not know how
//! topics are kept.

use std::collections::BTreeMap;
use std::sync::Arc;

use regex::{Regex, RegexBuilder};
use uuid::Uuid;

use super::ConsumerGroup;

/// How large a compiled expression may get.
const PATTERN_BYTES_MAX: usize = 1024 * 1024;

/// A topic as far as assignments depend on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TopicShape {
    pub(crate) id: Uuid,
    pub(crate) partitions: i32,
}

/// The topics there are.
pub(crate) trait TopicView {
    /// Counts up with every topic that comes, goes or grows.
    fn version(&self) -> u64;
    fn shape(&self, name: &str) -> Option<TopicShape>;
    fn names(&self) -> Vec<Arc<str>>;
}

/// A regular expression that must match a whole topic name.
#[derive(Debug, Clone)]
pub(crate) struct Pattern {
    text: Arc<str>,
    regex: Regex,
}

impl Pattern {
    /// Compiles `text`; the error says what is wrong with it.
    pub(crate) fn new(text: &str) -> Result<Self, String> {
        let regex = RegexBuilder::new(&format!("^(?:{text})$"))
            .size_limit(PATTERN_BYTES_MAX)
            .build()
            .map_err(|error| error.to_string())?;
        Ok(Pattern {
            text: Arc::from(text),
            regex,
        })
    }

    pub(crate) fn text(&self) -> &Arc<str> {
        &self.text
    }

    pub(super) fn matches(&self, topic: &str) -> bool {
        self.regex.is_match(topic)
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Pattern {}

impl ConsumerGroup {
    /// Looks at the topics that members subscribe to. A change among them raises
    /// the group's epoch.
    pub(super) fn refresh_topics(&mut self, view: &dyn TopicView) {
        let mut topics = BTreeMap::new();
        for name in self.members.values().flat_map(|member| &member.names) {
            if let Some(shape) = view.shape(name) {
                topics.insert(name.clone(), shape);
            }
        }
        if self.members.values().any(|member| member.pattern.is_some()) {
            let is_wanted = |name: &Arc<str>| {
                let mut members = self.members.values();
                members.any(|member| member.subscribes_to(name))
            };
            for name in view.names().into_iter().filter(is_wanted) {
                if let Some(shape) = view.shape(&name) {
                    topics.insert(name, shape);
                }
            }
        }
        self.topics_version = Some(view.version());
        if topics != self.topics {
            self.topics = topics;
            self.raise_epoch();
        }
    }
}
