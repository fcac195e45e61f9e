//! As which member of its group the consumer was handed its last records.
//!
//! Owns two identities: the current one, and that of the last records. Rebalances go on in the
//! background, so the current one says too little about records that were handed out before.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::group::Identity;

/// Who the consumer is, and who it was.
#[derive(Debug, Default)]
pub(crate) struct Memberships {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    current: Arc<Identity>,
    polled_as: Option<Arc<Identity>>,
}

impl Memberships {
    /// The group's task tells who the consumer is.
    pub(crate) fn set_current(&self, identity: &Identity) {
        let mut inner = self.lock();
        if *inner.current != *identity {
            inner.current = Arc::new(identity.clone());
        }
    }

    /// To be asked before records are taken: what is taken later was assigned to this member,
    /// or to a later one.
    pub(super) fn current(&self) -> Arc<Identity> {
        Arc::clone(&self.lock().current)
    }

    /// Records were taken after `current` had said this.
    pub(super) fn set_polled_as(&self, identity: Arc<Identity>) {
        self.lock().polled_as = Some(identity);
    }

    /// As whom the last records were taken; the current one before the first.
    pub(super) fn polled_as(&self) -> Arc<Identity> {
        let inner = self.lock();
        Arc::clone(inner.polled_as.as_ref().unwrap_or(&inner.current))
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
