//! In place of `oidc.rs` when the feature `oidc` is off: says so.

use super::{TlsConfig, TokenError, TokenFuture, TokenProvider};
use crate::error::Error;

/// There are none.
pub(crate) struct OidcTokens;

impl OidcTokens {
    /// Always an error.
    pub(crate) fn with_tls(
        url: &str,
        _client_id: &str,
        _client_secret: &str,
        _tls: &TlsConfig,
    ) -> Result<Self, Error> {
        let expected = "no token endpoint: turn the feature `oidc` of milena-client on";
        let property = "sasl.oauthbearer.token.endpoint.url";
        Err(Error::config(property, url, expected))
    }

    pub(crate) fn scope(self, _scope: &str) -> Self {
        self
    }

    pub(crate) fn extension(self, _name: &str, _value: &str) -> Self {
        self
    }
}

impl TokenProvider for OidcTokens {
    fn token(&self) -> TokenFuture<'_> {
        Box::pin(async { Err(TokenError::refused("there is no token endpoint")) })
    }
}
