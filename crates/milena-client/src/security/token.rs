//! Bearer tokens and where they come from. Knows no connection and no particular identity provider.

use std::future::Future;
use std::pin::Pin;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::Secret;

/// Why there is no token. Its text goes into the error that the client reports, so it must not hold a
/// secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct TokenError {
    reason: String,
    is_retriable: bool,
}

impl TokenError {
    /// There will be none: the credentials are wrong. The client reports an
    /// [`Error::Authentication`](crate::Error::Authentication) at once.
    pub fn refused(reason: impl Into<String>) -> Self {
        Self {
            reason: reason.into(),
            is_retriable: false,
        }
    }

    /// There is none now: whoever issues them cannot be reached. The client tries again.
    pub fn unavailable(reason: impl Into<String>) -> Self {
        Self {
            reason: reason.into(),
            is_retriable: true,
        }
    }

    /// Whether to try again.
    #[must_use]
    pub fn is_retriable(&self) -> bool {
        self.is_retriable
    }
}

/// A token on its way.
pub type TokenFuture<'a> = Pin<Box<dyn Future<Output = Result<Token, TokenError>> + Send + 'a>>;

/// Where `OAUTHBEARER` gets its tokens (KIP-768 calls it a login callback).
///
/// It is asked for each connection, and again before a session ends (KIP-368), so it should keep a
/// token as long as that is valid.
pub trait TokenProvider: Send + Sync {
    /// A token that is valid now.
    fn token(&self) -> TokenFuture<'_>;
}

/// A bearer token (RFC 7628).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    pub(crate) value: Secret,
    pub(crate) extensions: Vec<(String, String)>,
}

impl Token {
    /// A token as it was issued, such as a JWT.
    pub fn new(value: impl Into<Secret>) -> Self {
        Self {
            value: value.into(),
            extensions: Vec::new(),
        }
    }

    /// Adds a SASL extension (KIP-342), such as `logicalCluster`: a name of letters and a value
    /// without control characters, else the authentication fails before anything is sent.
    #[must_use]
    pub fn extension(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.extensions.push((name.into(), value.into()));
        self
    }
}

/// Tokens that nobody signed: whoever has them is who they say. Only brokers that are set up for
/// tests take them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnsecuredTokens {
    principal: String,
    claim: String,
    lifetime: Duration,
    scope: Option<String>,
    extensions: Vec<(String, String)>,
}

impl UnsecuredTokens {
    /// Tokens of `principal` that are valid for an hour.
    pub fn new(principal: impl Into<String>) -> Self {
        Self {
            principal: principal.into(),
            claim: "sub".to_owned(),
            lifetime: Duration::from_secs(3600),
            scope: None,
            extensions: Vec::new(),
        }
    }

    /// How long each token is valid.
    #[must_use]
    pub fn lifetime(mut self, lifetime: Duration) -> Self {
        self.lifetime = lifetime;
        self
    }

    /// The claim that holds the principal; `sub` by default.
    #[must_use]
    pub fn principal_claim(mut self, claim: impl Into<String>) -> Self {
        self.claim = claim.into();
        self
    }

    /// The `scope` claim, words separated by spaces.
    #[must_use]
    pub fn scope(mut self, scope: impl Into<String>) -> Self {
        self.scope = Some(scope.into());
        self
    }

    /// Adds a SASL extension to each token.
    #[must_use]
    pub fn extension(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.extensions.push((name.into(), value.into()));
        self
    }

    /// The token of a given time.
    fn issue(&self, now: Duration) -> Token {
        let mut claims = format!(
            "{{{}:{},\"iat\":{},\"exp\":{}",
            json_text(&self.claim),
            json_text(&self.principal),
            now.as_secs_f64(),
            (now + self.lifetime).as_secs_f64(),
        );
        if let Some(scope) = &self.scope {
            claims.push_str(&format!(",\"scope\":{}", json_text(scope)));
        }
        claims.push('}');
        let header = URL_SAFE_NO_PAD.encode(r#"{"alg":"none"}"#);
        let claims = URL_SAFE_NO_PAD.encode(claims);
        Token {
            value: Secret::new(format!("{header}.{claims}.")),
            extensions: self.extensions.clone(),
        }
    }
}

impl TokenProvider for UnsecuredTokens {
    fn token(&self) -> TokenFuture<'_> {
        Box::pin(async {
            let now = SystemTime::now().duration_since(UNIX_EPOCH);
            let now = now.map_err(|error| TokenError::refused(error.to_string()))?;
            Ok(self.issue(now))
        })
    }
}

/// A text as JSON.
fn json_text(text: &str) -> String {
    let mut json = String::with_capacity(text.len() + 2);
    json.push('"');
    for character in text.chars() {
        match character {
            '"' => json.push_str("\\\""),
            '\\' => json.push_str("\\\\"),
            control if control < ' ' => json.push_str(&format!("\\u{:04x}", u32::from(control))),
            other => json.push(other),
        }
    }
    json.push('"');
    json
}

#[cfg(test)]
mod tests;
