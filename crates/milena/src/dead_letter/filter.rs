//! Which dead letters are meant.

use std::ops::RangeInclusive;

use serde::Serialize;

use super::letter::DeadLetter;

/// Which letters of a dead letter topic are meant: those that all that is set here applies to.
///
/// ```
/// use milena::dead_letter::Filter;
///
/// let mut filter = Filter::default();
/// filter.code = Some("json".to_owned());
/// filter.failed_since = Some(1_700_000_000_000);
/// assert!(!filter.is_empty());
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Filter {
    /// Partitions of the dead letter topic; none means all.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub partitions: Vec<i32>,
    /// Offsets in the dead letter topic.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub offsets: Option<RangeInclusive<i64>>,
    /// The topic the record was consumed from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub origin_topic: Option<String>,
    /// The partition the record was consumed from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub origin_partition: Option<i32>,
    /// Offsets the record was consumed from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub origin_offsets: Option<RangeInclusive<i64>>,
    /// Failed last at this time or later, in milliseconds since the Unix epoch; see
    /// [`DeadLetter::failed_at`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failed_since: Option<i64>,
    /// Failed last before this time, in milliseconds since the Unix epoch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failed_before: Option<i64>,
    /// The failure's stage.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stage: Option<String>,
    /// The failure's class.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub class: Option<String>,
    /// The failure's code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// The fingerprint, or how it begins.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fingerprint: Option<String>,
    /// The handler that failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub handler: Option<String>,
    /// The record's key, as text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// A text in the key, the value, the failure's message or the value of a header.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
}

impl Filter {
    /// Whether it takes every letter.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Filter::default()
    }

    /// Whether it takes this letter.
    #[must_use]
    pub fn matches(&self, letter: &DeadLetter) -> bool {
        self.takes_place(letter) && self.takes_failure(letter) && self.takes_record(letter)
    }

    fn takes_place(&self, letter: &DeadLetter) -> bool {
        let origin = &letter.origin;
        (self.partitions.is_empty() || self.partitions.contains(&letter.partition))
            && within(&self.offsets, Some(letter.offset))
            && is(&self.origin_topic, &origin.topic)
            && self
                .origin_partition
                .is_none_or(|wanted| origin.partition == Some(wanted))
            && within(&self.origin_offsets, origin.offset)
    }

    fn takes_failure(&self, letter: &DeadLetter) -> bool {
        let failed_at = letter.failed_at();
        self.failed_since.is_none_or(|since| failed_at >= since)
            && self.failed_before.is_none_or(|before| failed_at < before)
            && is(&self.stage, &letter.failure.stage)
            && is(&self.class, &letter.failure.class)
            && is(&self.code, &letter.failure.code)
            && is(&self.handler, &letter.handler)
            && self
                .fingerprint
                .as_ref()
                .is_none_or(|wanted| letter.fingerprint.starts_with(wanted.as_str()))
    }

    fn takes_record(&self, letter: &DeadLetter) -> bool {
        let is_key = |wanted: &String| letter.key.as_deref() == Some(wanted.as_bytes());
        self.key.as_ref().is_none_or(is_key)
            && self.text.as_ref().is_none_or(|text| is_in(letter, text))
    }
}

fn is(wanted: &Option<String>, found: &Option<String>) -> bool {
    wanted.is_none() || wanted == found
}

fn within(wanted: &Option<RangeInclusive<i64>>, found: Option<i64>) -> bool {
    let contains = |range: &RangeInclusive<i64>| found.is_some_and(|found| range.contains(&found));
    wanted.as_ref().is_none_or(contains)
}

fn is_in(letter: &DeadLetter, text: &str) -> bool {
    let headers = letter.headers.iter().filter_map(|(_, value)| value);
    let message = letter.failure.message.as_deref().map(str::as_bytes);
    headers
        .chain(letter.key.as_deref())
        .chain(letter.value.as_deref())
        .chain(message)
        .any(|bytes| contains(bytes, text.as_bytes()))
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    needle.is_empty()
        || haystack
            .windows(needle.len())
            .any(|window| window == needle)
}

#[cfg(test)]
mod tests;
