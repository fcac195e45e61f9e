//! Records and their headers as slices of a batch. The consumer's hot path: nothing is copied and
//! nothing allocated. Knows nothing of compression or checksums.

use super::error::{Reason, varint_reason};
use super::{Batch, BatchError};
use crate::limits::HEADERS_PER_RECORD_MAX;
use crate::varint;
use bytes::Bytes;
use std::borrow::Cow;

/// A header takes at least two lengths.
const HEADER_BYTES_MIN: usize = 2;

/// One record, as slices of its batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RecordView<'a> {
    /// The record's offset in its partition.
    pub offset: i64,
    /// Milliseconds since 1970: the producer's, or the broker's if the batch says so.
    pub timestamp: i64,
    /// The key; `None` if the record has none.
    pub key: Option<&'a [u8]>,
    /// The value; `None` is a tombstone.
    pub value: Option<&'a [u8]>,
    /// The headers in their order.
    pub headers: HeadersView<'a>,
}

impl RecordView<'_> {
    /// The key as bytes that share the buffer of `batch`, which this record is of.
    #[must_use]
    pub fn key_bytes(&self, batch: &Batch) -> Option<Bytes> {
        self.key.map(|key| batch.bytes_of(key))
    }

    /// The value as bytes that share the buffer of `batch`, which this record is of.
    #[must_use]
    pub fn value_bytes(&self, batch: &Batch) -> Option<Bytes> {
        self.value.map(|value| batch.bytes_of(value))
    }
}

/// The headers of a record: an ordered list, in which a key may come more than once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HeadersView<'a> {
    bytes: &'a [u8],
    count: u32,
}

impl<'a> HeadersView<'a> {
    /// Headers that were read before, from their bytes and count at that time. Others than those
    /// may look as if there were fewer.
    #[inline]
    #[must_use]
    pub fn of_read(bytes: &'a [u8], count: u32) -> Self {
        Self { bytes, count }
    }

    /// The headers in their wire form, without the count in front; `None` when there are none.
    #[inline]
    #[must_use]
    pub fn as_bytes(&self) -> Option<&'a [u8]> {
        (self.count > 0).then_some(self.bytes)
    }

    /// How many headers there are.
    #[inline]
    #[must_use]
    pub fn len(&self) -> usize {
        self.count as usize
    }

    /// Whether there are none.
    #[inline]
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The headers in their order.
    pub fn iter(&self) -> HeadersIter<'a> {
        HeadersIter {
            rest: self.bytes,
            remaining: self.count,
        }
    }

    /// The last header with this key: the one that counts where a key should be there once.
    #[must_use]
    pub fn get_last(&self, key: &str) -> Option<HeaderView<'a>> {
        self.iter()
            .filter(|header| header.key == key.as_bytes())
            .last()
    }

    #[inline]
    fn read(rest: &mut &'a [u8]) -> Result<Self, Reason> {
        match varint::read_i32(rest).map_err(varint_reason)? {
            0 if rest.is_empty() => Ok(Self::default()),
            count => Self::read_some(std::mem::take(rest), count),
        }
    }

    fn read_some(bytes: &'a [u8], count: i32) -> Result<Self, Reason> {
        let count = u32::try_from(count).map_err(|_| "the number of headers is negative")?;
        let possible = (bytes.len() / HEADER_BYTES_MIN).min(HEADERS_PER_RECORD_MAX);
        if count as usize > possible {
            return Err("there are more headers announced than can be there");
        }
        let headers = Self { bytes, count };
        headers.check()?;
        Ok(headers)
    }

    /// Checked once, so that iterating needs no errors.
    fn check(&self) -> Result<(), Reason> {
        let mut rest = self.bytes;
        for _ in 0..self.count {
            read_header(&mut rest)?;
        }
        if rest.is_empty() {
            Ok(())
        } else {
            Err("bytes are left behind the headers")
        }
    }
}

impl<'a> IntoIterator for HeadersView<'a> {
    type Item = HeaderView<'a>;
    type IntoIter = HeadersIter<'a>;

    fn into_iter(self) -> HeadersIter<'a> {
        self.iter()
    }
}

/// Iterates over the headers of a record.
#[derive(Clone, Debug)]
#[must_use]
pub struct HeadersIter<'a> {
    rest: &'a [u8],
    remaining: u32,
}

impl<'a> Iterator for HeadersIter<'a> {
    type Item = HeaderView<'a>;

    fn next(&mut self) -> Option<HeaderView<'a>> {
        self.remaining = self.remaining.checked_sub(1)?;
        // The view was checked when it was made.
        read_header(&mut self.rest).ok()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.remaining as usize, Some(self.remaining as usize))
    }
}

impl ExactSizeIterator for HeadersIter<'_> {}

/// One header of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct HeaderView<'a> {
    /// The key. Kafka means it to be UTF-8, but no broker checks that.
    pub key: &'a [u8],
    /// The value, if there is one.
    pub value: Option<&'a [u8]>,
}

impl<'a> HeaderView<'a> {
    /// The key as text, with U+FFFD for what is not UTF-8, as the Java client reads it.
    #[must_use]
    pub fn key_text(&self) -> Cow<'a, str> {
        String::from_utf8_lossy(self.key)
    }
}

fn read_header<'a>(rest: &mut &'a [u8]) -> Result<HeaderView<'a>, Reason> {
    let key = read_field(rest)?.ok_or("a header has no key")?;
    let value = read_field(rest)?;
    Ok(HeaderView { key, value })
}

/// A length and that many bytes; -1 is none.
#[inline]
fn read_field<'a>(rest: &mut &'a [u8]) -> Result<Option<&'a [u8]>, Reason> {
    let length = varint::read_i32(rest).map_err(varint_reason)?;
    if length == -1 {
        return Ok(None);
    }
    let length = usize::try_from(length).map_err(|_| "a length is below -1")?;
    let (field, behind) = rest
        .split_at_checked(length)
        .ok_or("a field is longer than its record")?;
    *rest = behind;
    Ok(Some(field))
}

/// The fields of a record, still relative to its batch.
struct Fields<'a> {
    timestamp_delta: i64,
    offset_delta: i32,
    key: Option<&'a [u8]>,
    value: Option<&'a [u8]>,
    headers: HeadersView<'a>,
}

#[inline]
fn read_record<'a>(rest: &mut &'a [u8]) -> Result<Fields<'a>, Reason> {
    let mut body = read_field(rest)?.ok_or("a record has no length")?;
    let Some((_attributes, behind)) = body.split_first() else {
        return Err("a record is empty");
    };
    body = behind;
    Ok(Fields {
        timestamp_delta: varint::read_i64(&mut body).map_err(varint_reason)?,
        offset_delta: varint::read_i32(&mut body).map_err(varint_reason)?,
        key: read_field(&mut body)?,
        value: read_field(&mut body)?,
        headers: HeadersView::read(&mut body)?,
    })
}

/// A position within the records of a batch. Holds no reference, so that it can be kept next to
/// the batch; must be used with one batch only.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RecordCursor {
    position: usize,
    index: u32,
}

impl RecordCursor {
    /// Decodes the next record of `batch` and moves behind it. `None` at the end, and after an
    /// error.
    #[inline]
    pub fn next<'a>(&mut self, batch: &'a Batch) -> Option<Result<RecordView<'a>, BatchError>> {
        let bytes: &'a [u8] = batch.records_bytes();
        let count = batch.header.records_count.max(0) as u32;
        if self.index >= count {
            return self.finish(bytes);
        }
        let mut rest = bytes.get(self.position..).unwrap_or_default();
        let view = read_record(&mut rest).and_then(|fields| view(batch, fields));
        match view {
            Ok(view) => {
                self.position = bytes.len() - rest.len();
                self.index += 1;
                Some(Ok(view))
            }
            Err(reason) => Some(Err(self.fail(reason))),
        }
    }

    /// How many records have been decoded.
    #[must_use]
    pub fn records_decoded(&self) -> u32 {
        self.index
    }

    fn finish<T>(&mut self, bytes: &[u8]) -> Option<Result<T, BatchError>> {
        if self.position >= bytes.len() {
            return None;
        }
        Some(Err(self.fail("bytes are left behind the last record")))
    }

    #[cold]
    fn fail(&mut self, reason: Reason) -> BatchError {
        let index = self.index;
        *self = Self {
            position: usize::MAX,
            index: u32::MAX,
        };
        BatchError::InvalidRecord { index, reason }
    }
}

#[inline]
fn view<'a>(batch: &Batch, fields: Fields<'a>) -> Result<RecordView<'a>, Reason> {
    let header = &batch.header;
    if fields.offset_delta < 0 || fields.offset_delta > header.last_offset_delta {
        return Err("its offset is not within its batch");
    }
    let timestamp = match batch.log_append_time() {
        Some(timestamp) => timestamp,
        None => header.base_timestamp.wrapping_add(fields.timestamp_delta),
    };
    Ok(RecordView {
        // Cannot overflow: the header was checked with the greatest delta.
        offset: header
            .base_offset
            .wrapping_add(i64::from(fields.offset_delta)),
        timestamp,
        key: fields.key,
        value: fields.value,
        headers: fields.headers,
    })
}

/// Iterates over the records of a batch. Ends after the first error.
#[derive(Clone, Debug)]
#[must_use]
pub struct Records<'a> {
    batch: &'a Batch,
    cursor: RecordCursor,
}

impl<'a> Records<'a> {
    pub(super) fn new(batch: &'a Batch) -> Self {
        Self {
            batch,
            cursor: RecordCursor::default(),
        }
    }
}

impl<'a> Iterator for Records<'a> {
    type Item = Result<RecordView<'a>, BatchError>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        self.cursor.next(self.batch)
    }
}
