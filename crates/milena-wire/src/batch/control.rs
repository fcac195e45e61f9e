//! Control records: the markers Kafka itself writes into a partition (KIP-98). Knows no
//! transaction's state.

use super::encode::{BatchEncoder, BatchStamp, RecordData};
use super::header::{Attributes, NO_SEQUENCE};
use super::{BatchError, RecordView};
use crate::compression::Compression;
use bytes::Bytes;

const KEY_VERSION: i16 = 0;
const VALUE_VERSION: i16 = 0;
const ABORT: i16 = 0;
const COMMIT: i16 = 1;
const MARKER_BATCH_BYTES: usize = 80;

/// What a control record says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ControlRecord {
    /// The producer's transaction was aborted: its records before this one do not count.
    Abort {
        /// The epoch of the transaction coordinator that wrote the marker.
        coordinator_epoch: i32,
    },
    /// The producer's transaction was committed.
    Commit {
        /// The epoch of the transaction coordinator that wrote the marker.
        coordinator_epoch: i32,
    },
    /// Something between brokers that is no matter of clients, such as a change of leader.
    Other {
        /// The type in the record's key.
        control_type: i16,
    },
}

impl ControlRecord {
    /// Reads a record of a control batch.
    ///
    /// # Errors
    /// [`BatchError::InvalidControlRecord`] when its key or value is not of the right shape.
    pub fn parse(record: &RecordView<'_>) -> Result<Self, BatchError> {
        let invalid = BatchError::InvalidControlRecord;
        let mut key = record.key.ok_or(invalid("it has no key"))?;
        let version = take_i16(&mut key).ok_or(invalid("its key is too short"))?;
        let control_type = take_i16(&mut key).ok_or(invalid("its key is too short"))?;
        if version < 0 {
            return Err(invalid("its key has a negative version"));
        }
        match control_type {
            ABORT => Ok(Self::Abort {
                coordinator_epoch: coordinator_epoch(record)?,
            }),
            COMMIT => Ok(Self::Commit {
                coordinator_epoch: coordinator_epoch(record)?,
            }),
            control_type => Ok(Self::Other { control_type }),
        }
    }
}

fn coordinator_epoch(record: &RecordView<'_>) -> Result<i32, BatchError> {
    let too_short = BatchError::InvalidControlRecord("its value is too short");
    let mut value = record.value.unwrap_or_default();
    let Some(version) = take_i16(&mut value) else {
        return Err(too_short);
    };
    if version < 0 {
        return Err(BatchError::InvalidControlRecord(
            "its value has a negative version",
        ));
    }
    // Later versions add fields behind this one.
    value
        .first_chunk()
        .map(|epoch| i32::from_be_bytes(*epoch))
        .ok_or(too_short)
}

fn take_i16(bytes: &mut &[u8]) -> Option<i16> {
    let (number, rest) = bytes.split_first_chunk()?;
    *bytes = rest;
    Some(i16::from_be_bytes(*number))
}

/// How a transaction ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TransactionEnd {
    /// Its records count.
    Commit,
    /// Its records do not count.
    Abort,
}

/// Makes the batch of one record that ends a transaction in a partition.
///
/// # Errors
/// None are possible with the values there are; the type is that of [`BatchEncoder::finish`].
pub fn encode_transaction_marker(
    end: TransactionEnd,
    producer_id: i64,
    producer_epoch: i16,
    coordinator_epoch: i32,
    timestamp: i64,
) -> Result<Bytes, BatchError> {
    let control_type = match end {
        TransactionEnd::Commit => COMMIT,
        TransactionEnd::Abort => ABORT,
    };
    let key = [KEY_VERSION.to_be_bytes(), control_type.to_be_bytes()].concat();
    let mut value = VALUE_VERSION.to_be_bytes().to_vec();
    value.extend_from_slice(&coordinator_epoch.to_be_bytes());
    let mut encoder = BatchEncoder::with_capacity(MARKER_BATCH_BYTES);
    encoder.append(&RecordData {
        timestamp,
        key: Some(&key),
        value: Some(&value),
        headers: &[],
    })?;
    let stamp = BatchStamp {
        producer_id,
        producer_epoch,
        base_sequence: NO_SEQUENCE,
        is_transactional: true,
    };
    let attributes = Attributes::default()
        .with_transactional(true)
        .with_control(true);
    let finished = encoder.finish_with(stamp, attributes, Compression::None, None)?;
    Ok(Bytes::from(finished.batch))
}
