//! Features of the cluster: which there are, and at which level they are switched on (KIP-584).
//!
//! Owns the levels that were changed while the broker ran, and writes them down. What a level means is
//! the business of clients, who ask for it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use milena_wire::error_code::ErrorCode;

use crate::config::BrokerConfig;
use crate::error::BrokerError;
use crate::log::validate::Refusal;
use crate::storage::codec::{Reader, Writer};
use crate::storage::{Storage, corrupt};

/// The file they are kept in.
const DOCUMENT: &str = "features";

const GROUP_VERSION: &str = "group.version";
const GROUP_VERSION_MAX: i16 = 1;
const TRANSACTION_VERSION: &str = "transaction.version";
const TRANSACTION_VERSION_MAX: i16 = 2;

/// A feature as a client is told it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Feature {
    pub(crate) name: &'static str,
    /// 0 is off.
    pub(crate) level: i16,
    pub(crate) level_max: i16,
}

/// A level that is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Update {
    pub(crate) name: String,
    pub(crate) level: i16,
    /// Whether it may be lower than now.
    pub(crate) may_fall: bool,
}

/// The features of one node.
pub(crate) struct Features {
    storage: Arc<Storage>,
    levels: Mutex<Levels>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Levels {
    transaction_version: i16,
    /// Grows with each change.
    epoch: i64,
}

impl Features {
    /// The levels as the storage remembers them, else those of the configuration.
    pub(crate) fn open(
        storage: Arc<Storage>,
        config: &BrokerConfig,
    ) -> Result<Features, BrokerError> {
        let levels = match storage.load_document(DOCUMENT)? {
            None => Levels {
                transaction_version: config.transaction_version,
                epoch: 0,
            },
            Some(payload) => decode(&payload).ok_or_else(|| {
                corrupt(&storage.path().join(DOCUMENT), "it is no list of features")
            })?,
        };
        Ok(Features {
            storage,
            levels: Mutex::new(levels),
        })
    }

    /// All there are, and the epoch of the levels.
    pub(crate) fn told(&self) -> ([Feature; 2], i64) {
        let levels = *self.lock();
        (levels.features(), levels.epoch)
    }

    /// Changes levels, all of them or none.
    pub(crate) fn update(&self, updates: &[Update], validate_only: bool) -> Result<(), Refusal> {
        let mut levels = self.lock();
        let mut changed = *levels;
        for (position, update) in updates.iter().enumerate() {
            let same = |other: &Update| other.name == update.name;
            if updates.iter().take(position).any(same) {
                let reason = format!("{} is named twice", update.name);
                return Err(Refusal::new(ErrorCode::InvalidRequest, reason));
            }
            changed.set(update)?;
        }
        if validate_only || changed == *levels {
            return Ok(());
        }
        changed.epoch += 1;
        let saved = self.storage.save_document(DOCUMENT, &encode(changed));
        saved.map_err(|error| {
            tracing::error!(event = "features_not_saved", error = %error);
            let code = ErrorCode::KafkaStorageError;
            Refusal::new(code, code.message())
        })?;
        *levels = changed;
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Levels> {
        self.levels.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Levels {
    fn features(self) -> [Feature; 2] {
        [
            // Groups of the new protocol (KIP-848).
            Feature {
                name: GROUP_VERSION,
                level: GROUP_VERSION_MAX,
                level_max: GROUP_VERSION_MAX,
            },
            // Transactions of KIP-890.
            Feature {
                name: TRANSACTION_VERSION,
                level: self.transaction_version,
                level_max: TRANSACTION_VERSION_MAX,
            },
        ]
    }

    fn set(&mut self, update: &Update) -> Result<(), Refusal> {
        let Update { name, level, .. } = update;
        let invalid = |reason: &str| {
            let reason = format!("Invalid update version {level} for feature {name}. {reason}");
            Err(Refusal::new(ErrorCode::InvalidUpdateVersion, reason))
        };
        let known = self.features();
        let Some(feature) = known.iter().find(|feature| feature.name == name) else {
            return invalid("There is no such feature");
        };
        if !(0..=feature.level_max).contains(level) {
            return invalid(&format!("Levels 0 to {} are supported", feature.level_max));
        }
        if *level < feature.level && !update.may_fall {
            return invalid("A lower level has to be asked for as a downgrade");
        }
        if *level > feature.level && update.may_fall {
            return invalid("Can't downgrade to a newer version");
        }
        match feature.name {
            TRANSACTION_VERSION => self.transaction_version = *level,
            _ if *level == feature.level => {}
            _ => {
                let reason = format!("{name} is always on in this broker");
                return Err(Refusal::new(ErrorCode::FeatureUpdateFailed, reason));
            }
        }
        Ok(())
    }
}

fn encode(levels: Levels) -> Vec<u8> {
    let mut writer = Writer::default();
    writer.put_i64(levels.epoch);
    writer.put_i16(levels.transaction_version);
    writer.into_bytes()
}

fn decode(payload: &[u8]) -> Option<Levels> {
    let mut reader = Reader::new(payload);
    let levels = Levels {
        epoch: reader.take_i64()?,
        transaction_version: reader.take_i16()?,
    };
    let is_known = (0..=TRANSACTION_VERSION_MAX).contains(&levels.transaction_version);
    (reader.is_empty() && is_known).then_some(levels)
}

#[cfg(test)]
mod tests;
