//! Taking committed offsets of a group back.

use std::sync::Arc;

use milena_wire::error_code::ErrorCode;

use super::Groups;
use crate::storage::GroupRecord;

impl Groups {
    /// Drops what was committed for these partitions; what was not is no mistake.
    pub(crate) fn delete_offsets(
        &self,
        group_id: &str,
        rows: Vec<(Arc<str>, i32)>,
    ) -> Result<(), ErrorCode> {
        let mut inner = self.lock();
        let entry = inner
            .groups
            .get_mut(group_id)
            .ok_or(ErrorCode::GroupIdNotFound)?;
        if rows.is_empty() {
            return Ok(());
        }
        let record = GroupRecord::OffsetsDeleted {
            group: Arc::from(group_id),
            rows,
        };
        self.persist(&record)?;
        if let GroupRecord::OffsetsDeleted { rows, .. } = record {
            for (topic, partition) in rows {
                entry.offsets.delete(&topic, partition);
            }
        }
        Ok(())
    }
}
