//! Topics and changes of groups as bytes.
//!
//! Owns their layout on disk. Knows no file.

use std::sync::Arc;

use tokio::time::Instant;
use uuid::Uuid;

use super::codec::{Reader, Writer};
use super::consumer_group;
use crate::coordinator::consumer_group::ConsumerGroupSnapshot;
use crate::coordinator::group::{GroupSnapshot, Member, Protocol};
use crate::coordinator::offsets::CommittedOffset;

/// A topic as it is written down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TopicRecord {
    pub(crate) name: Arc<str>,
    pub(crate) id: Uuid,
    pub(crate) partitions: i32,
}

/// A change of a group as it is written down. All of them in order give the groups.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum GroupRecord {
    Offsets {
        group: Arc<str>,
        rows: Vec<(Arc<str>, i32, CommittedOffset)>,
    },
    Members {
        group: Arc<str>,
        snapshot: GroupSnapshot,
    },
    ConsumerMembers {
        group: Arc<str>,
        snapshot: ConsumerGroupSnapshot,
    },
    Removed {
        group: Arc<str>,
    },
    TopicForgotten {
        topic: Arc<str>,
    },
    OffsetsExpired {
        group: Arc<str>,
        oldest_ms: i64,
    },
    OffsetsDeleted {
        group: Arc<str>,
        rows: Vec<(Arc<str>, i32)>,
    },
    /// Offsets of a transaction that is not decided yet.
    Pending {
        group: Arc<str>,
        producer_id: i64,
        rows: Vec<(Arc<str>, i32, CommittedOffset)>,
    },
    /// It is decided now.
    Settled {
        group: Arc<str>,
        producer_id: i64,
        is_committed: bool,
    },
}

const OFFSETS: u8 = 1;
const MEMBERS: u8 = 2;
const REMOVED: u8 = 3;
const TOPIC_FORGOTTEN: u8 = 4;
const OFFSETS_EXPIRED: u8 = 5;
const OFFSETS_DELETED: u8 = 6;
const CONSUMER_MEMBERS: u8 = 7;
const PENDING: u8 = 8;
const SETTLED: u8 = 9;

pub(crate) fn encode_topics(topics: &[TopicRecord]) -> Vec<u8> {
    let mut writer = Writer::default();
    writer.put_count(topics.len());
    for topic in topics {
        writer.put_text(&topic.name);
        writer.put_u128(topic.id.as_u128());
        writer.put_i32(topic.partitions);
    }
    writer.into_bytes()
}

pub(crate) fn decode_topics(payload: &[u8]) -> Option<Vec<TopicRecord>> {
    let mut reader = Reader::new(payload);
    let mut topics = Vec::new();
    for _ in 0..reader.take_count()? {
        topics.push(TopicRecord {
            name: reader.take_text()?,
            id: Uuid::from_u128(reader.take_u128()?),
            partitions: reader.take_i32()?,
        });
    }
    Some(topics)
}

impl GroupRecord {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::default();
        match self {
            GroupRecord::Offsets { group, rows } => {
                writer.put_u8(OFFSETS);
                writer.put_text(group);
                encode_offsets(&mut writer, rows);
            }
            GroupRecord::Members { group, snapshot } => {
                writer.put_u8(MEMBERS);
                writer.put_text(group);
                encode_snapshot(&mut writer, snapshot);
            }
            GroupRecord::ConsumerMembers { group, snapshot } => {
                writer.put_u8(CONSUMER_MEMBERS);
                writer.put_text(group);
                consumer_group::encode(&mut writer, snapshot);
            }
            GroupRecord::Removed { group } => {
                writer.put_u8(REMOVED);
                writer.put_text(group);
            }
            GroupRecord::TopicForgotten { topic } => {
                writer.put_u8(TOPIC_FORGOTTEN);
                writer.put_text(topic);
            }
            GroupRecord::OffsetsExpired { group, oldest_ms } => {
                writer.put_u8(OFFSETS_EXPIRED);
                writer.put_text(group);
                writer.put_i64(*oldest_ms);
            }
            GroupRecord::OffsetsDeleted { group, rows } => {
                writer.put_u8(OFFSETS_DELETED);
                writer.put_text(group);
                writer.put_count(rows.len());
                for (topic, partition) in rows {
                    writer.put_text(topic);
                    writer.put_i32(*partition);
                }
            }
            GroupRecord::Pending {
                group,
                producer_id,
                rows,
            } => {
                writer.put_u8(PENDING);
                writer.put_text(group);
                writer.put_i64(*producer_id);
                encode_offsets(&mut writer, rows);
            }
            GroupRecord::Settled {
                group,
                producer_id,
                is_committed,
            } => {
                writer.put_u8(SETTLED);
                writer.put_text(group);
                writer.put_i64(*producer_id);
                writer.put_u8(u8::from(*is_committed));
            }
        }
        writer.into_bytes()
    }

    /// `now` starts the sessions of the members that are read.
    pub(crate) fn decode(payload: &[u8], now: Instant) -> Option<GroupRecord> {
        let mut reader = Reader::new(payload);
        let record = match reader.take_u8()? {
            OFFSETS => {
                let group = reader.take_text()?;
                let rows = decode_offsets(&mut reader)?;
                GroupRecord::Offsets { group, rows }
            }
            MEMBERS => {
                let group = reader.take_text()?;
                GroupRecord::Members {
                    group,
                    snapshot: decode_snapshot(&mut reader, now)?,
                }
            }
            CONSUMER_MEMBERS => {
                let group = reader.take_text()?;
                GroupRecord::ConsumerMembers {
                    group,
                    snapshot: consumer_group::decode(&mut reader, now)?,
                }
            }
            REMOVED => GroupRecord::Removed {
                group: reader.take_text()?,
            },
            TOPIC_FORGOTTEN => GroupRecord::TopicForgotten {
                topic: reader.take_text()?,
            },
            OFFSETS_EXPIRED => GroupRecord::OffsetsExpired {
                group: reader.take_text()?,
                oldest_ms: reader.take_i64()?,
            },
            OFFSETS_DELETED => {
                let group = reader.take_text()?;
                let mut rows = Vec::new();
                for _ in 0..reader.take_count()? {
                    let topic = reader.take_text()?;
                    rows.push((topic, reader.take_i32()?));
                }
                GroupRecord::OffsetsDeleted { group, rows }
            }
            PENDING => GroupRecord::Pending {
                group: reader.take_text()?,
                producer_id: reader.take_i64()?,
                rows: decode_offsets(&mut reader)?,
            },
            SETTLED => GroupRecord::Settled {
                group: reader.take_text()?,
                producer_id: reader.take_i64()?,
                is_committed: reader.take_u8()? != 0,
            },
            _ => return None,
        };
        reader.is_empty().then_some(record)
    }
}

fn encode_offsets(writer: &mut Writer, rows: &[(Arc<str>, i32, CommittedOffset)]) {
    writer.put_count(rows.len());
    for (topic, partition, offset) in rows {
        writer.put_text(topic);
        writer.put_i32(*partition);
        writer.put_i64(offset.offset);
        writer.put_i32(offset.leader_epoch);
        writer.put_text(&offset.metadata);
        writer.put_i64(offset.committed_ms);
    }
}

fn decode_offsets(reader: &mut Reader<'_>) -> Option<Vec<(Arc<str>, i32, CommittedOffset)>> {
    let mut rows = Vec::new();
    for _ in 0..reader.take_count()? {
        rows.push(decode_offset(reader)?);
    }
    Some(rows)
}

fn decode_offset(reader: &mut Reader<'_>) -> Option<(Arc<str>, i32, CommittedOffset)> {
    let topic = reader.take_text()?;
    let partition = reader.take_i32()?;
    let offset = CommittedOffset {
        offset: reader.take_i64()?,
        leader_epoch: reader.take_i32()?,
        metadata: reader.take_text()?,
        committed_ms: reader.take_i64()?,
    };
    Some((topic, partition, offset))
}

fn encode_snapshot(writer: &mut Writer, snapshot: &GroupSnapshot) {
    writer.put_i32(snapshot.generation);
    writer.put_optional_text(snapshot.protocol_type.as_ref());
    writer.put_optional_text(snapshot.protocol.as_ref());
    writer.put_optional_text(snapshot.leader.as_ref());
    writer.put_count(snapshot.members.len());
    for member in &snapshot.members {
        writer.put_text(&member.id);
        writer.put_optional_text(member.instance_id.as_ref());
        writer.put_text(&member.client_id);
        writer.put_text(&member.client_host);
        writer.put_u64(milliseconds(member.session_timeout));
        writer.put_u64(milliseconds(member.rebalance_timeout));
        writer.put_count(member.protocols.len());
        for protocol in &member.protocols {
            writer.put_text(&protocol.name);
            writer.put_bytes(&protocol.metadata);
        }
        writer.put_bytes(&member.assignment);
    }
}

fn decode_snapshot(reader: &mut Reader<'_>, now: Instant) -> Option<GroupSnapshot> {
    let mut snapshot = GroupSnapshot {
        generation: reader.take_i32()?,
        protocol_type: reader.take_optional_text()?,
        protocol: reader.take_optional_text()?,
        leader: reader.take_optional_text()?,
        members: Vec::new(),
    };
    for _ in 0..reader.take_count()? {
        let mut member = Member::new(reader.take_text()?, now);
        member.instance_id = reader.take_optional_text()?;
        member.client_id = reader.take_text()?;
        member.client_host = reader.take_text()?;
        member.session_timeout = std::time::Duration::from_millis(reader.take_u64()?);
        member.rebalance_timeout = std::time::Duration::from_millis(reader.take_u64()?);
        for _ in 0..reader.take_count()? {
            let name = reader.take_text()?;
            member.protocols.push(Protocol {
                name,
                metadata: reader.take_bytes()?,
            });
        }
        member.assignment = reader.take_bytes()?;
        snapshot.members.push(member);
    }
    Some(snapshot)
}

fn milliseconds(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
