//! From a buffer to batches, and from a batch to its records' bytes. Knows no record's fields.

use super::header::{MAGIC_AT, verify_crc};
use super::record::{RecordCursor, Records};
use super::{BatchError, BatchHeader, TimestampType};
use crate::compression::{Compression, decompress};
use bytes::Bytes;

/// The batches of one partition in a fetch response, a produce request or a log segment.
///
/// Ends without an error at a batch that is cut off at the end of the buffer, as a broker may cut
/// it to the size asked for; [`partial_trailing`](Self::partial_trailing) tells. Ends after the
/// first error, since the place of the next batch is not known then.
#[derive(Clone, Debug)]
#[must_use]
pub struct Batches {
    rest: Bytes,
    is_partial: bool,
}

impl Batches {
    /// Over the batches in `bytes`, without copying them.
    pub fn new(bytes: Bytes) -> Self {
        Self {
            rest: bytes,
            is_partial: false,
        }
    }

    /// Whether the iteration has ended at a batch that is not whole. If it was the first one,
    /// the fetch asked for less than one batch.
    #[must_use]
    pub fn partial_trailing(&self) -> bool {
        self.is_partial
    }

    /// The bytes not yet given out: a partial batch once the iteration has ended.
    #[must_use]
    pub fn remainder(&self) -> &Bytes {
        &self.rest
    }

    fn take_batch(&mut self) -> Result<Option<RawBatch>, BatchError> {
        // The format comes first: another one counts its bytes differently.
        if let Some(&magic) = self.rest.get(MAGIC_AT)
            && magic as i8 != super::header::FORMAT
        {
            return Err(BatchError::UnsupportedFormat(magic as i8));
        }
        let header = match BatchHeader::parse(&self.rest) {
            Ok(header) => header,
            Err(BatchError::Truncated { .. }) => return Ok(None),
            Err(error) => return Err(error),
        };
        if header.total_bytes() > self.rest.len() {
            return Ok(None);
        }
        Ok(Some(RawBatch {
            header,
            bytes: self.rest.split_to(header.total_bytes()),
        }))
    }
}

impl Iterator for Batches {
    type Item = Result<RawBatch, BatchError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() || self.is_partial {
            return None;
        }
        match self.take_batch() {
            Ok(Some(batch)) => Some(Ok(batch)),
            Ok(None) => {
                self.is_partial = true;
                None
            }
            Err(error) => {
                self.rest = Bytes::new();
                Some(Err(error))
            }
        }
    }
}

/// One whole batch as it is on the wire: header checked, checksum and records not yet.
#[derive(Clone, Debug)]
pub struct RawBatch {
    /// The fields of the header.
    pub header: BatchHeader,
    bytes: Bytes,
}

impl RawBatch {
    /// Takes exactly one batch.
    ///
    /// # Errors
    /// [`BatchError`] when the header is not valid, or `bytes` is not exactly one batch.
    pub fn parse(bytes: Bytes) -> Result<Self, BatchError> {
        let header = BatchHeader::parse(&bytes)?;
        if header.total_bytes() == bytes.len() {
            Ok(Self { header, bytes })
        } else {
            Err(BatchError::Truncated {
                needed: header.total_bytes(),
                available: bytes.len(),
            })
        }
    }

    /// The whole batch with its header.
    #[must_use]
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// Checks the checksum.
    ///
    /// # Errors
    /// [`BatchError::Checksum`] when it does not agree with the content.
    pub fn verify_crc(&self) -> Result<(), BatchError> {
        verify_crc(&self.bytes)
    }

    /// Gives access to the records: a view when they are not compressed, a new buffer of at most
    /// `decompressed_bytes_max` bytes when they are. Does not check the checksum.
    ///
    /// # Errors
    /// [`BatchError::Compression`] when the records cannot be decompressed within the limit.
    pub fn open(&self, decompressed_bytes_max: usize) -> Result<Batch, BatchError> {
        let records = self
            .bytes
            .slice(super::BATCH_HEADER_BYTES.min(self.bytes.len())..);
        let records = match self.header.attributes.compression()? {
            // Compaction can leave a batch that says it is compressed and has nothing in it.
            _ if self.header.records_count == 0 => Bytes::new(),
            Compression::None => records,
            codec => decompress(codec, &records, decompressed_bytes_max)?,
        };
        Ok(Batch {
            header: self.header,
            records,
        })
    }
}

/// One batch whose records can be read.
#[derive(Clone, Debug)]
pub struct Batch {
    /// The fields of the header.
    pub header: BatchHeader,
    records: Bytes,
}

impl Batch {
    /// The records one after the other, decoded as they are asked for.
    pub fn records(&self) -> Records<'_> {
        Records::new(self)
    }

    /// A position in front of the first record, for a caller that keeps the batch elsewhere.
    pub fn cursor(&self) -> RecordCursor {
        RecordCursor::default()
    }

    /// The records' bytes, decompressed.
    #[must_use]
    pub fn records_bytes(&self) -> &Bytes {
        &self.records
    }

    /// A part of a record of this batch as bytes that outlive it, sharing its buffer. A slice
    /// from elsewhere is copied.
    #[must_use]
    pub fn bytes_of(&self, part: &[u8]) -> Bytes {
        let start = (part.as_ptr() as usize).wrapping_sub(self.records.as_ptr() as usize);
        let end = start.wrapping_add(part.len());
        if start <= end && end <= self.records.len() {
            self.records.slice(start..end)
        } else {
            Bytes::copy_from_slice(part)
        }
    }

    /// The one timestamp all records have, if the broker gave it.
    pub(super) fn log_append_time(&self) -> Option<i64> {
        match self.header.attributes.timestamp_type() {
            TimestampType::LogAppendTime => Some(self.header.max_timestamp),
            TimestampType::CreateTime => None,
        }
    }
}

impl<'a> IntoIterator for &'a Batch {
    type Item = Result<super::RecordView<'a>, BatchError>;
    type IntoIter = Records<'a>;

    fn into_iter(self) -> Records<'a> {
        self.records()
    }
}
