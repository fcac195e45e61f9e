//! From what was written down back to groups.
//!
//! Owns what each record means; the groups are what all of them in order make.

use std::sync::Arc;

use tokio::time::Instant;

use super::{Entry, Inner, Kind, Settings, settings};
use crate::clock;
use crate::config::BrokerConfig;
use crate::coordinator::consumer_group::ConsumerGroup;
use crate::coordinator::group::Group;
use crate::storage::GroupRecord;

/// The same groups in as few records as possible, for compacting the journal.
pub(crate) fn condense(config: &BrokerConfig, records: &[GroupRecord]) -> Vec<GroupRecord> {
    let settings = settings(config);
    let mut inner = Inner::default();
    for record in records {
        inner.replay(&settings, record.clone(), clock::now());
    }
    let mut condensed = Vec::new();
    for (group, entry) in inner.groups {
        condensed.push(entry.kind.record(&group));
        let rows = entry.offsets.iter();
        let rows =
            rows.map(|(topic, partition, offset)| (topic.clone(), partition, offset.clone()));
        condensed.push(GroupRecord::Offsets {
            group: group.clone(),
            rows: rows.collect(),
        });
        for (producer_id, rows) in entry.pending.into_transactions() {
            condensed.push(GroupRecord::Pending {
                group: group.clone(),
                producer_id,
                rows,
            });
        }
    }
    condensed
}

impl Inner {
    pub(super) fn replay(&mut self, settings: &Settings, record: GroupRecord, now: Instant) {
        match record {
            GroupRecord::Offsets { group, rows } => {
                let entry = self.entry(group, settings);
                for (topic, partition, offset) in rows {
                    entry.offsets.commit(&topic, partition, offset);
                }
            }
            GroupRecord::Members { group, snapshot } => {
                let restored = Group::restore(settings.classic, snapshot, now);
                self.entry(group, settings).kind = Kind::Classic(restored);
            }
            GroupRecord::ConsumerMembers { group, snapshot } => {
                let restored = ConsumerGroup::restore(settings.consumer.clone(), snapshot, now);
                self.entry(group, settings).kind = Kind::Consumer(restored);
            }
            GroupRecord::Removed { group } => self.remove(&group),
            GroupRecord::TopicForgotten { topic } => {
                for entry in self.groups.values_mut() {
                    entry.offsets.forget_topic(&topic);
                    entry.pending.forget_topic(&topic);
                }
            }
            GroupRecord::OffsetsDeleted { group, rows } => {
                let entry = self.entry(group, settings);
                for (topic, partition) in rows {
                    entry.offsets.delete(&topic, partition);
                }
            }
            GroupRecord::OffsetsExpired { group, oldest_ms } => {
                self.entry(group, settings).offsets.expire(oldest_ms);
            }
            GroupRecord::Pending {
                group,
                producer_id,
                rows,
            } => self.entry(group, settings).pending.add(producer_id, rows),
            GroupRecord::Settled {
                group,
                producer_id,
                is_committed,
            } => self
                .entry(group, settings)
                .settle(producer_id, is_committed),
        }
    }

    fn entry(&mut self, group: Arc<str>, settings: &Settings) -> &mut Entry {
        self.groups
            .entry(group)
            .or_insert_with(|| Entry::new(Kind::Classic(Group::new(settings.classic))))
    }
}

#[cfg(test)]
mod tests;
