//! Deleting dead letters for good.
//!
//! Kafka deletes from the front of a partition only: letters go up to the first that is to stay.

use std::collections::BTreeMap;

use milena_client::TopicPartition;
use milena_client::admin::DeleteBefore;
use uuid::Uuid;

use super::admin::{DeadLetterAdmin, partitions, write_alone};
use super::error::DeadLetterError;
use super::ledger::{AuditEntry, AuditEvent, Marks};
use super::letter::DeadLetter;
use super::scan::Scan;

/// Up to where letters are deleted, from the front of each partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum PurgeBefore {
    /// The first at this offset or behind it stays.
    Offset(i64),
    /// The first that failed at this time or later stays, in milliseconds since the Unix epoch;
    /// see [`DeadLetter::failed_at`].
    Time(i64),
    /// The first that was not redriven stays.
    Open,
    /// None stays that is there now.
    End,
}

/// What a purge deletes of one partition.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PurgedPartition {
    /// The partition of the dead letter topic.
    pub partition: i32,
    /// Letters before this offset are deleted.
    pub before: i64,
    /// How many letters these are.
    pub letters: u64,
    /// How many of them were not redriven.
    pub open: u64,
}

impl DeadLetterAdmin {
    /// What [`purge`](Self::purge) would delete of these partitions, of all if there are none;
    /// changes nothing. Partitions of which nothing would be deleted are left out.
    ///
    /// # Errors
    /// As [`browse`](Self::browse).
    pub async fn plan_purge(
        &self,
        topic: &str,
        wanted: &[i32],
        before: PurgeBefore,
    ) -> Result<Vec<PurgedPartition>, DeadLetterError> {
        let planned = self.plan_purge_of(&self.name(topic), wanted, before).await;
        planned.map_err(|error| self.own_error(error))
    }

    async fn plan_purge_of(
        &self,
        topic: &str,
        wanted: &[i32],
        before: PurgeBefore,
    ) -> Result<Vec<PurgedPartition>, DeadLetterError> {
        let description = self.describe(topic).await?;
        let wanted = partitions(&description, wanted)?;
        let marks = self.marks(&description).await?;
        let mut scan = Scan::begin(&self.client, &wanted).await?;
        let mut plan = Plan {
            before,
            marks,
            partitions: BTreeMap::new(),
        };
        while let Some(messages) = scan.next().await? {
            for message in messages {
                plan.add(&DeadLetter::read(&message));
            }
        }
        scan.close().await;
        Ok(plan.finish())
    }

    /// Deletes letters as planned, for good, and says so in the audit topic first. A redrive of the
    /// topic that is under way ends.
    ///
    /// # Errors
    /// Whatever the cluster refuses.
    pub async fn purge(
        &self,
        topic: &str,
        plan: &[PurgedPartition],
        by: &str,
    ) -> Result<(), DeadLetterError> {
        let purged = self.purge_named(&self.name(topic), plan, by).await;
        purged.map_err(|error| self.own_error(error))
    }

    async fn purge_named(
        &self,
        topic: &str,
        plan: &[PurgedPartition],
        by: &str,
    ) -> Result<(), DeadLetterError> {
        let description = self.describe(topic).await?;
        let mut producer = self.take_over(&description).await?;
        let before = plan.iter().map(|one| (one.partition, one.before)).collect();
        let id = Uuid::new_v4().to_string();
        let entry = AuditEntry::new(&description, &id, by, AuditEvent::Purge { before });
        write_alone(&mut producer, &entry).await?;
        let asked: Vec<(TopicPartition, DeleteBefore)> = plan
            .iter()
            .map(|one| {
                let partition = TopicPartition::new(topic, one.partition);
                (partition, DeleteBefore::Offset(one.before))
            })
            .collect();
        for (_, deleted) in self.admin.delete_records(&asked).await {
            deleted?;
        }
        let closed = producer.close().await;
        closed.map_err(|error| DeadLetterError::of_transaction(topic, error))
    }
}

struct Plan {
    before: PurgeBefore,
    marks: Marks,
    /// And whether the first letter that stays was met.
    partitions: BTreeMap<i32, (PurgedPartition, bool)>,
}

impl Plan {
    fn add(&mut self, letter: &DeadLetter) {
        let is_redriven = self.marks.is_redriven(letter);
        let stays = match self.before {
            PurgeBefore::Offset(offset) => letter.offset >= offset,
            PurgeBefore::Time(time) => letter.failed_at() >= time,
            PurgeBefore::Open => !is_redriven,
            PurgeBefore::End => false,
        };
        let (purged, is_over) = self.partitions.entry(letter.partition).or_insert_with(|| {
            let nothing = PurgedPartition {
                partition: letter.partition,
                before: letter.offset,
                letters: 0,
                open: 0,
            };
            (nothing, false)
        });
        if *is_over || stays {
            *is_over = true;
            return;
        }
        purged.before = letter.offset + 1;
        purged.letters += 1;
        purged.open += u64::from(!is_redriven);
    }

    fn finish(self) -> Vec<PurgedPartition> {
        let purged = self.partitions.into_values().map(|(purged, _)| purged);
        purged.filter(|purged| purged.letters > 0).collect()
    }
}

#[cfg(test)]
mod tests;
