//! From an answer to ShareFetch to records.
//!
//! Owns which of the records that came were acquired, and which acquired offsets
//! have no record; must not know sessions or sockets.

use std::collections::BTreeSet;

use bytes::Bytes;
use milena_wire::batch::Batches;

use super::ShareRecord;
use super::session::{PartitionId, Verdict};
use crate::consumer::FetchedBatch;
use crate::error::Error;
use crate::topology::TopicPartition;

/// What one partition of an answer comes to.
#[derive(Debug, Default)]
pub(super) struct Acquired {
    pub(super) records: Vec<ShareRecord>,
    /// Offsets to acknowledge at once: nobody will see them.
    pub(super) unseen: Vec<(i64, Verdict)>,
    /// A batch could not be read; its offsets are released.
    pub(super) error: Option<Error>,
}

/// Reads `bytes`, of which the runs in `acquired` are ours.
pub(super) fn read(
    id: PartitionId,
    partition: &TopicPartition,
    bytes: Bytes,
    acquired: &[(i64, i64, i16)],
) -> Acquired {
    let mut outcome = Acquired::default();
    let deliveries = |offset: i64| {
        let mut runs = acquired.iter();
        let run = runs.find(|(first, last, _)| (*first..=*last).contains(&offset));
        run.map(|(_, _, count)| *count)
    };
    let mut seen = BTreeSet::new();
    let mut unreadable = Vec::new();
    for raw in Batches::new(bytes) {
        let batch = match raw {
            Ok(raw) if raw.header.attributes.is_control() => continue,
            Ok(raw) => {
                let (first, next) = (raw.header.base_offset, raw.header.next_offset());
                FetchedBatch::from_raw(partition.clone(), &raw)
                    .map_err(|error| (error, first..next))
            }
            Err(error) => {
                let error = Error::protocol(format!("records of {partition}: {error}"));
                // Nothing after it can be found either.
                Err((error, i64::MIN..i64::MAX))
            }
        };
        let records = match batch {
            Ok(batch) => batch.into_records(),
            Err((error, offsets)) => {
                unreadable.push(offsets);
                outcome.error.get_or_insert(error);
                continue;
            }
        };
        for record in records {
            match record {
                Ok(record) => {
                    let Some(delivery_count) = deliveries(record.offset()) else {
                        continue;
                    };
                    seen.insert(record.offset());
                    outcome.records.push(ShareRecord {
                        id,
                        record,
                        delivery_count,
                    });
                }
                Err(error) => {
                    outcome.error.get_or_insert(error);
                }
            }
        }
    }
    let offsets = acquired.iter().flat_map(|(first, last, _)| *first..=*last);
    for offset in offsets.filter(|offset| !seen.contains(offset)) {
        let is_unreadable = unreadable.iter().any(|batch| batch.contains(&offset));
        let verdict = match is_unreadable {
            true => Verdict::Release,
            false => Verdict::Gap,
        };
        outcome.unseen.push((offset, verdict));
    }
    outcome
}
