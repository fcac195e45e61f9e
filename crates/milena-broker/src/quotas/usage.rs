//! Who has used how much of what is limited, and who has to pause.
//!
//! Owns the choice of the quota that counts for a client, and the rates of all clients. The times are
//! given to it.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use tokio::time::Instant;

use super::rate::{PAUSE_MAX, Rate, Windows};
use super::{CLIENT_ID, Entity, USER, Values};
use crate::limits::CLIENTS_COUNTED_MAX;

/// What is limited.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Limited {
    /// Bytes of Produce requests.
    Produced,
    /// Bytes of Fetch responses.
    Fetched,
    /// Time of handling requests, in hundredths of a processor.
    Handled,
}

impl Limited {
    /// The name of its quota.
    pub(super) fn key(self) -> &'static str {
        match self {
            Self::Produced => "producer_byte_rate",
            Self::Fetched => "consumer_byte_rate",
            Self::Handled => "request_percentage",
        }
    }

    pub(super) const ALL: [Self; 3] = [Self::Produced, Self::Fetched, Self::Handled];
}

/// Those who share a quota: a user, a client id, or both.
type Sharers = (Limited, Option<String>, Option<String>);

/// The rates of all clients with a quota.
#[derive(Debug, Default)]
pub(super) struct Usage {
    rates: HashMap<Sharers, Rate>,
}

impl Usage {
    /// Counts what a client used; tells for how long it has to pause.
    pub(super) fn record(
        &mut self,
        entries: &BTreeMap<Entity, Values>,
        limited: Limited,
        (user, client_id): (&str, &str),
        used: f64,
        (windows, now): (Windows, Instant),
    ) -> Duration {
        let Some((entity, allowed)) = quota_of(entries, limited.key(), user, client_id) else {
            return Duration::ZERO;
        };
        let of = |kind: &str, name: &str| entity.contains_key(kind).then(|| name.to_owned());
        let sharers = (limited, of(USER, user), of(CLIENT_ID, client_id));
        if !self.rates.contains_key(&sharers) && !self.has_room(windows, now) {
            tracing::warn!(event = "client_not_counted", user, client_id);
            return Duration::ZERO;
        }
        let rate = self.rates.entry(sharers).or_default();
        rate.record(used, windows, now);
        let pause = rate.pause(allowed, windows, now);
        // Time is given back as it passes: there is nothing to make up for beyond a window.
        let pause_max = match limited {
            Limited::Handled => windows.length,
            _ => PAUSE_MAX,
        };
        pause.min(pause_max)
    }

    fn has_room(&mut self, windows: Windows, now: Instant) -> bool {
        if self.rates.len() >= CLIENTS_COUNTED_MAX {
            self.rates.retain(|_, rate| !rate.is_idle(windows, now));
        }
        self.rates.len() < CLIENTS_COUNTED_MAX
    }
}

/// The quota that counts for a client, and whose it is: the most special one that there is (KIP-55).
fn quota_of<'a>(
    entries: &'a BTreeMap<Entity, Values>,
    key: &str,
    user: &str,
    client_id: &str,
) -> Option<(&'a Entity, f64)> {
    let (user, client_id) = (Some(user), Some(client_id));
    // A name, whoever has no quota of his own, or not by this at all.
    let order = [
        (Some(user), Some(client_id)),
        (Some(user), Some(None)),
        (Some(user), None),
        (Some(None), Some(client_id)),
        (Some(None), Some(None)),
        (Some(None), None),
        (None, Some(client_id)),
        (None, Some(None)),
    ];
    order.into_iter().find_map(|(user, client_id)| {
        let parts = [(USER, user), (CLIENT_ID, client_id)];
        let parts = parts.into_iter().filter_map(|(kind, name)| {
            let name = name?;
            Some((kind.to_owned(), name.map(str::to_owned)))
        });
        let (entity, values) = entries.get_key_value(&parts.collect::<Entity>())?;
        let bits = values.get(key)?;
        Some((entity, f64::from_bits(*bits)))
    })
}

#[cfg(test)]
mod tests;
