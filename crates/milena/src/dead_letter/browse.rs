//! Looking at dead letters: one by one, or summed up by what they look like.

use std::collections::HashMap;
use std::ops::ControlFlow;

use super::admin::{DeadLetterAdmin, partitions};
use super::dialect::Dialect;
use super::error::DeadLetterError;
use super::filter::Filter;
use super::letter::{DeadLetter, Failure};
use super::limits::{GROUPS_MAX, MESSAGE_BYTES_MAX, cut};
use super::scan::Scan;

/// The letters of a topic, summed up.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Summary {
    /// The dead letter topic.
    pub topic: String,
    /// How many letters there are.
    pub letters: u64,
    /// How many of them were not redriven.
    pub open: u64,
    /// When the first of them failed, in milliseconds since the Unix epoch.
    pub first: Option<i64>,
    /// When the latest of them failed, in milliseconds since the Unix epoch.
    pub last: Option<i64>,
    /// Letters that look the same, the most numerous first.
    pub groups: Vec<Group>,
    /// Letters that are in no group, because there are too many groups to keep.
    pub ungrouped: u64,
}

/// Letters of one fingerprint.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Group {
    /// The fingerprint.
    pub fingerprint: String,
    /// How many letters there are.
    pub letters: u64,
    /// How many of them were not redriven.
    pub open: u64,
    /// When the first of them failed, in milliseconds since the Unix epoch.
    pub first: i64,
    /// When the latest of them failed, in milliseconds since the Unix epoch.
    pub last: i64,
    /// The latest of them, as an example.
    pub example: Example,
}

/// What a group's letters look like.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Example {
    /// The partition of the dead letter topic.
    pub partition: i32,
    /// The offset in that partition.
    pub offset: i64,
    /// Who wrote it.
    pub dialect: Dialect,
    /// The topic the record was consumed from.
    pub origin_topic: Option<String>,
    /// The handler that failed.
    pub handler: Option<String>,
    /// What went wrong, without the trace; the message is bounded.
    pub failure: Failure,
}

impl DeadLetterAdmin {
    /// Shows `each` letter that `filter` takes, in the order of their offsets within each
    /// partition, and whether it was redriven; until it says [`ControlFlow::Break`], or all that
    /// is there now was seen.
    ///
    /// # Errors
    /// [`DeadLetterError::NoTopic`], [`DeadLetterError::NoPartition`], or why the topic could not
    /// be read.
    pub async fn browse(
        &self,
        topic: &str,
        filter: &Filter,
        mut each: impl FnMut(DeadLetter, bool) -> ControlFlow<()>,
    ) -> Result<(), DeadLetterError> {
        let topic = self.name(topic);
        let filter = self.named_filter(filter);
        let own = |letter, is_redriven| each(self.own_letter(letter), is_redriven);
        let browsed = self.browse_named(&topic, &filter, own).await;
        browsed.map_err(|error| self.own_error(error))
    }

    async fn browse_named(
        &self,
        topic: &str,
        filter: &Filter,
        mut each: impl FnMut(DeadLetter, bool) -> ControlFlow<()>,
    ) -> Result<(), DeadLetterError> {
        let description = self.describe(topic).await?;
        let wanted = partitions(&description, &filter.partitions)?;
        let marks = self.marks(&description).await?;
        let mut scan = Scan::begin(&self.client, &wanted).await?;
        'scan: while let Some(messages) = scan.next().await? {
            for message in messages {
                let letter = DeadLetter::read(&message);
                if !filter.matches(&letter) {
                    continue;
                }
                let is_redriven = marks.is_redriven(&letter);
                if each(letter, is_redriven).is_break() {
                    break 'scan;
                }
            }
        }
        scan.close().await;
        Ok(())
    }

    /// Sums up the letters that `filter` takes.
    ///
    /// # Errors
    /// As [`browse`](Self::browse).
    pub async fn summary(&self, topic: &str, filter: &Filter) -> Result<Summary, DeadLetterError> {
        let mut counting = Counting::default();
        self.browse(topic, filter, |letter, is_redriven| {
            counting.add(&letter, is_redriven);
            ControlFlow::Continue(())
        })
        .await?;
        Ok(counting.finish(topic))
    }

    /// The letter at this place, and whether it was redriven; `None` when there is none.
    ///
    /// # Errors
    /// As [`browse`](Self::browse).
    pub async fn find(
        &self,
        topic: &str,
        partition: i32,
        offset: i64,
    ) -> Result<Option<(DeadLetter, bool)>, DeadLetterError> {
        let found = self.find_named(&self.name(topic), partition, offset).await;
        match found.map_err(|error| self.own_error(error))? {
            None => Ok(None),
            Some((letter, is_redriven)) => Ok(Some((self.own_letter(letter), is_redriven))),
        }
    }

    async fn find_named(
        &self,
        topic: &str,
        partition: i32,
        offset: i64,
    ) -> Result<Option<(DeadLetter, bool)>, DeadLetterError> {
        let description = self.describe(topic).await?;
        let wanted = partitions(&description, &[partition])?;
        let marks = self.marks(&description).await?;
        let mut scan = Scan::begin_at(offset, &self.client, &wanted).await?;
        let first = scan.next().await?.unwrap_or_default().into_iter().next();
        scan.close().await;
        Ok(first
            .filter(|message| message.offset() == offset)
            .map(|message| {
                let letter = DeadLetter::read(&message);
                let is_redriven = marks.is_redriven(&letter);
                (letter, is_redriven)
            }))
    }
}

#[derive(Default)]
struct Counting {
    summary: Summary,
    groups: HashMap<String, Group>,
}

impl Counting {
    fn add(&mut self, letter: &DeadLetter, is_redriven: bool) {
        let failed_at = letter.failed_at();
        let open = u64::from(!is_redriven);
        let summary = &mut self.summary;
        summary.letters += 1;
        summary.open += open;
        summary.first = Some(
            summary
                .first
                .map_or(failed_at, |first| first.min(failed_at)),
        );
        summary.last = summary.last.max(Some(failed_at));
        if let Some(group) = self.groups.get_mut(&letter.fingerprint) {
            group.letters += 1;
            group.open += open;
            group.first = group.first.min(failed_at);
            if failed_at >= group.last {
                group.last = failed_at;
                group.example = example(letter);
            }
        } else if self.groups.len() < GROUPS_MAX {
            let group = Group {
                fingerprint: letter.fingerprint.clone(),
                letters: 1,
                open,
                first: failed_at,
                last: failed_at,
                example: example(letter),
            };
            self.groups.insert(letter.fingerprint.clone(), group);
        } else {
            summary.ungrouped += 1;
        }
    }

    fn finish(self, topic: &str) -> Summary {
        let mut groups: Vec<Group> = self.groups.into_values().collect();
        groups.sort_by(|left, right| {
            let by_size = right.letters.cmp(&left.letters);
            by_size.then_with(|| left.fingerprint.cmp(&right.fingerprint))
        });
        Summary {
            topic: topic.to_owned(),
            groups,
            ..self.summary
        }
    }
}

fn example(letter: &DeadLetter) -> Example {
    let message = letter.failure.message.as_deref();
    let failure = Failure {
        // Other tools write messages as large as a record; there may be many groups.
        message: message.map(|message| cut(message, MESSAGE_BYTES_MAX).to_owned()),
        trace: None,
        ..letter.failure.clone()
    };
    Example {
        partition: letter.partition,
        offset: letter.offset,
        dialect: letter.dialect,
        origin_topic: letter.origin.topic.clone(),
        handler: letter.handler.clone(),
        failure,
    }
}

#[cfg(test)]
mod tests;
