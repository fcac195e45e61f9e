//! When to look at which transaction again.
//!
//! Owns at most one deadline an id. Reads no clock.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

/// How long the timer sleeps when nothing is due; it is woken when that changes.
const IDLE: Duration = Duration::from_secs(60 * 60);

#[derive(Debug, Default)]
pub(super) struct Schedule {
    due: BTreeSet<(Instant, Arc<str>)>,
    by_id: HashMap<Arc<str>, Instant>,
}

impl Schedule {
    /// Has the timer come at `at`, unless it comes sooner anyway: whoever is looked at
    /// too early is put off. Says whether the earliest deadline has changed.
    pub(super) fn add(&mut self, id: &Arc<str>, at: Instant) -> bool {
        if self.by_id.get(id).is_some_and(|known| *known <= at) {
            return false;
        }
        self.forget(id);
        let is_earliest = self.due.first().is_none_or(|(first, _)| at < *first);
        self.due.insert((at, id.clone()));
        self.by_id.insert(id.clone(), at);
        is_earliest
    }

    pub(super) fn forget(&mut self, id: &Arc<str>) {
        if let Some(at) = self.by_id.remove(id) {
            self.due.remove(&(at, id.clone()));
        }
    }

    /// An id that is due, or when to ask again.
    pub(super) fn take_due(&mut self, now: Instant) -> Result<Arc<str>, Instant> {
        match self.due.first() {
            None => Err(now + IDLE),
            Some((at, _)) if *at > now => Err(*at),
            Some((_, id)) => {
                let id = id.clone();
                self.forget(&id);
                Ok(id)
            }
        }
    }
}
