//! Offsets that a transaction brings: they count once it is committed.
//!
//! Owns when they are taken and what becomes of them. Knows no transaction's state: who
//! asks here has checked it.

use std::sync::Arc;

use milena_wire::error_code::ErrorCode;

use super::{Commits, Entry, Groups};
use crate::coordinator::group::Credentials;
use crate::coordinator::group::Group;
use crate::storage::GroupRecord;

impl Groups {
    /// Takes offsets of a producer's transaction. A member shows who it is, so that one
    /// that is out of the group cannot commit any more (KIP-447).
    pub(crate) fn commit_pending(
        &self,
        group_id: &str,
        credentials: Credentials<'_>,
        producer_id: i64,
        commits: Commits,
    ) -> Result<(), ErrorCode> {
        let is_nobody = credentials.generation < 0
            && credentials.member_id.is_empty()
            && credentials.instance_id.is_none();
        let mut inner = self.lock();
        if !inner.groups.contains_key(group_id) {
            if !is_nobody {
                return Err(ErrorCode::IllegalGeneration);
            }
            self.create(&mut inner, group_id, self.new_classic())?;
        }
        if !is_nobody {
            let of_classic = Group::check_transactional_commit;
            self.check_commit(&mut inner, group_id, credentials, of_classic)?;
        }
        let Some(entry) = inner.groups.get_mut(group_id) else {
            return Err(ErrorCode::UnknownMemberId);
        };
        let more = entry.pending.count() + commits.len();
        if !entry.offsets.has_room_for(more) {
            return Err(ErrorCode::InvalidCommitOffsetSize);
        }
        let record = GroupRecord::Pending {
            group: Arc::from(group_id),
            producer_id,
            rows: commits,
        };
        self.persist(&record)?;
        if let GroupRecord::Pending { rows, .. } = record {
            entry.pending.add(producer_id, rows);
        }
        Ok(())
    }

    /// A transaction is decided: its offsets count, or are dropped. Asked again, there
    /// is nothing left to do.
    pub(crate) fn settle(
        &self,
        group_id: &str,
        producer_id: i64,
        is_committed: bool,
    ) -> Result<(), ErrorCode> {
        let mut inner = self.lock();
        let Some(entry) = inner.groups.get_mut(group_id) else {
            return Ok(());
        };
        if !entry.pending.has(producer_id) {
            return Ok(());
        }
        self.persist(&GroupRecord::Settled {
            group: Arc::from(group_id),
            producer_id,
            is_committed,
        })?;
        entry.settle(producer_id, is_committed);
        Ok(())
    }

    /// Those of these partitions whose committed offset is about to change.
    pub(crate) fn is_pending(&self, group_id: &str, topic: &str, partition: i32) -> bool {
        let inner = self.lock();
        let entry = inner.groups.get(group_id);
        entry.is_some_and(|entry| entry.pending.contains(topic, partition))
    }
}

impl Entry {
    pub(super) fn settle(&mut self, producer_id: i64, is_committed: bool) {
        let rows = self.pending.take(producer_id);
        if is_committed {
            for (topic, partition, offset) in rows {
                self.offsets.commit(&topic, partition, offset);
            }
        }
    }
}
