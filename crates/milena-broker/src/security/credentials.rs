//! SCRAM credentials of all users: kept in memory, written down on each change.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use milena_wire::sasl::scram::{ScramCredential, ScramMechanism};

use crate::error::BrokerError;
use crate::storage::codec::{Reader, Writer};
use crate::storage::{Storage, corrupt};

/// The file they are kept in.
const DOCUMENT: &str = "users";

/// The credentials of one user, one a mechanism.
pub(crate) type UserCredentials = BTreeMap<ScramMechanism, ScramCredential>;

/// All users by name.
pub(crate) type Users = BTreeMap<String, UserCredentials>;

/// Who has which SCRAM credentials.
pub(crate) struct ScramStore {
    users: Mutex<Users>,
    storage: Arc<Storage>,
}

impl ScramStore {
    /// The credentials that were written down before.
    ///
    /// # Errors
    /// The file is damaged, or not one of ours.
    pub(crate) fn open(storage: Arc<Storage>) -> Result<Self, BrokerError> {
        let users = match storage.load_document(DOCUMENT)? {
            None => Users::new(),
            Some(payload) => decode_users(&payload).ok_or_else(|| {
                corrupt(&storage.path().join(DOCUMENT), "it is not a list of users")
            })?,
        };
        Ok(Self {
            users: Mutex::new(users),
            storage,
        })
    }

    /// What is kept of a user's password.
    pub(crate) fn find(&self, user: &str, mechanism: ScramMechanism) -> Option<ScramCredential> {
        self.lock().get(user)?.get(&mechanism).cloned()
    }

    /// A user's mechanisms and iterations, in the order of the mechanisms' numbers.
    pub(crate) fn describe(&self, user: &str) -> Option<Vec<(ScramMechanism, u32)>> {
        let users = self.lock();
        let credentials = users.get(user)?.iter();
        let row = |(mechanism, credential): (&ScramMechanism, &ScramCredential)| {
            (*mechanism, credential.iterations)
        };
        Some(credentials.map(row).collect())
    }

    /// The names of all users.
    pub(crate) fn names(&self) -> Vec<String> {
        self.lock().keys().cloned().collect()
    }

    /// Changes all credentials in one step; what could not be written down did not happen.
    pub(crate) fn change(&self, change: impl FnOnce(&mut Users)) -> Result<(), BrokerError> {
        let mut users = self.lock();
        let mut changed = users.clone();
        change(&mut changed);
        changed.retain(|_, credentials| !credentials.is_empty());
        if changed != *users {
            self.storage
                .save_document(DOCUMENT, &encode_users(&changed))?;
            *users = changed;
        }
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Users> {
        self.users.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// All users as a file's payload.
fn encode_users(users: &Users) -> Vec<u8> {
    let mut writer = Writer::default();
    writer.put_count(users.len());
    for (user, credentials) in users {
        writer.put_text(user);
        writer.put_count(credentials.len());
        for (mechanism, credential) in credentials {
            writer.put_u8(mechanism.number().unsigned_abs());
            writer.put_bytes(&credential.salt);
            writer.put_u64(u64::from(credential.iterations));
            writer.put_bytes(&credential.stored_key);
            writer.put_bytes(&credential.server_key);
        }
    }
    writer.into_bytes()
}

/// Reads what [`encode_users`] wrote; nothing, if it is something else.
fn decode_users(payload: &[u8]) -> Option<Users> {
    let mut reader = Reader::new(payload);
    let mut users = Users::new();
    for _ in 0..reader.take_count()? {
        let user = reader.take_text()?.to_string();
        let mut credentials = UserCredentials::new();
        for _ in 0..reader.take_count()? {
            let number = i8::try_from(reader.take_u8()?).ok()?;
            let credential = ScramCredential {
                salt: reader.take_bytes()?.to_vec(),
                iterations: u32::try_from(reader.take_u64()?).ok()?,
                stored_key: reader.take_bytes()?.to_vec(),
                server_key: reader.take_bytes()?.to_vec(),
            };
            credentials.insert(ScramMechanism::from_number(number)?, credential);
        }
        users.insert(user, credentials);
    }
    reader.is_empty().then_some(users)
}

#[cfg(test)]
mod tests;
