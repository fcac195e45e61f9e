//! Producer ids, epochs and sequence numbers (KIP-98, KIP-360).

/// What a broker knows an idempotent producer by, for one partition.
///
/// The id is the producer's; the epoch is the partition's own: without transactions a broker
/// compares epochs partition by partition, so a gap in one bumps only that one. With
/// transactions all partitions share both, as the coordinator gave them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ProducerIdentity {
    pub(crate) id: i64,
    pub(crate) epoch: i16,
}

impl ProducerIdentity {
    /// A producer without idempotence.
    pub(super) const NONE: ProducerIdentity = ProducerIdentity { id: -1, epoch: -1 };

    /// The same id with the next epoch; `None` when the epochs of this id are used up.
    pub(super) fn bumped(self) -> Option<ProducerIdentity> {
        let epoch = self.epoch.checked_add(1)?;
        Some(ProducerIdentity { id: self.id, epoch })
    }
}

/// A record sequence number: 0 to 2³¹−1, then 0 again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sequence(pub(super) i32);

impl Sequence {
    pub(super) const FIRST: Sequence = Sequence(0);

    /// The number after `count` records from this one.
    pub(super) fn advanced(self, count: u32) -> Sequence {
        let next = (i64::from(self.0) + i64::from(count)) & i64::from(i32::MAX);
        Sequence(next as i32)
    }
}

#[cfg(test)]
mod tests;
