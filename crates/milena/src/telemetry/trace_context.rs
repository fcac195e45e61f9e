//! W3C trace context: which trace a message belongs to, as its headers `traceparent` and
//! `tracestate` carry it.
//!
//! Owns the form of both headers and which context is current. Knows no tracing system:
//! one that is there is asked through [`Propagator`](super::Propagator).

use std::fmt;
use std::future::Future;
use std::str::FromStr;
use std::sync::Arc;

use super::propagator;
use crate::message::HeadersRef;

/// The header that says which trace a message belongs to.
pub const TRACEPARENT_HEADER: &str = "traceparent";
/// The header with what tracing systems add to it.
pub const TRACESTATE_HEADER: &str = "tracestate";

/// Bytes of a `traceparent` of version 00.
pub(crate) const TRACEPARENT_BYTES: usize = 55;
/// A longer `tracestate` is left out, as the recommendation allows.
const TRACESTATE_BYTES_MAX: usize = 512;
/// The only flag that is defined: the trace is recorded.
const SAMPLED: u8 = 1;

tokio::task_local! {
    static CURRENT: TraceContext;
}

/// The place of a message in a trace, as the [W3C recommendation] has it.
///
/// Inside a handler, [`TraceContext::current`] is the context of its message: what the
/// handler publishes carries it on by itself, and so do retries and dead letters.
///
/// ```
/// use milena::telemetry::TraceContext;
///
/// let context: TraceContext = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".parse()?;
/// assert_eq!(context.trace_id().to_string(), "4bf92f3577b34da6a3ce929d0e0e4736");
/// assert!(context.is_sampled());
/// # Ok::<(), milena::telemetry::TraceContextError>(())
/// ```
///
/// [W3C recommendation]: https://www.w3.org/TR/trace-context/
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TraceContext {
    trace_id: TraceId,
    span_id: [u8; 8],
    flags: u8,
    state: Option<Arc<str>>,
}

/// The number that all spans of a trace share; shows as 32 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TraceId([u8; 16]);

/// A text is no `traceparent`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "not a traceparent; it must be like 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01, in lower case, and neither id may be zero"
)]
#[non_exhaustive]
pub struct TraceContextError;

impl TraceContext {
    /// The context with these ids and flags (1: the trace is recorded); `None` when an id is
    /// zero, which stands for no id.
    #[must_use]
    pub fn new(trace_id: [u8; 16], span_id: [u8; 8], flags: u8) -> Option<TraceContext> {
        (trace_id != [0; 16] && span_id != [0; 8]).then_some(TraceContext {
            trace_id: TraceId(trace_id),
            span_id,
            flags,
            state: None,
        })
    }

    /// A new trace with random ids, recorded.
    #[must_use]
    pub fn generate() -> TraceContext {
        TraceContext {
            trace_id: TraceId(fastrand::u128(1..).to_be_bytes()),
            span_id: fastrand::u64(1..).to_be_bytes(),
            flags: SAMPLED,
            state: None,
        }
    }

    /// The context in effect here: that of the current span, where a tracing system knows it;
    /// otherwise that of the message being handled, or of [`TraceContext::scope`].
    #[must_use]
    pub fn current() -> Option<TraceContext> {
        let of_span = propagator::installed()
            .and_then(|propagator| propagator.context_of(&tracing::Span::current()));
        of_span.or_else(TraceContext::of_task)
    }

    /// Runs `future` with this as the current context, for those who have one from elsewhere:
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// use milena::telemetry::TraceContext;
    ///
    /// let context = TraceContext::generate();
    /// let seen = context.clone().scope(async { TraceContext::current() }).await;
    /// assert_eq!(seen, Some(context));
    /// # }
    /// ```
    pub fn scope<F: Future>(self, future: F) -> impl Future<Output = F::Output> {
        CURRENT.scope(self, future)
    }

    /// What a `tracestate` header says beside it. One that is longer than 512 bytes or not
    /// printable ASCII is left out.
    #[must_use]
    pub fn with_state(mut self, state: &str) -> TraceContext {
        let is_legal = !state.is_empty()
            && state.len() <= TRACESTATE_BYTES_MAX
            && state.bytes().all(|byte| matches!(byte, b' '..=b'~'));
        self.state = is_legal.then(|| state.into());
        self
    }

    /// The trace.
    #[must_use]
    pub fn trace_id(&self) -> TraceId {
        self.trace_id
    }

    /// The span within the trace that the message was sent from.
    #[must_use]
    pub fn span_id(&self) -> [u8; 8] {
        self.span_id
    }

    /// The flags, of which 1 means that the trace is recorded.
    #[must_use]
    pub fn flags(&self) -> u8 {
        self.flags
    }

    /// Whether the trace is recorded.
    #[must_use]
    pub fn is_sampled(&self) -> bool {
        self.flags & SAMPLED != 0
    }

    /// What tracing systems added, as the header `tracestate` has it.
    #[must_use]
    pub fn state(&self) -> Option<&str> {
        self.state.as_deref()
    }

    /// What the headers of a message say; `None` when they say nothing that can be read.
    #[must_use]
    pub fn of(headers: HeadersRef<'_>) -> Option<TraceContext> {
        let parent = headers.text(TRACEPARENT_HEADER)?;
        let context: TraceContext = parent.parse().ok()?;
        Some(match headers.text(TRACESTATE_HEADER) {
            Some(state) => context.with_state(state),
            None => context,
        })
    }

    /// The value of the header `traceparent`, in room of its own.
    pub(crate) fn traceparent(&self) -> [u8; TRACEPARENT_BYTES] {
        let mut text = [b'-'; TRACEPARENT_BYTES];
        let digits = std::iter::once(0)
            .chain(self.trace_id.0)
            .chain(self.span_id)
            .chain([self.flags])
            .flat_map(|byte| [hex_digit(byte >> 4), hex_digit(byte & 15)]);
        let places = text
            .iter_mut()
            .enumerate()
            .filter(|(index, _)| !DASHES.contains(index))
            .map(|(_, place)| place);
        for (place, digit) in places.zip(digits) {
            *place = digit;
        }
        text
    }

    /// What [`TraceContext::scope`] set.
    pub(crate) fn of_task() -> Option<TraceContext> {
        CURRENT.try_with(TraceContext::clone).ok()
    }
}

/// Where the dashes of a `traceparent` are.
const DASHES: [usize; 3] = [2, 35, 52];

fn hex_digit(value: u8) -> u8 {
    match value {
        0..=9 => b'0' + value,
        _ => b'a' + value - 10,
    }
}

impl FromStr for TraceContext {
    type Err = TraceContextError;

    /// Reads a `traceparent`: of a later version as much as is known of it.
    fn from_str(text: &str) -> Result<TraceContext, TraceContextError> {
        let mut parts = text.split('-');
        let mut part = || parts.next().ok_or(TraceContextError);
        let [version] = bytes_of_hex(part()?)?;
        let trace_id = bytes_of_hex(part()?)?;
        let span_id = bytes_of_hex(part()?)?;
        let [flags] = bytes_of_hex(part()?)?;
        if version == 0xff || (version == 0 && parts.next().is_some()) {
            return Err(TraceContextError);
        }
        TraceContext::new(trace_id, span_id, flags).ok_or(TraceContextError)
    }
}

fn bytes_of_hex<const COUNT: usize>(text: &str) -> Result<[u8; COUNT], TraceContextError> {
    if text.len() != 2 * COUNT {
        return Err(TraceContextError);
    }
    let mut bytes = [0; COUNT];
    for (byte, digits) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        for digit in digits {
            let value = match digit {
                b'0'..=b'9' => digit - b'0',
                b'a'..=b'f' => digit - b'a' + 10,
                _ => return Err(TraceContextError),
            };
            *byte = *byte << 4 | value;
        }
    }
    Ok(bytes)
}

impl fmt::Display for TraceContext {
    /// As the header `traceparent` has it.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.traceparent();
        formatter.write_str(std::str::from_utf8(&text).unwrap_or_default())
    }
}

impl TraceId {
    /// The number, most significant byte first.
    #[must_use]
    pub fn to_bytes(self) -> [u8; 16] {
        self.0
    }
}

impl fmt::Display for TraceId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:032x}", u128::from_be_bytes(self.0))
    }
}

impl fmt::Debug for TraceId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "TraceId({self})")
    }
}

#[cfg(test)]
mod tests;
