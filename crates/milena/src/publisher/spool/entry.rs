//! A message as bytes, and back. Numbers are little-endian; a text or bytes come after their
//! length in four bytes, which is all ones for null.

use bytes::{Buf as _, BufMut as _, Bytes};
use uuid::Uuid;

use crate::publisher::{MessageId, Outgoing};

/// What the first byte of an entry says.
const VERSION: u8 = 1;
const NULL: u32 = u32::MAX;

/// A message that was spooled.
#[derive(Debug, PartialEq)]
pub(in crate::publisher) struct Entry {
    pub(in crate::publisher) message: Outgoing,
    pub(in crate::publisher) id: MessageId,
    /// How often it had been tried.
    pub(in crate::publisher) attempts: u32,
    /// When it was spooled, in milliseconds since the Unix epoch.
    pub(in crate::publisher) spooled_at: i64,
}

/// Appends a message to `bytes`. Without a timestamp of its own it gets that of its spooling: it
/// is to say when the message was published, not when the cluster was back.
pub(in crate::publisher) fn encode(
    bytes: &mut Vec<u8>,
    message: &Outgoing,
    id: &MessageId,
    attempts: u32,
    spooled_at: i64,
) {
    bytes.put_u8(VERSION);
    bytes.put_u32_le(attempts);
    bytes.put_i64_le(spooled_at);
    bytes.put_i64_le(message.timestamp.unwrap_or(spooled_at));
    bytes.put_i32_le(message.partition.unwrap_or(-1));
    put(bytes, Some(message.topic.as_bytes()));
    put(bytes, message.key.as_deref());
    put(bytes, message.value.as_deref());
    let made = id.made_id().map(Uuid::from);
    put(bytes, made.as_ref().map(|id| &id.as_bytes()[..]));
    put_count(bytes, message.headers.len());
    for (name, value) in &message.headers {
        put(bytes, Some(name.as_bytes()));
        put(bytes, value.as_deref());
    }
    put_count(bytes, message.attached().len());
    for (name, value) in message.attached() {
        put(bytes, Some(name.as_bytes()));
        put(bytes, Some(value.as_bytes()));
    }
}

/// The message of `bytes`; `None` when they are none.
pub(in crate::publisher) fn decode(mut bytes: Bytes) -> Option<Entry> {
    if bytes.try_get_u8().ok()? != VERSION {
        return None;
    }
    let attempts = bytes.try_get_u32_le().ok()?;
    let spooled_at = bytes.try_get_i64_le().ok()?;
    let timestamp = bytes.try_get_i64_le().ok()?;
    let partition = bytes.try_get_i32_le().ok()?;
    let topic = take_text(&mut bytes)?;
    let key = take(&mut bytes)?;
    let value = take(&mut bytes)?;
    let made_id = take(&mut bytes)?;
    let mut message = Outgoing {
        partition: (partition >= 0).then_some(partition),
        timestamp: Some(timestamp),
        key,
        value,
        ..Outgoing::to(topic)
    };
    // Grown one by one: the counts are not to be trusted with an allocation.
    for _ in 0..bytes.try_get_u32_le().ok()? {
        let name = take_text(&mut bytes)?;
        message.headers.push((name, take(&mut bytes)?));
    }
    for _ in 0..bytes.try_get_u32_le().ok()? {
        let name = take_text(&mut bytes)?;
        message = message.metadata(name, take_text(&mut bytes)?);
    }
    let id = match made_id {
        Some(id) => MessageId::made(Uuid::from_slice(&id).ok()?.into()),
        None if message.has_id() => message.given_id(),
        None => return None,
    };
    Some(Entry {
        message,
        id,
        attempts,
        spooled_at,
    })
}

/// Lengths of fields and counts come from messages that were to fit into a request.
fn put_count(bytes: &mut Vec<u8>, count: usize) {
    bytes.put_u32_le(u32::try_from(count).unwrap_or(NULL));
}

fn put(bytes: &mut Vec<u8>, field: Option<&[u8]>) {
    match field {
        None => bytes.put_u32_le(NULL),
        Some(field) => {
            put_count(bytes, field.len());
            bytes.put_slice(field);
        }
    }
}

/// A field that may be null; `None` when the bytes end before it does.
fn take(bytes: &mut Bytes) -> Option<Option<Bytes>> {
    match bytes.try_get_u32_le().ok()? {
        NULL => Some(None),
        length => {
            let length = usize::try_from(length).ok()?;
            (length <= bytes.len()).then(|| Some(bytes.split_to(length)))
        }
    }
}

fn take_text(bytes: &mut Bytes) -> Option<String> {
    String::from_utf8(take(bytes)??.into()).ok()
}
