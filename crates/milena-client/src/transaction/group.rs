//! Who a consumer is in its group, for offsets that a transaction brings (KIP-447).

use std::sync::Arc;

/// A consumer's place in its group at one time.
///
/// The coordinator refuses the offsets of a transaction when the group has moved on since:
/// then another member works on the same records, and the transaction has to be aborted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsumerGroupMetadata {
    group_id: Arc<str>,
    generation: i32,
    member_id: Arc<str>,
    group_instance_id: Option<Arc<str>>,
}

impl ConsumerGroupMetadata {
    /// Nobody in particular in this group, for offsets of partitions assigned by hand: nothing
    /// keeps two such producers from working on the same records.
    #[must_use]
    pub fn without_member(group_id: impl Into<Arc<str>>) -> Self {
        Self {
            group_id: group_id.into(),
            generation: -1,
            member_id: "".into(),
            group_instance_id: None,
        }
    }

    pub(crate) fn of_member(
        group_id: impl Into<Arc<str>>,
        generation: i32,
        member_id: &str,
        group_instance_id: Option<&str>,
    ) -> Self {
        Self {
            group_id: group_id.into(),
            generation,
            member_id: member_id.into(),
            group_instance_id: group_instance_id.map(Arc::from),
        }
    }

    /// The group's id.
    #[must_use]
    pub fn group_id(&self) -> &str {
        &self.group_id
    }

    /// The generation or, in a group of KIP-848, the member epoch; -1 for nobody in particular.
    #[must_use]
    pub fn generation(&self) -> i32 {
        self.generation
    }

    /// The member's id; empty for nobody in particular.
    #[must_use]
    pub fn member_id(&self) -> &str {
        &self.member_id
    }

    /// The id of a static member (KIP-345).
    #[must_use]
    pub fn group_instance_id(&self) -> Option<&str> {
        self.group_instance_id.as_deref()
    }
}
