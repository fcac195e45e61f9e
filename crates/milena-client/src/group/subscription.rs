//! The bytes members of a classic consumer group send each other.
//!
//! Owns `ConsumerProtocolSubscription` and `ConsumerProtocolAssignment`
//! (versions 0 to 3), as the coordinator passes them on unread; must not know
//! how they are sent or what an assignor makes of them.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;

use crate::group::assignor::{Assignor, MemberSubscription, PreviousAssignment};
use crate::topology::TopicPartition;

/// The version we write. Readers of an older one ignore the fields they do not
/// know, which all come last.
const VERSION_WRITTEN: i16 = 3;
const VERSION_WITH_OWNED_PARTITIONS: i16 = 1;
const VERSION_WITH_GENERATION: i16 = 2;

/// Bytes of a member or of the leader that do not follow the protocol.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("malformed consumer protocol {what}: {problem}")]
pub(crate) struct SubscriptionError {
    what: &'static str,
    problem: &'static str,
}

/// What one member tells the leader.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Subscription<'a> {
    /// Where it is (KIP-881); empty when it does not say.
    pub(crate) rack: &'a str,
    pub(crate) topics: &'a [Arc<str>],
    /// What it has not given up.
    pub(crate) owned: &'a [TopicPartition],
    /// The generation in which that was assigned.
    pub(crate) generation: i32,
    /// What it was assigned last, given up or not.
    pub(crate) previous: Option<&'a PreviousAssignment>,
}

/// Encodes what this member subscribes to and owns, for `assignor`.
///
/// The cooperative assignor's generation goes both into the user data, where
/// Java members before protocol version 2 look for it, and into its own field.
pub(crate) fn encode_subscription(assignor: Assignor, subscription: Subscription<'_>) -> Bytes {
    let mut out = Vec::with_capacity(64);
    put_i16(&mut out, VERSION_WRITTEN);
    put_count(&mut out, subscription.topics.len());
    for topic in subscription.topics {
        put_string(&mut out, topic);
    }
    match (assignor, subscription.previous) {
        (Assignor::Sticky, Some(previous)) => put_bytes(&mut out, &sticky_user_data(previous)),
        (Assignor::CooperativeSticky, _) => {
            put_bytes(&mut out, &subscription.generation.to_be_bytes());
        }
        _ => put_i32(&mut out, -1), // No user data.
    }
    put_partitions(&mut out, subscription.owned);
    put_i32(&mut out, subscription.generation);
    match subscription.rack {
        "" => put_i16(&mut out, -1),
        rack => put_string(&mut out, rack),
    }
    Bytes::from(out)
}

/// The previous assignment and its generation, as Java's sticky assignor
/// keeps them since KIP-341.
fn sticky_user_data(previous: &PreviousAssignment) -> Vec<u8> {
    let mut out = Vec::with_capacity(64);
    put_partitions(&mut out, &previous.partitions);
    put_i32(&mut out, previous.generation.unwrap_or(-1));
    out
}

/// Reads what [`sticky_user_data`] writes. Before KIP-341 there was no
/// generation; bytes that are neither tell of nothing.
fn previous_of_user_data(user_data: &[u8]) -> Option<PreviousAssignment> {
    let mut input = Reader::new("user data", user_data);
    let partitions = input.take_partitions().ok()?;
    let generation = match input.is_empty() {
        true => None,
        false => Some(input.take_i32().ok()?),
    };
    Some(PreviousAssignment {
        partitions,
        generation,
    })
}

/// Decodes what the member called `member_id` subscribes to and owns, written
/// for `assignor`.
pub(crate) fn decode_subscription(
    assignor: Assignor,
    member_id: &str,
    group_instance_id: Option<&str>,
    bytes: &[u8],
) -> Result<MemberSubscription, SubscriptionError> {
    let mut input = Reader::new("subscription", bytes);
    let version = input.take_version()?;
    let topics_count = input.take_count()?;
    let mut topics = Vec::new();
    for _ in 0..topics_count {
        topics.push(Arc::from(input.take_string()?));
    }
    let user_data = input.take_bytes()?;
    let mut owned = Vec::new();
    if version >= VERSION_WITH_OWNED_PARTITIONS && !input.is_empty() {
        owned = input.take_partitions()?;
    }
    let generation = if version >= VERSION_WITH_GENERATION && !input.is_empty() {
        Some(input.take_i32()?)
    } else {
        user_data.and_then(generation_of_user_data)
    };
    let previous = user_data
        .filter(|_| assignor == Assignor::Sticky)
        .and_then(previous_of_user_data);
    Ok(MemberSubscription {
        member_id: member_id.to_owned(),
        group_instance_id: group_instance_id.map(str::to_owned),
        topics,
        owned,
        generation,
        previous,
    })
}

/// Encodes the partitions one member gets.
pub(crate) fn encode_assignment(partitions: &[TopicPartition]) -> Bytes {
    let mut out = Vec::with_capacity(64);
    put_i16(&mut out, VERSION_WRITTEN);
    put_partitions(&mut out, partitions);
    put_i32(&mut out, -1); // No user data.
    Bytes::from(out)
}

/// Decodes the partitions this member got. No bytes at all mean none: that is
/// what a leader sends for a member it gives nothing.
pub(crate) fn decode_assignment(bytes: &[u8]) -> Result<Vec<TopicPartition>, SubscriptionError> {
    if bytes.is_empty() {
        return Ok(Vec::new());
    }
    let mut input = Reader::new("assignment", bytes);
    input.take_version()?;
    input.take_partitions()
}

/// Java's cooperative sticky assignor keeps the generation alone in its user
/// data; librdkafka's ends with it.
fn generation_of_user_data(user_data: &[u8]) -> Option<i32> {
    user_data.last_chunk().copied().map(i32::from_be_bytes)
}

fn put_i16(out: &mut Vec<u8>, value: i16) {
    out.extend_from_slice(&value.to_be_bytes());
}

fn put_i32(out: &mut Vec<u8>, value: i32) {
    out.extend_from_slice(&value.to_be_bytes());
}

fn put_count(out: &mut Vec<u8>, count: usize) {
    put_i32(
        out,
        i32::try_from(count).expect("invariant: our own lists fit an i32"),
    );
}

fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_count(out, bytes.len());
    out.extend_from_slice(bytes);
}

fn put_string(out: &mut Vec<u8>, text: &str) {
    let length = i16::try_from(text.len()).expect("invariant: topic names are checked on entry");
    put_i16(out, length);
    out.extend_from_slice(text.as_bytes());
}

fn put_partitions(out: &mut Vec<u8>, partitions: &[TopicPartition]) {
    let mut by_topic: BTreeMap<&Arc<str>, Vec<i32>> = BTreeMap::new();
    for entry in partitions {
        by_topic
            .entry(&entry.topic)
            .or_default()
            .push(entry.partition);
    }
    put_count(out, by_topic.len());
    for (topic, indexes) in by_topic {
        put_string(out, topic);
        put_count(out, indexes.len());
        for index in indexes {
            put_i32(out, index);
        }
    }
}

/// Reads big-endian fields; every length is checked against what is left
/// before anything is allocated.
struct Reader<'a> {
    what: &'static str,
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    fn new(what: &'static str, rest: &'a [u8]) -> Self {
        Self { what, rest }
    }

    fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    fn error(&self, problem: &'static str) -> SubscriptionError {
        SubscriptionError {
            what: self.what,
            problem,
        }
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], SubscriptionError> {
        let (taken, rest) = self
            .rest
            .split_at_checked(length)
            .ok_or_else(|| self.error("it ends too early"))?;
        self.rest = rest;
        Ok(taken)
    }

    fn take_array<const N: usize>(&mut self) -> Result<[u8; N], SubscriptionError> {
        let (taken, rest) = self
            .rest
            .split_first_chunk::<N>()
            .ok_or_else(|| self.error("it ends too early"))?;
        self.rest = rest;
        Ok(*taken)
    }

    fn take_i32(&mut self) -> Result<i32, SubscriptionError> {
        self.take_array().map(i32::from_be_bytes)
    }

    fn take_version(&mut self) -> Result<i16, SubscriptionError> {
        let version = self.take_array().map(i16::from_be_bytes)?;
        if version < 0 {
            return Err(self.error("its version is negative"));
        }
        Ok(version)
    }

    fn take_count(&mut self) -> Result<usize, SubscriptionError> {
        let count = self.take_i32()?;
        usize::try_from(count).map_err(|_| self.error("a count is negative"))
    }

    fn take_string(&mut self) -> Result<&'a str, SubscriptionError> {
        let length = self.take_array().map(i16::from_be_bytes)?;
        let length = usize::try_from(length).map_err(|_| self.error("a name is null"))?;
        let bytes = self.take(length)?;
        std::str::from_utf8(bytes).map_err(|_| self.error("a name is not UTF-8"))
    }

    fn take_bytes(&mut self) -> Result<Option<&'a [u8]>, SubscriptionError> {
        match usize::try_from(self.take_i32()?) {
            Ok(length) => self.take(length).map(Some),
            Err(_) => Ok(None),
        }
    }

    fn take_partitions(&mut self) -> Result<Vec<TopicPartition>, SubscriptionError> {
        let mut partitions = Vec::new();
        for _ in 0..self.take_count()? {
            let topic: Arc<str> = Arc::from(self.take_string()?);
            for _ in 0..self.take_count()? {
                let partition = self.take_i32()?;
                partitions.push(TopicPartition {
                    topic: Arc::clone(&topic),
                    partition,
                });
            }
        }
        Ok(partitions)
    }
}

#[cfg(test)]
mod tests;
