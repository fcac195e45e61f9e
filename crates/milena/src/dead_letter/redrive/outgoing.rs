//! The record that a letter is sent back as.
//!
//! Key, value, timestamp and own headers as they were; the headers about the failure are left out,
//! those that a second dead letter continues and the marks of the redrive are added.

use crate::dead_letter::letter::DeadLetter;
use crate::dead_letter::names;

/// Which redrive sends the record.
#[derive(Debug, Clone)]
pub(super) struct Mark {
    pub(super) id: String,
    pub(super) by: String,
    pub(super) keep_diagnostics: bool,
}

/// The headers of the record.
pub(super) fn headers(letter: &DeadLetter, mark: &Mark) -> Vec<(String, Option<Vec<u8>>)> {
    let replaced = [names::REDRIVE_COUNT, names::REDRIVE_ID, names::REDRIVE_BY];
    let continued = [names::FAILED_FIRST, names::HISTORY];
    let mut headers: Vec<(String, Option<Vec<u8>>)> = letter
        .headers
        .iter()
        .filter(|(name, _)| {
            let is_own = !letter.dialect.is_diagnostic(name);
            !replaced.contains(name)
                && (is_own || mark.keep_diagnostics || continued.contains(name))
        })
        .map(|(name, value)| (name.to_owned(), value.map(<[u8]>::to_vec)))
        .collect();
    let mut add = |name: &str, value: String| {
        headers.push((name.to_owned(), Some(value.into_bytes())));
    };
    if letter.message_id.is_none()
        && let (Some(topic), Some(partition), Some(offset)) = (
            &letter.origin.topic,
            letter.origin.partition,
            letter.origin.offset,
        )
    {
        // As our own dead letters have it: where the record was first names it for good.
        add(names::MESSAGE_ID, format!("{topic}/{partition}/{offset}"));
    }
    add(
        names::REDRIVE_COUNT,
        letter.redrive.count.saturating_add(1).to_string(),
    );
    add(names::REDRIVE_ID, mark.id.clone());
    add(names::REDRIVE_BY, mark.by.clone());
    headers
}

/// The partition the record was in, if it goes back to its topic and that still has it; otherwise
/// the key decides.
pub(super) fn partition(letter: &DeadLetter, topic: &str, partitions: usize) -> Option<i32> {
    let partition = letter.origin.partition?;
    let is_there = usize::try_from(partition).is_ok_and(|partition| partition < partitions);
    (letter.origin.topic.as_deref() == Some(topic) && is_there).then_some(partition)
}

#[cfg(test)]
mod tests;
