//! Tokens of a provider that the program brings itself, in place of settings that say where to get
//! them.

use std::collections::BTreeMap;

use milena_client::security::{SaslConfig, TlsConfig, TokenProvider};

use super::{Config, ConfigBuilder, ConfigError};

const PROTOCOL: &str = "security.protocol";
const MECHANISM: &str = "sasl.mechanism";

impl ConfigBuilder {
    /// Gives tokens for `OAUTHBEARER`, in place of `sasl.oauthbearer.…`: asked for one on each
    /// connection, and again before a session ends. Sets `sasl.mechanism`; `security.protocol` is
    /// `SASL_SSL` unless it is set. Never shown.
    ///
    /// ```
    /// use milena::{Config, Token, TokenError, TokenFuture, TokenProvider};
    ///
    /// struct Vault;
    ///
    /// impl TokenProvider for Vault {
    ///     fn token(&self) -> TokenFuture<'_> {
    ///         Box::pin(async {
    ///             let jwt = std::env::var("VAULT_TOKEN");
    ///             jwt.map(Token::new).map_err(|error| TokenError::unavailable(error.to_string()))
    ///         })
    ///     }
    /// }
    ///
    /// let config = Config::builder()
    ///     .bootstrap_servers("kafka-1:9093")
    ///     .token_provider(Vault)
    ///     .build()?;
    /// assert_eq!(config.get("sasl.mechanism").as_deref(), Some("OAUTHBEARER"));
    /// # Ok::<(), milena::ConfigError>(())
    /// ```
    pub fn token_provider(mut self, provider: impl TokenProvider + 'static) -> ConfigBuilder {
        let tokens = SaslConfig::oauth_bearer(provider);
        let mechanism = tokens.name();
        self.config.tokens = Some(tokens);
        self.set("sasl.mechanism", mechanism)
    }
}

impl Config {
    /// TLS as the settings say, and the provider. Settings of other credentials contradict it.
    pub(super) fn security_with(
        &self,
        tokens: &SaslConfig,
    ) -> Result<(Option<TlsConfig>, Option<SaslConfig>), ConfigError> {
        self.check_alone()?;
        let mut properties: BTreeMap<&str, &str> = self
            .security
            .iter()
            .filter(|(name, _)| !is_of_sasl(name))
            .map(|(name, value)| (*name, value.expose()))
            .collect();
        // The client is to make TLS of it, and would want to know where tokens are.
        let protocol = properties.get(PROTOCOL).copied().unwrap_or("SASL_SSL");
        let without_sasl = match protocol.to_ascii_uppercase().as_str() {
            "SASL_SSL" => "SSL",
            "SASL_PLAINTEXT" => "PLAINTEXT",
            _ => return Err(self.contradicts(PROTOCOL, protocol, "SASL_SSL or SASL_PLAINTEXT")),
        };
        properties.insert(PROTOCOL, without_sasl);
        let (tls, _) = milena_client::config::security(properties)
            .map_err(|error| self.refused(error, PROTOCOL))?;
        Ok((tls, Some(tokens.clone())))
    }

    /// That nothing else says who we are.
    fn check_alone(&self) -> Result<(), ConfigError> {
        let mechanism = self.security.get(MECHANISM).map(|value| value.expose());
        if let Some(mechanism) = mechanism.filter(|name| !name.eq_ignore_ascii_case("OAUTHBEARER"))
        {
            return Err(self.contradicts(MECHANISM, mechanism, "OAUTHBEARER"));
        }
        let credentials = [
            ("username", self.username.is_some()),
            ("password", self.password.is_some()),
        ];
        let credentials = credentials.into_iter().filter(|(_, is_given)| *is_given);
        let settings = self.security.keys().copied();
        let settings = settings.filter(|name| is_of_sasl(name) && *name != MECHANISM);
        let mut others = credentials.map(|(name, _)| name).chain(settings);
        others.next().map_or(Ok(()), |other| {
            Err(ConfigError::Conflict {
                field: other.to_owned(),
                problem: format!(
                    "it is set ({}), and tokens come from a token provider; leave one of them out",
                    self.origin_of(other)
                ),
            })
        })
    }

    fn contradicts(&self, field: &str, value: &str, allowed: &str) -> ConfigError {
        ConfigError::Invalid {
            field: field.to_owned(),
            value: value.to_owned(),
            allowed: format!("{allowed}: tokens come from a token provider"),
            origin: self.origin_of(field),
        }
    }
}

/// Settings about credentials and tokens; the rest is about TLS.
fn is_of_sasl(name: &str) -> bool {
    name.starts_with("sasl.") || name.starts_with("enable.sasl.") || name.starts_with("https.")
}
