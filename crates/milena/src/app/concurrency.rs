//! How many records of a partition are worked on at once, and in what order.

/// How a topic's records are handled side by side. Partitions always are; this is about
/// the records of one partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Concurrency {
    /// One after the other, in the partition's order. A record that is tried again holds
    /// up its partition, and no other.
    #[default]
    Partition,
    /// Up to so many at once, those of one key one after the other. Records without a key
    /// keep no order. 0 counts as 1.
    PerKey(usize),
    /// Up to so many at once, in no order. 0 counts as 1.
    Unordered(usize),
}
