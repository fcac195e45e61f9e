//! How the client proves who it is. Does no cryptography; see `net::sasl`.

use std::fmt;
use std::sync::Arc;

use milena_wire::sasl::scram::ScramMechanism;
use milena_wire::sasl::{OAUTHBEARER, PLAIN};

use super::{Secret, TokenProvider};

/// A SASL mechanism and what it needs.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub struct SaslConfig {
    pub(crate) mechanism: Mechanism,
}

/// What each mechanism takes.
#[derive(Clone)]
pub(crate) enum Mechanism {
    Plain(Credentials),
    Scram(ScramMechanism, Credentials),
    OauthBearer(Arc<dyn TokenProvider>),
}

/// A user and a password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Credentials {
    pub(crate) username: String,
    pub(crate) password: Secret,
}

impl SaslConfig {
    /// `PLAIN`: the password itself is sent, so use it over TLS.
    pub fn plain(username: impl Into<String>, password: impl Into<Secret>) -> Self {
        Self {
            mechanism: Mechanism::Plain(Credentials::new(username, password)),
        }
    }

    /// `SCRAM-SHA-256`: both sides prove that they know the password without sending it.
    pub fn scram_sha_256(username: impl Into<String>, password: impl Into<Secret>) -> Self {
        let credentials = Credentials::new(username, password);
        Self {
            mechanism: Mechanism::Scram(ScramMechanism::Sha256, credentials),
        }
    }

    /// `SCRAM-SHA-512`: as [`SaslConfig::scram_sha_256`], with the longer hash.
    pub fn scram_sha_512(username: impl Into<String>, password: impl Into<Secret>) -> Self {
        let credentials = Credentials::new(username, password);
        Self {
            mechanism: Mechanism::Scram(ScramMechanism::Sha512, credentials),
        }
    }

    /// `OAUTHBEARER`: a token of `provider`, asked for on each connection and before a session ends.
    pub fn oauth_bearer(provider: impl TokenProvider + 'static) -> Self {
        Self {
            mechanism: Mechanism::OauthBearer(Arc::new(provider)),
        }
    }

    /// The name of the mechanism, such as `SCRAM-SHA-256`.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match &self.mechanism {
            Mechanism::Plain(_) => PLAIN,
            Mechanism::Scram(mechanism, _) => mechanism.name(),
            Mechanism::OauthBearer(_) => OAUTHBEARER,
        }
    }

    /// Credentials of which one half is missing.
    pub(crate) fn missing(&self) -> Option<&'static str> {
        let (Mechanism::Plain(credentials) | Mechanism::Scram(_, credentials)) = &self.mechanism
        else {
            return None;
        };
        match credentials {
            Credentials { username, .. } if username.is_empty() => Some("sasl.username"),
            Credentials { password, .. } if password.expose().is_empty() => Some("sasl.password"),
            _ => None,
        }
    }
}

impl Credentials {
    pub(crate) fn new(username: impl Into<String>, password: impl Into<Secret>) -> Self {
        Self {
            username: username.into(),
            password: password.into(),
        }
    }
}

impl fmt::Debug for Mechanism {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Plain(credentials) => formatter.debug_tuple(PLAIN).field(credentials).finish(),
            Self::Scram(mechanism, credentials) => formatter
                .debug_tuple(mechanism.name())
                .field(credentials)
                .finish(),
            Self::OauthBearer(_) => formatter.write_str(OAUTHBEARER),
        }
    }
}

impl PartialEq for Mechanism {
    /// Providers are equal when they are the same one.
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Plain(one), Self::Plain(other)) => one == other,
            (Self::Scram(one, own), Self::Scram(other, others)) => one == other && own == others,
            (Self::OauthBearer(one), Self::OauthBearer(other)) => Arc::ptr_eq(one, other),
            _ => false,
        }
    }
}

impl Eq for Mechanism {}
