//! Messages as the producer's records, with the headers that publishing adds. Nothing is copied, and
//! nothing allocated for messages with few headers.

use milena_client::producer::{Header, Record};

use super::Outgoing;
use super::message_id::{MadeId, TEXT_BYTES};
use crate::dead_letter::NewDeadLetter;
use crate::message::MESSAGE_ID_HEADER;
use crate::telemetry::{
    TRACEPARENT_BYTES, TRACEPARENT_HEADER, TRACESTATE_HEADER, TraceContext, TraceId,
};

/// Messages with so many headers, the id's among them, need no room on the heap.
const HEADERS_FEW: usize = 6;

const NO_HEADER: Header<'static> = Header {
    key: "",
    value: None,
};

pub(super) fn headers_room<'a>() -> ([Header<'a>; HEADERS_FEW], Vec<Header<'a>>) {
    ([NO_HEADER; HEADERS_FEW], Vec::new())
}

/// The texts of an id and a trace context while their record is encoded.
pub(super) struct Written {
    id: [u8; TEXT_BYTES],
    traceparent: [u8; TRACEPARENT_BYTES],
}

impl Written {
    pub(super) fn new() -> Written {
        Written {
            id: [0; TEXT_BYTES],
            traceparent: [0; TRACEPARENT_BYTES],
        }
    }

    /// The message's headers, an id that was made for it, and the trace context.
    pub(super) fn headers<'a>(
        &'a mut self,
        message: &'a Outgoing,
        made: Option<MadeId>,
        trace: Option<&'a TraceContext>,
        few: &'a mut [Header<'a>; HEADERS_FEW],
        many: &'a mut Vec<Header<'a>>,
    ) -> &'a [Header<'a>] {
        let id = made.map(|id| {
            self.id = id.text();
            id_header(&self.id)
        });
        let own = message.headers.iter().map(|(key, value)| Header {
            key,
            value: value.as_deref(),
        });
        let mut count = message.headers.len() + usize::from(id.is_some());
        let (mut parent, mut state) = (None, None);
        if let Some(trace) = trace {
            self.traceparent = trace.traceparent();
            parent = Some(Header {
                key: TRACEPARENT_HEADER,
                value: Some(&self.traceparent),
            });
            state = trace.state().map(|state| Header {
                key: TRACESTATE_HEADER,
                value: Some(state.as_bytes()),
            });
            count += 1 + usize::from(state.is_some());
        }
        let headers = own.chain(id).chain(parent).chain(state);
        if let Some(room) = few.get_mut(..count) {
            for (slot, header) in room.iter_mut().zip(headers) {
                *slot = header;
            }
            return room;
        }
        many.extend(headers);
        many
    }
}

/// Calls `send` with the record of a message, for a topic that was looked up.
#[inline]
pub(super) fn with_record<R>(
    message: &Outgoing,
    made: Option<MadeId>,
    trace: Option<&TraceContext>,
    send: impl FnOnce(Record<'_>) -> R,
) -> R {
    let (id, one, mut written, mut few, mut many);
    // The id is all there is, mostly.
    let headers = match (made, trace) {
        (Some(made), None) if message.headers.is_empty() => {
            id = made.text();
            one = id_header(&id);
            std::slice::from_ref(&one)
        }
        _ => {
            written = Written::new();
            (few, many) = headers_room();
            written.headers(message, made, trace, &mut few, &mut many)
        }
    };
    send(record(message, headers))
}

#[inline]
fn id_header(text: &[u8; TEXT_BYTES]) -> Header<'_> {
    Header {
        key: MESSAGE_ID_HEADER,
        value: Some(text),
    }
}

/// The trace a message belongs to: by what is put into its headers, or is there already.
pub(super) fn trace_id(put: Option<&TraceContext>, message: &Outgoing) -> Option<TraceId> {
    let own = || message.traceparent()?.parse::<TraceContext>().ok();
    put.map(TraceContext::trace_id)
        .or_else(|| own().map(|context| context.trace_id()))
}

/// The record of a message, for a topic that was looked up.
pub(super) fn record<'a>(message: &'a Outgoing, headers: &'a [Header<'a>]) -> Record<'a> {
    let mut record = Record::to("").headers(headers);
    record.key = message.key.as_deref();
    record.value = message.value.as_deref();
    record.partition = message.partition;
    record.timestamp = message.timestamp;
    record
}

pub(super) fn letter_headers(letter: &NewDeadLetter) -> Vec<Header<'_>> {
    let headers = letter.headers.iter();
    headers
        .map(|(key, value)| Header {
            key,
            value: value.as_deref(),
        })
        .collect()
}

pub(super) fn letter_record<'a>(
    topic: &'a str,
    letter: &'a NewDeadLetter,
    headers: &'a [Header<'a>],
) -> Record<'a> {
    let mut record = Record::to(topic)
        .headers(headers)
        .timestamp(letter.timestamp);
    record.key = letter.key.as_deref();
    record.value = letter.value.as_deref();
    record
}
