//! Which requests a broker understands, in which versions, and what its cluster has finalized.

use crate::wire::ApiKey;

/// Api keys at or above this are not ours to remember.
const API_KEYS_MAX: i16 = 256;

/// The version ranges a broker announced, by api key.
#[derive(Debug, Clone, Default)]
pub(super) struct ApiVersions {
    ranges: Vec<Option<(i16, i16)>>,
    transaction_version: i16,
}

impl ApiVersions {
    /// Remembers `(api key, min, max)` rows; the last one of a key counts.
    pub(super) fn new(rows: impl IntoIterator<Item = (i16, i16, i16)>) -> Self {
        let mut ranges = Vec::new();
        for (key, min, max) in rows
            .into_iter()
            .filter(|(key, ..)| (0..API_KEYS_MAX).contains(key))
        {
            let index = key as usize;
            if ranges.len() <= index {
                ranges.resize(index + 1, None);
            }
            ranges[index] = Some((min, max));
        }
        Self {
            ranges,
            transaction_version: 0,
        }
    }

    /// With the finalized level of the feature `transaction.version` (KIP-584, KIP-890).
    pub(super) fn with_transaction_version(mut self, level: i16) -> Self {
        self.transaction_version = level;
        self
    }

    /// The finalized level of `transaction.version`; 0 when the cluster has none.
    pub(super) fn transaction_version(&self) -> i16 {
        self.transaction_version
    }

    /// The highest version of `api` that the broker knows and that lies within `min` and `max`.
    pub(super) fn highest_within(&self, api: ApiKey, min: i16, max: i16) -> Option<i16> {
        let (broker_min, broker_max) = (*self.ranges.get(api as usize)?)?;
        let highest = broker_max.min(max);
        (highest >= broker_min.max(min)).then_some(highest)
    }
}
