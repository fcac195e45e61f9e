//! A connection as somebody sees it who must not keep it open: the task that renews its session.

use std::sync::{Arc, Weak};

use super::{Closer, Connection, Link};
use crate::error::Error;
use crate::net::writer;

/// A connection that may end meanwhile.
pub(in crate::net) struct WeakConnection {
    link: Arc<Link>,
    closer: Weak<Closer>,
}

impl Connection {
    /// A handle that does not keep the connection open.
    pub(in crate::net) fn downgrade(&self) -> WeakConnection {
        WeakConnection {
            link: Arc::clone(&self.link),
            closer: Arc::downgrade(&self._closer),
        }
    }
}

impl WeakConnection {
    /// The connection, if anyone still has it.
    pub(in crate::net) fn upgrade(&self) -> Option<Connection> {
        let closer = self.closer.upgrade()?;
        Some(Connection {
            link: Arc::clone(&self.link),
            _closer: closer,
        })
    }

    /// `host:port` of the broker.
    pub(in crate::net) fn address(&self) -> &str {
        &self.link.address
    }

    /// Whether requests are queued or unanswered.
    pub(in crate::net) fn is_used(&self) -> bool {
        self.link.lock().pipeline.load() > 0
    }

    /// Resolves when requests are queued or unanswered.
    pub(in crate::net) async fn used(&self) {
        while !self.is_used() {
            self.link.used.notified().await;
        }
    }

    /// Keeps back the requests that come from now on.
    pub(in crate::net) fn hold(&self) {
        self.link.lock().pipeline.hold();
    }

    /// Lets those go that were kept back.
    pub(in crate::net) fn release(&self) {
        self.link.lock().pipeline.release();
        writer::write_now(&self.link);
    }

    /// Fails all requests with `error` and ends the connection.
    pub(in crate::net) fn close(&self, error: Error) {
        self.link.close(error, None);
    }
}
