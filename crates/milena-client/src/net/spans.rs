//! What is told of connections, see [`crate::spans`].

use tracing::Span;
use tracing::field::Empty;

use crate::spans::{SASL_MECHANISM, SERVER_ADDRESS, SERVER_PORT, messaging_span, note_server};

/// `address` is dialled.
pub(super) fn connect(client_id: &str, address: &str) -> Span {
    let span = messaging_span!(
        "connect",
        "client",
        client_id,
        { SERVER_ADDRESS } = Empty,
        { SERVER_PORT } = Empty,
    );
    note_server(&span, address);
    span
}

/// We prove who we are to the broker at `address`.
pub(super) fn authenticate(client_id: &str, address: &str, mechanism: &str) -> Span {
    let span = messaging_span!(
        "authenticate",
        "client",
        client_id,
        { SASL_MECHANISM } = mechanism,
        { SERVER_ADDRESS } = Empty,
        { SERVER_PORT } = Empty,
    );
    note_server(&span, address);
    span
}
