//! A client that is connected and shut down by hand, whichever it is.
//!
//! Owns that it is used in between only, and saying so. Connects and closes nothing.

use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::OnceCell;

use super::error::DirectError;

/// What a client is made of, once it is connected.
#[derive(Debug)]
pub(super) struct Connection<T> {
    kind: Kind,
    made: OnceCell<T>,
    is_shut_down: AtomicBool,
}

/// Whose connection it is.
#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
    Producer,
    Consumer,
}

impl<T> Connection<T> {
    /// None yet.
    pub(super) fn new(kind: Kind) -> Connection<T> {
        Connection {
            kind,
            made: OnceCell::new(),
            is_shut_down: AtomicBool::new(false),
        }
    }

    /// Connects, unless it is connected.
    pub(super) async fn open(
        &self,
        make: impl Future<Output = Result<T, DirectError>>,
    ) -> Result<(), DirectError> {
        self.check_usable()?;
        self.made.get_or_try_init(|| make).await.map(|_| ())
    }

    /// What there is between connecting and shutting down.
    pub(super) fn get(&self) -> Result<&T, DirectError> {
        self.check_usable()?;
        self.made.get().ok_or(match self.kind {
            Kind::Producer => DirectError::ProducerNotConnected,
            Kind::Consumer => DirectError::ConsumerNotConnected,
        })
    }

    pub(super) fn is_open(&self) -> bool {
        self.get().is_ok()
    }

    /// Ends its use; what is to be closed, if there is anything and it was not ended before.
    pub(super) fn shut_down(&self) -> Option<&T> {
        let was_shut_down = self.is_shut_down.swap(true, Ordering::AcqRel);
        self.made.get().filter(|_| !was_shut_down)
    }

    fn check_usable(&self) -> Result<(), DirectError> {
        if !self.is_shut_down.load(Ordering::Acquire) {
            return Ok(());
        }
        let client = match self.kind {
            Kind::Producer => "producer",
            Kind::Consumer => "consumer",
        };
        Err(DirectError::ShutDown { client })
    }
}
