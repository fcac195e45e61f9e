//! The Produce request, encoded by hand: kafka-protocol's copies every batch, this one only names
//! them between its own bytes, to be written vectored.
//!
//! Versions 3 to 12, by topic name: 9 and later in the flexible encoding (KIP-482).

use bytes::{BufMut, Bytes, BytesMut};

use super::config::Acks;

/// The versions this encoder writes.
pub(super) const VERSION_MIN: i16 = 3;
pub(super) const VERSION_MAX: i16 = 12;
const FLEXIBLE_FROM: i16 = 9;

/// One batch for one partition.
#[derive(Debug)]
pub(super) struct BatchToSend<'a> {
    pub(super) topic: &'a str,
    pub(super) partition: i32,
    pub(super) bytes: Bytes,
}

/// The body of a Produce request as chunks to write one after the other. Batches of one topic must
/// stand together.
pub(super) fn encode(
    version: i16,
    transactional_id: Option<&str>,
    acks: Acks,
    timeout_ms: i32,
    batches: &[BatchToSend<'_>],
) -> Vec<Bytes> {
    let mut writer = Writer::new(version >= FLEXIBLE_FROM, batches.len());
    match transactional_id {
        Some(id) => writer.string(id),
        None => writer.null_string(),
    }
    writer.own.put_i16(acks.code());
    writer.own.put_i32(timeout_ms);
    let topics = batches.chunk_by(|left, right| left.topic == right.topic);
    writer.array_length(topics.clone().count());
    for topic in topics {
        writer.string(topic[0].topic);
        writer.array_length(topic.len());
        for batch in topic {
            writer.own.put_i32(batch.partition);
            writer.batch(&batch.bytes);
            writer.end_of_struct();
        }
        writer.end_of_struct();
    }
    writer.end_of_struct();
    writer.finish()
}

struct Writer {
    flexible: bool,
    own: BytesMut,
    chunks: Vec<Bytes>,
}

impl Writer {
    fn new(flexible: bool, batches: usize) -> Self {
        Writer {
            flexible,
            own: BytesMut::with_capacity(64 + 64 * batches),
            chunks: Vec::with_capacity(2 * batches + 1),
        }
    }

    fn null_string(&mut self) {
        if self.flexible {
            self.own.put_u8(0);
        } else {
            self.own.put_i16(-1);
        }
    }

    fn string(&mut self, text: &str) {
        if self.flexible {
            self.unsigned_varint(text.len() + 1);
        } else {
            self.own
                .put_i16(i16::try_from(text.len()).unwrap_or(i16::MAX));
        }
        self.own.put_slice(text.as_bytes());
    }

    fn array_length(&mut self, length: usize) {
        if self.flexible {
            self.unsigned_varint(length + 1);
        } else {
            self.own.put_i32(i32::try_from(length).unwrap_or(i32::MAX));
        }
    }

    fn batch(&mut self, bytes: &Bytes) {
        self.array_length(bytes.len());
        self.chunks.push(self.own.split().freeze());
        self.chunks.push(bytes.clone());
    }

    /// No tagged fields.
    fn end_of_struct(&mut self) {
        if self.flexible {
            self.own.put_u8(0);
        }
    }

    fn unsigned_varint(&mut self, mut value: usize) {
        while value >= 0x80 {
            self.own.put_u8((value & 0x7f) as u8 | 0x80);
            value >>= 7;
        }
        self.own.put_u8(value as u8);
    }

    fn finish(mut self) -> Vec<Bytes> {
        self.chunks.push(self.own.freeze());
        self.chunks
    }
}

#[cfg(test)]
mod tests;
