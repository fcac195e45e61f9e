//! The topics that are published to: each name is checked, given its prefix and looked up once.
//!
//! Reached without a lock or a hash by those who publish to a few topics. Forgets none: they are
//! as many as the producer below remembers.

use std::collections::HashMap;
use std::sync::{OnceLock, PoisonError, RwLock};

use milena_client::producer::TopicHandle;

/// So many topics are found by comparing names.
const FEW: usize = 16;

#[derive(Debug, Default)]
pub(super) struct Topics {
    /// Filled from the first on; the names are those without the prefix.
    few: [OnceLock<(Box<str>, TopicHandle)>; FEW],
    others: RwLock<HashMap<Box<str>, TopicHandle>>,
}

impl Topics {
    /// The topic of this name, if it was looked up. `room` holds it if it is one of many.
    #[inline(always)]
    pub(super) fn find<'a>(
        &'a self,
        name: &str,
        room: &'a mut Option<TopicHandle>,
    ) -> Option<&'a TopicHandle> {
        for place in &self.few {
            let (known, topic) = place.get()?;
            if **known == *name {
                return Some(topic);
            }
        }
        *room = self.find_other(name);
        room.as_ref()
    }

    #[cold]
    fn find_other(&self, name: &str) -> Option<TopicHandle> {
        let others = self.others.read().unwrap_or_else(PoisonError::into_inner);
        others.get(name).cloned()
    }

    /// Remembers a topic. Two who look one up at once remember it twice, which does no harm.
    #[cold]
    pub(super) fn remember(&self, name: &str, topic: &TopicHandle) {
        let mut entry = (Box::from(name), topic.clone());
        for place in &self.few {
            match place.set(entry) {
                Ok(()) => return,
                Err(back) => entry = back,
            }
        }
        let mut others = self.others.write().unwrap_or_else(PoisonError::into_inner);
        others.insert(entry.0, entry.1);
    }
}

#[cfg(test)]
mod tests;
