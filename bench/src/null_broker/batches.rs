//! The batches that the null broker serves: encoded once, handed out with other offsets.

use crate::load::{Payload, VALUE_BYTES, Value};
use anyhow::Result;
use bytes::{Bytes, BytesMut};
use kafka_protocol::indexmap::IndexMap;
use kafka_protocol::records::{
    Compression, Record, RecordBatchEncoder, RecordEncodeOptions, TimestampType,
};

/// About what a producer with 128 KiB batches writes.
const RECORDS_PER_BATCH: i64 = 1_100;
const TIMESTAMP_MS: i64 = 1_700_000_000_000;

/// One encoded batch. Base offset lies outside the checksum, so it can be set at will.
#[derive(Debug)]
pub(super) struct EndlessBatch {
    encoded: Bytes,
}

impl EndlessBatch {
    pub(super) fn encode() -> Result<Self> {
        let mut value = Value::new(Payload::Letters);
        let records: Vec<Record> = (0..RECORDS_PER_BATCH)
            .map(|offset| {
                let bytes = value.numbered(offset.unsigned_abs());
                debug_assert_eq!(bytes.len(), VALUE_BYTES);
                record(offset, Bytes::copy_from_slice(bytes))
            })
            .collect();
        let options = RecordEncodeOptions {
            version: 2,
            compression: Compression::None,
        };
        let mut buffer = BytesMut::new();
        RecordBatchEncoder::encode(&mut buffer, &records, &options)?;
        Ok(Self {
            encoded: buffer.freeze(),
        })
    }

    /// As many copies as fit into `bytes_max`, at least one, with offsets from the batch that holds
    /// `offset` on. Like a real log, batches begin at fixed offsets.
    pub(super) fn serve(&self, offset: i64, bytes_max: usize) -> Bytes {
        let count = (bytes_max / self.encoded.len()).max(1);
        let mut served = BytesMut::with_capacity(count * self.encoded.len());
        let mut base_offset = offset - offset % RECORDS_PER_BATCH;
        for _ in 0..count {
            served.extend_from_slice(&base_offset.to_be_bytes());
            served.extend_from_slice(&self.encoded[8..]);
            base_offset += RECORDS_PER_BATCH;
        }
        served.freeze()
    }
}

fn record(offset: i64, value: Bytes) -> Record {
    Record {
        transactional: false,
        control: false,
        delete_horizon: false,
        partition_leader_epoch: 0,
        producer_id: -1,
        producer_epoch: -1,
        timestamp_type: TimestampType::Creation,
        offset,
        sequence: i32::try_from(offset).unwrap_or(0),
        timestamp: TIMESTAMP_MS,
        key: None,
        value: Some(value),
        headers: IndexMap::new(),
    }
}
