//! The properties of `security.protocol`, TLS and SASL, in Kafka's and librdkafka's spellings: raw
//! values in, checked [`TlsConfig`] and [`SaslConfig`] out. Reads no file.

mod jaas;
mod oidc;
mod table;

use milena_wire::sasl::scram::ScramMechanism;

use super::property::Properties;
use crate::error::Error;
use crate::security::{
    Credentials, Identity, Mechanism, Pem, SaslConfig, Secret, TlsConfig, UnsecuredTokens,
    Verification,
};
use jaas::Jaas;

/// `security.protocol`
#[derive(Debug, Clone, Copy, Default)]
struct Protocol {
    has_tls: bool,
    has_sasl: bool,
}

/// `sasl.mechanism`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum MechanismName {
    Plain,
    Scram(ScramMechanism),
    OauthBearer,
}

/// What was given, not yet compared with each other.
#[derive(Debug, Default)]
pub(super) struct SecurityProperties {
    protocol: Protocol,
    ca: Option<Pem>,
    /// `ssl.keystore.location`: certificate and key in one file.
    keystore: Option<Pem>,
    certificate: Option<Pem>,
    key: Option<Pem>,
    verification: Verification,
    mechanism: Option<MechanismName>,
    username: Option<String>,
    password: Option<Secret>,
    jaas: Option<Jaas>,
    /// `sasl.oauthbearer.config` of unsecured tokens.
    token_config: Option<String>,
    has_unsecured_tokens: bool,
    oidc: OidcProperties,
}

/// What an OpenID Connect provider is asked with.
#[derive(Debug, Default)]
struct OidcProperties {
    is_chosen: bool,
    endpoint: Option<String>,
    client_id: Option<String>,
    client_secret: Option<Secret>,
    scope: Option<String>,
    extensions: Option<String>,
    /// Who may sign the provider's certificate, if not whom the system trusts.
    ca: Option<Pem>,
}

/// TLS and SASL as `properties` say, none of which may be about anything else; neither, if they say
/// nothing.
///
/// # Errors
/// [`Error::Config`] for a value that is not allowed, one that is missing or of no use, and any
/// name that is not about security.
pub fn security<K, V>(
    properties: impl IntoIterator<Item = (K, V)>,
) -> Result<(Option<TlsConfig>, Option<SaslConfig>), Error>
where
    K: Into<String>,
    V: Into<String>,
{
    let mut properties = Properties::new(properties);
    let mut security = SecurityProperties::default();
    properties.take_into(&mut security)?;
    properties.finish()?;
    security.build()
}

impl SecurityProperties {
    /// Compares what was given.
    ///
    /// # Errors
    /// [`Error::Config`] for a setting that is missing, or that the protocol makes no use of.
    pub(super) fn build(self) -> Result<(Option<TlsConfig>, Option<SaslConfig>), Error> {
        self.refuse_unused()?;
        let Protocol { has_tls, has_sasl } = self.protocol;
        let tls = has_tls.then(|| self.tls()).transpose()?;
        let sasl = has_sasl.then(|| self.sasl()).transpose()?;
        Ok((tls, sasl))
    }

    /// Who gives a password or a certificate means it to be used: to connect without it would be
    /// worse than not to connect.
    fn refuse_unused(&self) -> Result<(), Error> {
        let Protocol { has_tls, has_sasl } = self.protocol;
        let pems = [&self.ca, &self.keystore, &self.certificate, &self.key];
        if let Some(pem) = pems.into_iter().flatten().next().filter(|_| !has_tls) {
            let expected = format!("SSL or SASL_SSL: {} is given", pem.property);
            return Err(Error::config(
                "security.protocol",
                self.protocol.name(),
                expected,
            ));
        }
        let given = [
            ("sasl.username", self.username.is_some()),
            ("sasl.password", self.password.is_some()),
            ("sasl.jaas.config", self.jaas.is_some()),
            ("sasl.mechanism", self.mechanism.is_some()),
        ];
        let unused = given.iter().find(|(_, is_given)| *is_given && !has_sasl);
        if let Some((name, _)) = unused {
            let expected = format!("SASL_SSL or SASL_PLAINTEXT: {name} is given");
            return Err(Error::config(
                "security.protocol",
                self.protocol.name(),
                expected,
            ));
        }
        Ok(())
    }

    fn tls(&self) -> Result<TlsConfig, Error> {
        let chain = self.certificate.as_ref().or(self.keystore.as_ref());
        let key = self.key.as_ref().or(self.keystore.as_ref());
        let identity = match (chain, key) {
            (Some(chain), Some(key)) => Some(Identity {
                chain: chain.clone(),
                key: key.clone(),
            }),
            (None, None) => None,
            (Some(chain), None) => {
                let expected = format!("the private key for {}", chain.property);
                return Err(Error::config("ssl.key.location", "", expected));
            }
            (None, Some(key)) => {
                let expected = format!("the certificate for {}", key.property);
                return Err(Error::config("ssl.certificate.location", "", expected));
            }
        };
        let mut tls = TlsConfig::new();
        tls.ca = self.ca.clone();
        tls.identity = identity;
        tls.verification = self.verification;
        Ok(tls)
    }

    fn sasl(&self) -> Result<SaslConfig, Error> {
        let mechanism = match (self.mechanism, &self.jaas) {
            (Some(mechanism), _) => mechanism,
            (None, Some(Jaas::Plain(_))) => MechanismName::Plain,
            (None, Some(Jaas::OauthBearer(_))) => MechanismName::OauthBearer,
            (None, Some(Jaas::Scram(_)) | None) => {
                return Err(Error::config("sasl.mechanism", "", MECHANISMS_EXPECTED));
            }
        };
        let mechanism = match mechanism {
            MechanismName::Plain => Mechanism::Plain(self.credentials()?),
            MechanismName::Scram(hash) => Mechanism::Scram(hash, self.credentials()?),
            MechanismName::OauthBearer => return self.oauth_bearer(),
        };
        Ok(SaslConfig { mechanism })
    }

    fn credentials(&self) -> Result<Credentials, Error> {
        let missing = |name| Error::config(name, "", "a text that is not empty");
        match &self.jaas {
            Some(Jaas::Plain(credentials) | Jaas::Scram(credentials)) => Ok(credentials.clone()),
            Some(Jaas::OauthBearer(_)) => {
                let expected = "the login module of sasl.mechanism";
                Err(Error::config("sasl.jaas.config", "***", expected))
            }
            None => Ok(Credentials::new(
                self.username
                    .clone()
                    .ok_or_else(|| missing("sasl.username"))?,
                self.password
                    .clone()
                    .ok_or_else(|| missing("sasl.password"))?,
            )),
        }
    }

    fn oauth_bearer(&self) -> Result<SaslConfig, Error> {
        let module = match &self.jaas {
            Some(Jaas::OauthBearer(module)) => Some(module),
            _ => None,
        };
        if self.oidc.is_chosen || self.oidc.endpoint.is_some() {
            return oidc::provider(&self.oidc, module);
        }
        if let Some(tokens) = module.and_then(jaas::unsecured_tokens) {
            return Ok(SaslConfig::oauth_bearer(tokens));
        }
        if self.has_unsecured_tokens {
            let tokens = unsecured_tokens(self.token_config.as_deref().unwrap_or_default())?;
            return Ok(SaslConfig::oauth_bearer(tokens));
        }
        let expected = "the URL of a token endpoint (or a TokenProvider in code)";
        Err(Error::config(oidc::ENDPOINT, "", expected))
    }
}

const MECHANISMS_EXPECTED: &str = "PLAIN, SCRAM-SHA-256, SCRAM-SHA-512 or OAUTHBEARER";

impl Protocol {
    fn name(self) -> &'static str {
        match (self.has_sasl, self.has_tls) {
            (false, false) => "PLAINTEXT",
            (false, true) => "SSL",
            (true, false) => "SASL_PLAINTEXT",
            (true, true) => "SASL_SSL",
        }
    }
}

/// Reads librdkafka's `sasl.oauthbearer.config` of unsecured tokens, such as
/// `principal=alice scope=read lifeSeconds=60 extension_traceId=7`.
fn unsecured_tokens(text: &str) -> Result<UnsecuredTokens, Error> {
    let wrong = |expected: String| Error::config("sasl.oauthbearer.config", "***", expected);
    let mut principal = None;
    let mut settings = Vec::new();
    for word in text.split_ascii_whitespace() {
        match word.split_once('=') {
            Some(("principal", value)) => principal = Some(value),
            Some((name, value)) => settings.push((name, value)),
            None => return Err(wrong(format!("{word:?} is not NAME=VALUE"))),
        }
    }
    let principal = principal.ok_or_else(|| wrong("principal=NAME is missing".to_owned()))?;
    let mut tokens = UnsecuredTokens::new(principal);
    for (name, value) in settings {
        tokens = match name {
            "principalClaimName" => tokens.principal_claim(value),
            "scope" => tokens.scope(value.replace(',', " ")),
            "lifeSeconds" => match value.parse() {
                Ok(seconds) => tokens.lifetime(std::time::Duration::from_secs(seconds)),
                Err(_) => return Err(wrong("lifeSeconds is a whole number".to_owned())),
            },
            _ => match name.strip_prefix("extension_") {
                Some(extension) => tokens.extension(extension, value),
                None => {
                    return Err(wrong(format!(
                        "{name} is not a setting of unsecured tokens"
                    )));
                }
            },
        };
    }
    Ok(tokens)
}

#[cfg(test)]
mod tests;
