//! The members of a group of the new protocol as bytes.
//!
//! Owns their layout on disk. Knows no file.

use std::time::Duration;

use tokio::time::Instant;
use uuid::Uuid;

use super::codec::{Reader, Writer};
use crate::coordinator::consumer_group::{
    ConsumerGroupSnapshot, Member, MemberState, PartitionSet, Pattern, ServerAssignor,
};

pub(super) fn encode(writer: &mut Writer, snapshot: &ConsumerGroupSnapshot) {
    writer.put_i32(snapshot.epoch);
    writer.put_i32(snapshot.target_epoch);
    writer.put_text(snapshot.assignor.name());
    writer.put_count(snapshot.members.len());
    for member in &snapshot.members {
        encode_member(writer, member);
    }
    writer.put_count(snapshot.targets.len());
    for (id, target) in &snapshot.targets {
        writer.put_text(id);
        encode_partitions(writer, target);
    }
}

/// `now` starts the sessions of the members that are read.
pub(super) fn decode(reader: &mut Reader<'_>, now: Instant) -> Option<ConsumerGroupSnapshot> {
    let mut snapshot = ConsumerGroupSnapshot {
        epoch: reader.take_i32()?,
        target_epoch: reader.take_i32()?,
        assignor: ServerAssignor::from_name(&reader.take_text()?)?,
        members: Vec::new(),
        targets: Vec::new(),
    };
    for _ in 0..reader.take_count()? {
        snapshot.members.push(decode_member(reader, now)?);
    }
    for _ in 0..reader.take_count()? {
        let id = reader.take_text()?;
        snapshot.targets.push((id, decode_partitions(reader)?));
    }
    Some(snapshot)
}

fn encode_member(writer: &mut Writer, member: &Member) {
    writer.put_text(&member.id);
    writer.put_optional_text(member.instance_id.as_ref());
    writer.put_optional_text(member.rack_id.as_ref());
    writer.put_text(&member.client_id);
    writer.put_text(&member.client_host);
    let timeout = member.rebalance_timeout.as_millis();
    writer.put_u64(u64::try_from(timeout).unwrap_or(u64::MAX));
    writer.put_count(member.names.len());
    for name in &member.names {
        writer.put_text(name);
    }
    writer.put_optional_text(member.pattern.as_ref().map(Pattern::text));
    let assignor = member.assignor.map(|assignor| assignor.name().into());
    writer.put_optional_text(assignor.as_ref());
    writer.put_i32(member.epoch);
    writer.put_i32(member.previous_epoch);
    writer.put_u8(match member.state {
        MemberState::Stable => 0,
        MemberState::Unrevoked => 1,
        MemberState::Unreleased => 2,
    });
    encode_partitions(writer, &member.assigned);
    encode_partitions(writer, &member.revoking);
}

fn decode_member(reader: &mut Reader<'_>, now: Instant) -> Option<Member> {
    let mut member = Member::new(reader.take_text()?, now);
    member.instance_id = reader.take_optional_text()?;
    member.rack_id = reader.take_optional_text()?;
    member.client_id = reader.take_text()?;
    member.client_host = reader.take_text()?;
    member.rebalance_timeout = Duration::from_millis(reader.take_u64()?);
    for _ in 0..reader.take_count()? {
        member.names.insert(reader.take_text()?);
    }
    if let Some(text) = reader.take_optional_text()? {
        member.pattern = Some(Pattern::new(&text).ok()?);
    }
    if let Some(name) = reader.take_optional_text()? {
        member.assignor = Some(ServerAssignor::from_name(&name)?);
    }
    member.epoch = reader.take_i32()?;
    member.previous_epoch = reader.take_i32()?;
    member.state = match reader.take_u8()? {
        0 => MemberState::Stable,
        1 => MemberState::Unrevoked,
        2 => MemberState::Unreleased,
        _ => return None,
    };
    member.assigned = decode_partitions(reader)?;
    member.revoking = decode_partitions(reader)?;
    Some(member)
}

fn encode_partitions(writer: &mut Writer, partitions: &PartitionSet) {
    writer.put_count(partitions.len());
    for (topic, partition) in partitions {
        writer.put_u128(topic.as_u128());
        writer.put_i32(*partition);
    }
}

fn decode_partitions(reader: &mut Reader<'_>) -> Option<PartitionSet> {
    let mut partitions = PartitionSet::new();
    for _ in 0..reader.take_count()? {
        let topic = Uuid::from_u128(reader.take_u128()?);
        partitions.insert((topic, reader.take_i32()?));
    }
    Some(partitions)
}
