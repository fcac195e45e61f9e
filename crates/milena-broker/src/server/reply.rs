//! What goes back to a client: response bytes, now or later, or nothing.
//!
//! Owns the encoding of responses. A response is a list of chunks that are
//! written vectored, so that record batches are not copied into it.

use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use milena_wire::rpc::{Encodable, HeaderVersion};

use crate::limits;
use crate::security::Principal;

/// What a request's header says, and where it came from.
#[derive(Debug, Clone)]
pub(crate) struct RequestContext {
    pub(crate) api_key: i16,
    pub(crate) api_version: i16,
    pub(crate) correlation_id: i32,
    pub(crate) client_id: Option<String>,
    /// The client's end of the connection.
    pub(crate) peer: SocketAddr,
    /// Our end: what is advertised when nothing else was configured.
    pub(crate) local: SocketAddr,
    /// The name of the listener, such as `SASL_SSL`.
    pub(crate) listener: Arc<str>,
    /// Who the client is.
    pub(crate) principal: Principal,
}

impl RequestContext {
    /// Who the client is, as entries of access control name it.
    pub(crate) fn principal_name(&self) -> String {
        self.principal.to_string()
    }

    /// The client id for logs and member ids; empty when there is none.
    pub(crate) fn client_id(&self) -> &str {
        self.client_id.as_deref().unwrap_or_default()
    }
}

/// A complete response frame, length prefix included.
#[derive(Debug, Default)]
pub(crate) struct ResponseFrame {
    pub(crate) chunks: Vec<Bytes>,
    /// For how long nothing more is read from the client once this is written.
    pub(crate) pause: Duration,
}

impl ResponseFrame {
    fn of(chunks: Vec<Bytes>) -> Self {
        ResponseFrame {
            chunks,
            pause: Duration::ZERO,
        }
    }

    /// How many bytes it has, its length prefix included.
    pub(crate) fn bytes(&self) -> usize {
        self.chunks.iter().map(Bytes::len).sum()
    }
}

/// Response bytes that are not there yet.
pub(crate) type LaterFrame = Pin<Box<dyn Future<Output = ResponseFrame> + Send>>;

/// How a request is answered.
pub(crate) enum Reply {
    /// Not at all: `acks=0`, or a fault that drops the response.
    Nothing,
    Ready(ResponseFrame),
    Later(LaterFrame),
    /// With this response the connection ends.
    Last(LaterFrame),
    /// The connection is closed once everything before is written.
    Disconnect,
}

/// A response of type `R`, now or later.
pub(crate) enum Outcome<R> {
    Ready(R),
    Later(Pin<Box<dyn Future<Output = R> + Send>>),
}

impl<R> Outcome<R> {
    pub(crate) fn later(future: impl Future<Output = R> + Send + 'static) -> Self {
        Outcome::Later(Box::pin(future))
    }
}

/// Turns a response message into a frame.
pub(crate) fn encode<R: Encodable + HeaderVersion>(
    context: &RequestContext,
    response: &R,
) -> ResponseFrame {
    encode_as(context, response, context.api_version)
}

/// Like [`encode`], in another version than the one asked for.
pub(crate) fn encode_as<R: Encodable + HeaderVersion>(
    context: &RequestContext,
    response: &R,
    version: i16,
) -> ResponseFrame {
    let mut writer = FrameWriter::new(context.correlation_id, R::header_version(version) >= 1);
    if let Err(error) = response.encode(&mut writer.buffer, version) {
        // Our own bug: a field was set that this version does not have.
        tracing::error!(
            event = "response_encode_failed",
            api_key = context.api_key,
            api_version = version,
            error = %error,
        );
        debug_assert!(
            false,
            "response of api {} v{version}: {error}",
            context.api_key
        );
        return ResponseFrame::default();
    }
    writer.finish()
}

/// A frame that is no response: a message with its length before it.
pub(crate) fn bare(message: &[u8]) -> ResponseFrame {
    let mut frame = BytesMut::with_capacity(4 + message.len());
    frame.put_u32(u32::try_from(message.len()).unwrap_or(u32::MAX));
    frame.put_slice(message);
    ResponseFrame::of(vec![frame.freeze()])
}

/// Builds a frame out of copied fields and shared bodies.
pub(crate) struct FrameWriter {
    pub(crate) buffer: BytesMut,
    chunks: Vec<Bytes>,
    bytes_in_chunks: usize,
}

impl FrameWriter {
    /// Starts a frame: room for the length, then the response header.
    pub(crate) fn new(correlation_id: i32, flexible_header: bool) -> Self {
        let mut buffer = BytesMut::with_capacity(256);
        buffer.put_i32(0);
        buffer.put_i32(correlation_id);
        if flexible_header {
            buffer.put_u8(0);
        }
        FrameWriter {
            buffer,
            chunks: Vec::new(),
            bytes_in_chunks: 0,
        }
    }

    /// Appends a body by reference, or by copy where that is cheaper.
    pub(crate) fn put_shared(&mut self, body: &Bytes) {
        if body.len() < limits::SHARED_BYTES_MIN {
            self.buffer.put_slice(body);
            return;
        }
        if !self.buffer.is_empty() {
            let head = self.buffer.split().freeze();
            self.bytes_in_chunks += head.len();
            self.chunks.push(head);
        }
        self.bytes_in_chunks += body.len();
        self.chunks.push(body.clone());
    }

    /// Ends the frame and fills in its length.
    pub(crate) fn finish(mut self) -> ResponseFrame {
        let length = self.bytes_in_chunks + self.buffer.len() - 4;
        let length = u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes();
        if self.chunks.is_empty() {
            self.buffer[..4].copy_from_slice(&length);
            return ResponseFrame::of(vec![self.buffer.freeze()]);
        }
        if !self.buffer.is_empty() {
            self.chunks.push(self.buffer.freeze());
        }
        // The first chunk was split from our own buffer and is not shared yet.
        let first = std::mem::take(&mut self.chunks[0]);
        let mut first = first
            .try_into_mut()
            .unwrap_or_else(|shared| BytesMut::from(&shared[..]));
        first[..4].copy_from_slice(&length);
        self.chunks[0] = first.freeze();
        ResponseFrame::of(self.chunks)
    }
}

#[cfg(test)]
mod tests;
