//! The name of a client, as access rules and quotas use it.

use std::fmt;
use std::sync::Arc;

/// Who is at the other end of a connection, such as `User:alice`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Principal {
    name: Arc<str>,
}

impl Principal {
    /// Somebody who did not have to say who it is.
    pub(crate) fn anonymous() -> Self {
        Self::user("ANONYMOUS")
    }

    /// The user's name, without its kind.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// A user who proved to be this one.
    pub(crate) fn user(name: impl Into<Arc<str>>) -> Self {
        Self { name: name.into() }
    }
}

impl fmt::Display for Principal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "User:{}", self.name)
    }
}
