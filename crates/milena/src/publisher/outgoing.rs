//! A message on its way out.

use std::borrow::Cow;

use bytes::Bytes;
use serde::Serialize;
use smol_str::SmolStr;
use thin_vec::ThinVec;

use super::message_id::MessageId;
use super::serialize::ToBytes;
use crate::message::MESSAGE_ID_HEADER;
use crate::telemetry::{TRACEPARENT_HEADER, TRACESTATE_HEADER, TraceContext};

/// A message to publish.
///
/// ```
/// use milena::Outgoing;
///
/// #[derive(serde::Serialize)]
/// struct Order { id: u32 }
///
/// let message = Outgoing::to("orders").key("customer-7").json(&Order { id: 1 })?;
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
#[must_use = "a message does nothing until a publisher sends it"]
// A message is moved in steps of 16 bytes, which a processor has to wait for if they were written
// at other places: what has 16 bytes and more comes first.
#[repr(C)]
pub struct Outgoing {
    pub(crate) key: Option<Bytes>,
    pub(crate) value: Option<Bytes>,
    pub(crate) timestamp: Option<i64>,
    /// Takes no memory of its own if it is a literal, or up to 23 bytes long.
    pub(crate) topic: SmolStr,
    pub(crate) partition: Option<i32>,
    pub(crate) headers: ThinVec<(String, Option<Bytes>)>,
    /// Stays here: for observers only.
    pub(crate) metadata: Option<Box<Metadata>>,
}

// Larger ones are moved by a call.
const _: () = assert!(size_of::<Outgoing>() <= 128);

/// Names and values; apart from the message, as it is mostly not there and messages are many.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Metadata(pub(crate) Vec<(String, String)>);

impl Outgoing {
    /// A message for `topic` (without the configured prefix), with neither key nor value. A
    /// literal costs nothing; a name that is borrowed has to be made a `String`.
    #[inline]
    pub fn to(topic: impl Into<Cow<'static, str>>) -> Outgoing {
        Outgoing::to_topic(match topic.into() {
            Cow::Borrowed(topic) => SmolStr::new_static(topic),
            Cow::Owned(topic) => SmolStr::from(topic),
        })
    }

    #[inline]
    pub(super) fn to_topic(topic: SmolStr) -> Outgoing {
        Outgoing {
            topic,
            partition: None,
            timestamp: None,
            key: None,
            value: None,
            headers: ThinVec::new(),
            metadata: None,
        }
    }

    /// Messages of one key stay in order, in one partition.
    #[inline]
    pub fn key(mut self, key: impl Into<Bytes>) -> Outgoing {
        self.key = Some(key.into());
        self
    }

    /// Sets the value as it is.
    #[inline]
    pub fn value(mut self, value: impl Into<Bytes>) -> Outgoing {
        self.value = Some(value.into());
        self
    }

    /// Sets the key to `key` in its form as bytes.
    #[inline]
    pub fn key_from<T: ToBytes + ?Sized>(self, key: &T) -> Outgoing {
        self.key(key.to_bytes())
    }

    /// Sets the value to `value` in its form as bytes.
    #[inline]
    pub fn value_from<T: ToBytes + ?Sized>(self, value: &T) -> Outgoing {
        self.value(value.to_bytes())
    }

    /// Sets the value to `value` as JSON.
    ///
    /// # Errors
    /// When `value` cannot be written as JSON, a map with keys that are no texts say.
    pub fn json<T: Serialize + ?Sized>(self, value: &T) -> Result<Outgoing, serde_json::Error> {
        Ok(self.value(serde_json::to_vec(value)?))
    }

    /// Sets the key to what `serialize` makes of `key`.
    ///
    /// # Errors
    /// What `serialize` fails with.
    pub fn key_with<T: ?Sized, B: Into<Bytes>, E>(
        self,
        serialize: impl FnOnce(&T) -> Result<B, E>,
        key: &T,
    ) -> Result<Outgoing, E> {
        Ok(self.key(serialize(key)?))
    }

    /// Sets the value to what `serialize` makes of `value`: the function of a `serde` format,
    /// or one of yours.
    ///
    /// ```
    /// use milena::Outgoing;
    ///
    /// #[derive(serde::Serialize)]
    /// struct Order { id: u32 }
    ///
    /// // So would rmp_serde::to_vec do, serde_cbor::to_vec, postcard::to_allocvec, …
    /// let message = Outgoing::to("orders").value_with(serde_json::to_vec, &Order { id: 1 })?;
    /// // Or with an error of your own:
    /// let line = |order: &Order| match order.id {
    ///     0 => Err("an order without an id"),
    ///     id => Ok(format!("order {id}")),
    /// };
    /// let refused = Outgoing::to("orders").value_with(line, &Order { id: 0 });
    /// assert_eq!(refused.unwrap_err(), "an order without an id");
    /// # Ok::<(), serde_json::Error>(())
    /// ```
    ///
    /// # Errors
    /// What `serialize` fails with.
    pub fn value_with<T: ?Sized, B: Into<Bytes>, E>(
        self,
        serialize: impl FnOnce(&T) -> Result<B, E>,
        value: &T,
    ) -> Result<Outgoing, E> {
        Ok(self.value(serialize(value)?))
    }

    /// Adds a header; a name may repeat.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<Bytes>) -> Outgoing {
        self.headers.push((name.into(), Some(value.into())));
        self
    }

    /// Adds a header whose value is null.
    pub fn null_header(mut self, name: impl Into<String>) -> Outgoing {
        self.headers.push((name.into(), None));
        self
    }

    /// Gives the message an id; without one it gets a random UUID.
    pub fn id(self, id: impl Into<Bytes>) -> Outgoing {
        self.header(MESSAGE_ID_HEADER, id)
    }

    /// Chooses the partition; without it, the key does.
    #[inline]
    pub fn partition(mut self, partition: i32) -> Outgoing {
        self.partition = Some(partition);
        self
    }

    /// Sets the timestamp, in milliseconds since the Unix epoch; without it, now.
    #[inline]
    pub fn timestamp(mut self, milliseconds: i64) -> Outgoing {
        self.timestamp = Some(milliseconds);
        self
    }

    /// Attaches something for a [`DeliveryObserver`](crate::DeliveryObserver) to see; it is
    /// not sent.
    pub fn metadata(mut self, name: impl Into<String>, value: impl Into<String>) -> Outgoing {
        let Metadata(metadata) = self.metadata.get_or_insert_default().as_mut();
        metadata.push((name.into(), value.into()));
        self
    }

    /// The topic, without the configured prefix.
    #[must_use]
    pub fn topic(&self) -> &str {
        &self.topic
    }

    /// What is attached.
    pub(super) fn attached(&self) -> &[(String, String)] {
        self.metadata.as_deref().map_or(&[], |Metadata(all)| all)
    }

    /// Whether the message says itself which trace it belongs to.
    pub(super) fn is_traced(&self) -> bool {
        let mut headers = self.headers.iter();
        headers.any(|(name, _)| name == TRACEPARENT_HEADER)
    }

    /// The latest of its headers that says so.
    pub(super) fn traceparent(&self) -> Option<&str> {
        let mut headers = self.headers.iter().rev();
        let (_, value) = headers.find(|(name, _)| name == TRACEPARENT_HEADER)?;
        std::str::from_utf8(value.as_deref()?).ok()
    }

    /// Makes the message part of a trace, whoever sends it and when.
    pub(super) fn trace(&mut self, context: &TraceContext) {
        let mut add = |name: &str, value: String| {
            self.headers.push((name.to_owned(), Some(value.into())));
        };
        add(TRACEPARENT_HEADER, context.to_string());
        if let Some(state) = context.state() {
            add(TRACESTATE_HEADER, state.to_owned());
        }
    }

    #[inline]
    pub(super) fn has_id(&self) -> bool {
        let mut headers = self.headers.iter();
        headers.any(|(name, _)| name == MESSAGE_ID_HEADER)
    }

    /// The id that was given; a null one counts as empty, as does none.
    pub(super) fn given_id(&self) -> MessageId {
        let mut headers = self.headers.iter();
        let header = headers.find(|(name, _)| name == MESSAGE_ID_HEADER);
        let value = header.and_then(|(_, value)| value.as_deref());
        MessageId::given(value.unwrap_or_default())
    }
}
