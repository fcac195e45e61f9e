//! The consumer: batches and records in the order of their partitions.
