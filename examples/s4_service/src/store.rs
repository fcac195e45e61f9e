//! Notifications and whether they were sent: a database's place, in memory.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::Notification;

/// Clones are the same store.
#[derive(Clone, Default)]
pub(crate) struct Store {
    rows: Arc<Mutex<Rows>>,
}

#[derive(Default)]
struct Rows {
    notifications: Vec<(Notification, bool)>,
    generic: usize,
    mine: usize,
}

impl Store {
    pub(crate) fn add(&self, notification: Notification) {
        self.rows().notifications.push((notification, false));
    }

    /// The oldest that were not sent, with their ids.
    pub(crate) fn unsent(&self, limit: usize) -> Vec<(usize, Notification)> {
        let rows = self.rows();
        let rows = rows.notifications.iter().enumerate();
        let unsent = rows.filter(|(_, (_, is_sent))| !is_sent);
        let unsent = unsent.map(|(id, (notification, _))| (id, notification.clone()));
        unsent.take(limit).collect()
    }

    pub(crate) fn mark_sent(&self, id: usize) {
        if let Some((_, is_sent)) = self.rows().notifications.get_mut(id) {
            *is_sent = true;
        }
    }

    pub(crate) fn sent(&self) -> usize {
        let rows = self.rows();
        rows.notifications
            .iter()
            .filter(|(_, is_sent)| *is_sent)
            .count()
    }

    pub(crate) fn count_generic(&self) {
        self.rows().generic += 1;
    }

    pub(crate) fn count_mine(&self) {
        self.rows().mine += 1;
    }

    /// Whether a message of each of the other topics was handled.
    pub(crate) fn has_others(&self) -> bool {
        let rows = self.rows();
        rows.generic > 0 && rows.mine > 0
    }

    fn rows(&self) -> MutexGuard<'_, Rows> {
        self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
