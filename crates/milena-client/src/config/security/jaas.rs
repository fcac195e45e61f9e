//! What a client takes from `sasl.jaas.config`.

use std::time::Duration;

use milena_wire::sasl::jaas::{LoginModule, OAUTHBEARER_MODULE, PLAIN_MODULE, SCRAM_MODULE};

use crate::security::{Credentials, UnsecuredTokens};

/// What a login module is given.
#[derive(Debug)]
pub(super) enum Jaas {
    Plain(Credentials),
    Scram(Credentials),
    OauthBearer(LoginModule),
}

impl Jaas {
    /// Reads one entry. The reason of a failure holds nothing of the text but the module's name.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let module = LoginModule::parse(text)?;
        match module.name.as_str() {
            PLAIN_MODULE => credentials(&module).map(Self::Plain),
            SCRAM_MODULE => credentials(&module).map(Self::Scram),
            OAUTHBEARER_MODULE => Ok(Self::OauthBearer(module)),
            other => Err(format!(
                "expected {PLAIN_MODULE}, {SCRAM_MODULE} or {OAUTHBEARER_MODULE}, not {other}"
            )),
        }
    }
}

/// The tokens that Kafka's unsecured login makes of its options, if they ask for any.
pub(super) fn unsecured_tokens(module: &LoginModule) -> Option<UnsecuredTokens> {
    let claim = module.option("unsecuredLoginPrincipalClaimName");
    let claim = claim.unwrap_or("sub");
    let principal = module.option(&format!("unsecuredLoginStringClaim_{claim}"))?;
    let mut tokens = UnsecuredTokens::new(principal).principal_claim(claim);
    let seconds = module.option("unsecuredLoginLifetimeSeconds");
    if let Some(seconds) = seconds.and_then(|text| text.parse().ok()) {
        tokens = tokens.lifetime(Duration::from_secs(seconds));
    }
    for (name, value) in &module.options {
        if let Some(extension) = name.strip_prefix("unsecuredLoginExtension_") {
            tokens = tokens.extension(extension, value.as_str());
        }
    }
    Some(tokens)
}

fn credentials(module: &LoginModule) -> Result<Credentials, String> {
    let option = |name: &str| {
        let value = module.option(name);
        value.ok_or_else(|| format!("expected {name}=\"…\" after the login module"))
    };
    Ok(Credentials::new(option("username")?, option("password")?))
}
