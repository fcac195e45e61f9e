//! From sockets to handlers and back.
//!
//! Owns listening, framing, the order of responses, and the choice of the
//! handler. Knows no partition and no group.

pub(crate) mod apis;
mod authentication;
mod connection;
mod dispatch;
mod listener;
mod refuse;
pub(crate) mod reply;
mod throttle;
mod unsupported;

pub(crate) use listener::{Listener, ServerHandle, serve, stopped};
pub(crate) use reply::RequestContext;
