//! One pass over a partition's log: look, decide, write what is left, put it in place.
//!
//! The log is locked only to look and to put in place; what does not grow any more can be read without.

use std::collections::HashSet;

use milena_wire::batch::BatchError;

use super::part::Part;
use super::{Outcome, PartSize, Rules, Survey, compact, due};
use crate::config::topic::TopicConfig;
use crate::log::partition::PartitionLog;
use crate::log::{FlushDepth, LogError};

impl PartitionLog {
    /// Compacts what is due; says whether anything was. Blocks for the disk.
    pub(crate) fn compact(&self, config: &TopicConfig, now_ms: i64) -> Result<bool, LogError> {
        let (parts, progress) = {
            let state = self.lock();
            (state.store.sealed(), state.store.progress())
        };
        let sizes: Vec<PartSize> = parts.iter().map(|part| part.size).collect();
        let Some(count) = due(&sizes, progress.clean_until(), config, now_ms) else {
            return Ok(false);
        };
        // Recovery takes what is before the last checkpoint on trust, so that must lie behind.
        self.flush(FlushDepth::Checkpoint)?;
        let parts = parts.get(..count).unwrap_or_default();
        let (survey, until) = look_at(parts, progress.clean_until())?;
        let rules = Rules {
            survey: &survey,
            tombstones_until: progress.tombstones_until(now_ms, config.delete_retention_ms),
        };
        let needed = self.last_batches();
        for part in parts {
            let cleaned = clean(part, rules, &needed)?;
            self.lock().store.replace(part, cleaned)?;
        }
        self.lock().store.passed(until, now_ms)?;
        Ok(true)
    }

    /// The base offsets of the last batches of producers.
    fn last_batches(&self) -> HashSet<i64> {
        let state = self.lock();
        let producers = state.producers.iter();
        let last = producers.filter_map(|(_, producer)| producer.batches.back());
        last.map(|batch| batch.base_offset).collect()
    }
}

/// The last offsets of keys in what is new, and up to where that was looked at.
fn look_at(parts: &[Part], clean_until: i64) -> Result<(Survey, i64), LogError> {
    let mut survey = Survey::default();
    let mut until = clean_until;
    let new = parts
        .iter()
        .filter(|part| part.size.end_offset > clean_until);
    for part in new {
        let mut has_room = true;
        part.visit(|batch| {
            if batch.header.last_offset() >= clean_until {
                has_room = survey.note(&batch).map_err(|error| damaged(part, &error))?;
                until = until.max(batch.header.next_offset());
            }
            Ok(has_room)
        })?;
        if !has_room {
            return Ok((survey, until));
        }
        until = until.max(part.size.end_offset);
    }
    Ok((survey, until))
}

fn clean(
    part: &Part,
    rules: Rules<'_>,
    needed: &HashSet<i64>,
) -> Result<super::part::Cleaned, LogError> {
    let mut writer = part.writer()?;
    part.visit(|batch| {
        let keeps_header = needed.contains(&batch.header.base_offset);
        let outcome = compact(batch, rules, keeps_header).map_err(|error| damaged(part, &error))?;
        match outcome {
            Outcome::Same(batch) | Outcome::Changed(batch) => writer.push(batch)?,
            Outcome::Gone => {}
        }
        Ok(true)
    })?;
    writer.finish()
}

fn damaged(part: &Part, error: &BatchError) -> LogError {
    LogError::Damaged {
        offset: part.base_offset,
        reason: error.to_string(),
    }
}

#[cfg(test)]
mod tests;
