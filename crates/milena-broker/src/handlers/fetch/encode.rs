//! The fetch response by hand: the message codec would copy every batch.
//!
//! Owns the layout of FetchResponse, versions 4 to 17.

use bytes::{BufMut, BytesMut};
use milena_wire::error_code::ErrorCode;

use super::{Contribution, SESSIONS_SINCE};
use crate::fetch_sessions::{TopicKey, Wanted};
use crate::log::Piece;
use crate::log::epochs::EpochEnd;
use crate::node::Node;
use crate::server::RequestContext;
use crate::server::reply::{FrameWriter, ResponseFrame};

const LOG_START_SINCE: i16 = 5;
const PREFERRED_REPLICA_SINCE: i16 = 11;
const FLEXIBLE_SINCE: i16 = 12;
/// Where leaders can be reached is told from here on (KIP-951).
const ENDPOINTS_SINCE: i16 = 16;

const TAG_DIVERGING_EPOCH: u8 = 0;
const TAG_CURRENT_LEADER: u8 = 1;
const TAG_NODE_ENDPOINTS: u8 = 0;

/// Builds the response to one fetch; rows of the same topic stand together.
pub(super) fn response(
    node: &Node,
    context: &RequestContext,
    session_id: i32,
    mut rows: Vec<(&Wanted, &Contribution)>,
) -> ResponseFrame {
    // A session's round may start in the middle of a topic.
    rows.sort_by(|left, right| left.0.key.cmp(&right.0.key));
    let version = context.api_version;
    let flexible = version >= FLEXIBLE_SINCE;
    let mut writer = FrameWriter::new(context.correlation_id, flexible);
    writer.buffer.put_i32(0);
    if version >= SESSIONS_SINCE {
        writer.buffer.put_i16(ErrorCode::None.code());
        writer.buffer.put_i32(session_id);
    }
    let topics = rows.chunk_by(|left, right| left.0.key.topic == right.0.key.topic);
    put_count(&mut writer.buffer, topics.clone().count(), flexible);
    for topic in topics {
        if let Some((first, _)) = topic.first() {
            put_topic(&mut writer.buffer, &first.key.topic, flexible);
        }
        put_count(&mut writer.buffer, topic.len(), flexible);
        for (wanted, contribution) in topic {
            put_partition(&mut writer, version, wanted.key.partition, contribution);
            put_partition_tags(&mut writer.buffer, node, contribution, flexible);
        }
        put_no_tags(&mut writer.buffer, flexible);
    }
    let names_leader = |row: &(&Wanted, &Contribution)| leader_epoch(row.1).is_some();
    if version >= ENDPOINTS_SINCE && rows.iter().any(names_leader) {
        put_endpoints(&mut writer.buffer, node, context);
    } else {
        put_no_tags(&mut writer.buffer, flexible);
    }
    writer.finish()
}

fn put_partition(writer: &mut FrameWriter, version: i16, index: i32, outcome: &Contribution) {
    let flexible = version >= FLEXIBLE_SINCE;
    let (code, high_watermark, last_stable_offset, start_offset) = match outcome {
        Ok(fetched) => (
            ErrorCode::None,
            fetched.high_watermark,
            fetched.last_stable_offset,
            fetched.start_offset,
        ),
        Err(refused) => (refused.code, -1, -1, -1),
    };
    let buffer = &mut writer.buffer;
    buffer.put_i32(index);
    buffer.put_i16(code.code());
    buffer.put_i64(high_watermark);
    buffer.put_i64(last_stable_offset);
    if version >= LOG_START_SINCE {
        buffer.put_i64(start_offset);
    }
    put_aborted(buffer, outcome, flexible);
    if version >= PREFERRED_REPLICA_SINCE {
        buffer.put_i32(-1);
    }
    let (bytes, pieces) = match outcome {
        Ok(fetched) => (fetched.bytes, fetched.pieces.as_slice()),
        Err(_) => (0, [].as_slice()),
    };
    put_count(buffer, bytes, flexible);
    for piece in pieces {
        match piece {
            Piece::Whole(bytes) => writer.put_shared(bytes),
            Piece::Patched { head, body } => {
                writer.buffer.put_slice(head);
                writer.put_shared(body);
            }
        }
    }
}

/// Where the log parts from what the client has, and who leads if the client does not know.
fn put_partition_tags(buffer: &mut BytesMut, node: &Node, outcome: &Contribution, flexible: bool) {
    let diverging = outcome.as_ref().ok().and_then(|one| one.diverging);
    if !flexible {
        return;
    }
    if let Some(EpochEnd { epoch, offset }) = diverging {
        buffer.put_slice(&[1, TAG_DIVERGING_EPOCH, 13]);
        buffer.put_i32(epoch);
        buffer.put_i64(offset);
    } else if let Some(epoch) = leader_epoch(outcome) {
        buffer.put_slice(&[1, TAG_CURRENT_LEADER, 9]);
        buffer.put_i32(node.config.node_id);
        buffer.put_i32(epoch);
    }
    // Of the tagged field; of the partition, where there is no such field.
    put_no_tags(buffer, flexible);
}

fn leader_epoch(outcome: &Contribution) -> Option<i32> {
    outcome.as_ref().err()?.leader_epoch
}

/// The one node there is, as the one tagged field of the response.
fn put_endpoints(buffer: &mut BytesMut, node: &Node, context: &RequestContext) {
    let (host, port) = node.advertised(context);
    let mut field = BytesMut::with_capacity(32);
    put_unsigned_varint(&mut field, 2);
    field.put_i32(node.config.node_id);
    put_unsigned_varint(&mut field, host.len() + 1);
    field.put_slice(host.as_bytes());
    field.put_i32(i32::from(port));
    match &node.config.rack {
        Some(rack) => {
            put_unsigned_varint(&mut field, rack.len() + 1);
            field.put_slice(rack.as_bytes());
        }
        None => put_unsigned_varint(&mut field, 0),
    }
    put_no_tags(&mut field, true);
    buffer.put_slice(&[1, TAG_NODE_ENDPOINTS]);
    put_unsigned_varint(buffer, field.len());
    buffer.put_slice(&field);
}

/// The transactions to be left out; none at all for who reads everything.
fn put_aborted(buffer: &mut BytesMut, outcome: &Contribution, flexible: bool) {
    let aborted = outcome.as_ref().ok().and_then(|one| one.aborted.as_ref());
    let Some(aborted) = aborted else {
        return put_null_array(buffer, flexible);
    };
    put_count(buffer, aborted.len(), flexible);
    for transaction in aborted {
        buffer.put_i64(transaction.producer_id);
        buffer.put_i64(transaction.first_offset);
        put_no_tags(buffer, flexible);
    }
}

fn put_topic(buffer: &mut BytesMut, topic: &TopicKey, flexible: bool) {
    match topic {
        TopicKey::Id(id) => buffer.put_slice(id.as_bytes()),
        TopicKey::Name(name) => {
            if flexible {
                put_unsigned_varint(buffer, name.len() + 1);
            } else {
                // Names of known topics have at most 249 bytes; others came in a
                // field of this very width.
                buffer.put_i16(i16::try_from(name.len()).unwrap_or(i16::MAX));
            }
            buffer.put_slice(name.as_bytes());
        }
    }
}

/// The length of an array or of bytes.
fn put_count(buffer: &mut BytesMut, count: usize, flexible: bool) {
    if flexible {
        put_unsigned_varint(buffer, count + 1);
    } else {
        buffer.put_i32(i32::try_from(count).unwrap_or(i32::MAX));
    }
}

fn put_null_array(buffer: &mut BytesMut, flexible: bool) {
    if flexible {
        buffer.put_u8(0)
    } else {
        buffer.put_i32(-1)
    }
}

fn put_no_tags(buffer: &mut BytesMut, flexible: bool) {
    if flexible {
        buffer.put_u8(0);
    }
}

fn put_unsigned_varint(buffer: &mut BytesMut, mut value: usize) {
    while value >= 0x80 {
        buffer.put_u8((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    buffer.put_u8(value as u8);
}
