//! A token endpoint, from properties or from the options of its login module (KIP-768).

use milena_wire::sasl::jaas::LoginModule;

use super::OidcProperties;
use crate::error::Error;
use crate::security::{OidcTokens, SaslConfig, Secret, TlsConfig};

/// The property that names the endpoint.
pub(super) const ENDPOINT: &str = "sasl.oauthbearer.token.endpoint.url";

/// Tokens of the endpoint that the properties name.
pub(super) fn provider(
    properties: &OidcProperties,
    module: Option<&LoginModule>,
) -> Result<SaslConfig, Error> {
    let option = |name: &str| module.and_then(|module| module.option(name));
    let missing = |name: &str| Error::config(name, "", "a text that is not empty");
    let endpoint = properties.endpoint.as_deref();
    let endpoint = endpoint.ok_or_else(|| missing(ENDPOINT))?;
    let client_id = properties.client_id.as_deref().or(option("clientId"));
    let client_id = client_id.ok_or_else(|| missing("sasl.oauthbearer.client.id"))?;
    let client_secret = properties.client_secret.as_ref().map(Secret::expose);
    let client_secret = client_secret
        .or(option("clientSecret"))
        .ok_or_else(|| missing("sasl.oauthbearer.client.secret"))?;
    let mut tls = TlsConfig::new();
    tls.ca.clone_from(&properties.ca);
    let mut tokens = OidcTokens::with_tls(endpoint, client_id, client_secret, &tls)?;
    if let Some(scope) = properties.scope.as_deref().or(option("scope")) {
        tokens = tokens.scope(scope);
    }
    let extensions = properties.extensions.iter();
    for extension in extensions.flat_map(|text| text.split(',')) {
        let (name, value) = extension.trim().split_once('=').ok_or_else(|| {
            let expected = "NAME=VALUE pairs separated by commas";
            Error::config("sasl.oauthbearer.extensions", extension, expected)
        })?;
        tokens = tokens.extension(name, value);
    }
    Ok(SaslConfig::oauth_bearer(tokens))
}
