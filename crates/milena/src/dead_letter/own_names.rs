//! Topics as who asks names them: without the configured prefix.
//!
//! Everything between asking and answering names topics as the cluster does, letters and the audit
//! topic above all; here answers and errors are given the program's names.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::admin::DeadLetterAdmin;
use super::error::DeadLetterError;
use super::filter::Filter;
use super::letter::DeadLetter;

impl DeadLetterAdmin {
    /// As the cluster names the topic.
    pub(super) fn name(&self, topic: &str) -> String {
        self.prefix.put_on(topic).into_owned()
    }

    /// A filter as it is compared with letters that were read.
    pub(super) fn named_filter(&self, filter: &Filter) -> Filter {
        Filter {
            origin_topic: filter.origin_topic.as_ref().map(|topic| self.name(topic)),
            ..filter.clone()
        }
    }

    pub(super) fn own_letter(&self, mut letter: DeadLetter) -> DeadLetter {
        // Letters come by the thousand, and most programs have no prefix: their names stay.
        if !self.prefix.is_empty() {
            letter.topic = Arc::from(self.prefix.shown(&letter.topic));
            let origin = letter.origin.topic.take();
            letter.origin.topic = origin.map(|topic| self.own_name(topic));
        }
        letter
    }

    /// Topics and how many letters went to each.
    pub(super) fn own_counts(&self, counts: BTreeMap<String, u64>) -> BTreeMap<String, u64> {
        let mut own = BTreeMap::new();
        for (topic, count) in counts {
            *own.entry(self.own_name(topic)).or_default() += count;
        }
        own
    }

    pub(super) fn own_error(&self, mut error: DeadLetterError) -> DeadLetterError {
        if let Some(topic) = error.topic_mut() {
            *topic = self.own_name(std::mem::take(topic));
        }
        error
    }

    fn own_name(&self, topic: String) -> String {
        match self.prefix.take_off(&topic) {
            Some(own) => own.to_owned(),
            None => topic,
        }
    }
}
