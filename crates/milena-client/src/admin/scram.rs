//! Passwords for SASL SCRAM that the cluster keeps: who has one, setting and deleting it (KIP-554).

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use milena_wire::sasl::scram::ScramMechanism as WireMechanism;
use zeroize::Zeroizing;

use super::{Admin, PerItem, check, text};
use crate::error::Error;
use crate::wire::messages::alter_user_scram_credentials_request::{
    ScramCredentialDeletion, ScramCredentialUpsertion,
};
use crate::wire::messages::describe_user_scram_credentials_request::UserName;
use crate::wire::messages::{
    AlterUserScramCredentialsRequest, DescribeUserScramCredentialsRequest,
};

/// How often a password is hashed unless told otherwise, as with Kafka's tools.
const ITERATIONS_DEFAULT: u32 = 4096;
/// Random bytes that make equal passwords look different.
const SALT_BYTES: usize = 24;

/// Which hash a credential is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum ScramMechanism {
    /// `SCRAM-SHA-256`
    Sha256,
    /// `SCRAM-SHA-512`
    Sha512,
}

impl ScramMechanism {
    const fn wire(self) -> WireMechanism {
        match self {
            Self::Sha256 => WireMechanism::Sha256,
            Self::Sha512 => WireMechanism::Sha512,
        }
    }

    fn read(number: i8) -> Option<Self> {
        let all = [Self::Sha256, Self::Sha512];
        all.into_iter()
            .find(|known| known.wire().number() == number)
    }
}

/// What may be told of a credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub struct ScramCredentialInfo {
    /// Which hash it is for.
    pub mechanism: ScramMechanism,
    /// How often the password was hashed.
    pub iterations: i32,
}

/// A change of one user's credentials.
#[derive(Clone)]
#[must_use]
pub struct ScramChange {
    user: String,
    mechanism: ScramMechanism,
    action: Action,
}

#[derive(Clone)]
enum Action {
    Set {
        password: Zeroizing<String>,
        iterations: u32,
    },
    Delete,
}

impl ScramChange {
    /// Gives a user this password; it leaves this process salted and hashed only.
    pub fn set(
        user: impl Into<String>,
        mechanism: ScramMechanism,
        password: impl Into<String>,
    ) -> Self {
        Self {
            user: user.into(),
            mechanism,
            action: Action::Set {
                password: Zeroizing::new(password.into()),
                iterations: ITERATIONS_DEFAULT,
            },
        }
    }

    /// Takes a user's password away.
    pub fn delete(user: impl Into<String>, mechanism: ScramMechanism) -> Self {
        Self {
            user: user.into(),
            mechanism,
            action: Action::Delete,
        }
    }

    /// How often the password is hashed, 4096 (the default) to 16384.
    pub fn iterations(mut self, count: u32) -> Self {
        if let Action::Set { iterations, .. } = &mut self.action {
            *iterations = count;
        }
        self
    }
}

impl fmt::Debug for ScramChange {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("ScramChange")
            .field("user", &self.user)
            .field("mechanism", &self.mechanism)
            .finish_non_exhaustive()
    }
}

impl Admin {
    /// Who has which credentials: these users, or all that have any. Each user has its own result, such
    /// as RESOURCE_NOT_FOUND.
    ///
    /// # Errors
    /// If no broker answered, or it refused as a whole.
    pub async fn describe_scram_credentials(
        &self,
        users: Option<&[&str]>,
    ) -> Result<PerItem<Vec<ScramCredentialInfo>>, Error> {
        let named = users.map(|users| {
            let users = users.iter();
            let users = users.map(|user| UserName::default().with_name(text(user)));
            users.collect()
        });
        let request = DescribeUserScramCredentialsRequest::default().with_users(named);
        let response = self
            .retry("description of SCRAM credentials", || async {
                let connection = self.lane.any_connection().await?;
                let response = connection.call(&request, self.timeout).await?;
                check(response.error_code, response.error_message.as_ref(), || {
                    "cannot describe SCRAM credentials".to_owned()
                })?;
                Ok(response)
            })
            .await?;
        let mut results: PerItem<Vec<ScramCredentialInfo>> = Vec::new();
        for row in &response.results {
            let user = row.user.to_string();
            let result = check(row.error_code, row.error_message.as_ref(), || {
                format!("cannot describe the credentials of {user}")
            });
            let infos = row.credential_infos.iter().filter_map(|info| {
                let mechanism = ScramMechanism::read(info.mechanism)?;
                let iterations = info.iterations;
                Some(ScramCredentialInfo {
                    mechanism,
                    iterations,
                })
            });
            let mut infos: Vec<ScramCredentialInfo> = infos.collect();
            infos.sort();
            results.push((user, result.map(|()| infos)));
        }
        results.sort_by(|left, right| left.0.cmp(&right.0));
        Ok(results)
    }

    /// Sets and deletes credentials, each user's all or none; each user has its own result, sorted. Takes
    /// some milliseconds of CPU for each password.
    ///
    /// # Errors
    /// [`Error::Config`] if a password cannot be hashed so; if no controller answered.
    pub async fn alter_scram_credentials(
        &self,
        changes: &[ScramChange],
    ) -> Result<PerItem<()>, Error> {
        let mut request = AlterUserScramCredentialsRequest::default();
        for change in changes {
            match &change.action {
                Action::Delete => request.deletions.push(
                    ScramCredentialDeletion::default()
                        .with_name(text(&change.user))
                        .with_mechanism(change.mechanism.wire().number()),
                ),
                Action::Set {
                    password,
                    iterations,
                } => request
                    .upsertions
                    .push(upsertion(change, password, *iterations)?),
            }
        }
        let response = self
            .retry("change of SCRAM credentials", || async {
                let connection = self.controller().await?;
                connection.call(&request, self.timeout).await
            })
            .await?;
        let mut results: BTreeMap<String, Result<(), Error>> = BTreeMap::new();
        for row in &response.results {
            let user = row.user.to_string();
            let result = check(row.error_code, row.error_message.as_ref(), || {
                format!("cannot change the credentials of {user}")
            });
            results.insert(user, result);
        }
        let users: BTreeSet<&String> = changes.iter().map(|change| &change.user).collect();
        let ordered = users.into_iter().map(|user| {
            let silence = || Error::protocol(format!("the broker said nothing about {user}"));
            let result = results.remove(user).unwrap_or_else(|| Err(silence()));
            (user.clone(), result)
        });
        Ok(ordered.collect())
    }
}

fn upsertion(
    change: &ScramChange,
    password: &str,
    iterations: u32,
) -> Result<ScramCredentialUpsertion, Error> {
    let mechanism = change.mechanism.wire();
    // Unique is all a salt has to be.
    let salt: Vec<u8> = (0..SALT_BYTES).map(|_| fastrand::u8(..)).collect();
    let salted = mechanism.salted_password(password.as_bytes(), &salt, iterations);
    let salted = salted
        .map_err(|error| Error::config("iterations", iterations.to_string(), error.to_string()))?;
    Ok(ScramCredentialUpsertion::default()
        .with_name(text(&change.user))
        .with_mechanism(mechanism.number())
        .with_iterations(i32::try_from(iterations).unwrap_or(i32::MAX))
        .with_salt(salt.into())
        .with_salted_password(salted.to_vec().into()))
}
