//! Which property sets what.

use milena_wire::sasl::scram::ScramMechanism;
use milena_wire::sasl::{OAUTHBEARER, PLAIN};

use super::jaas::Jaas;
use super::{MechanismName, Protocol, SecurityProperties};
use crate::config::property::{Configurable, Property, PropertyValue};
use crate::error::Error;
use crate::security::{Pem, Verification};

impl Configurable for SecurityProperties {
    const PROPERTIES: &'static [Property<Self>] = &[
        Property::new(&["security.protocol"], |config, value| {
            let protocol = |has_sasl, has_tls| Protocol { has_tls, has_sasl };
            config.protocol = value.one_of(&[
                ("PLAINTEXT", protocol(false, false)),
                ("SSL", protocol(false, true)),
                ("SASL_PLAINTEXT", protocol(true, false)),
                ("SASL_SSL", protocol(true, true)),
            ])?;
            Ok(())
        }),
        Property::new(
            &["ssl.truststore.location", "ssl.ca.location"],
            |config, value| {
                config.ca = Some(Pem::file(value.name(), value.required()?));
                Ok(())
            },
        ),
        Property::new(
            &["ssl.truststore.certificates", "ssl.ca.pem"],
            |config, value| {
                config.ca = Some(Pem::text(value.name(), value.required()?));
                Ok(())
            },
        ),
        Property::new(&["ssl.keystore.location"], |config, value| {
            config.keystore = Some(Pem::file(value.name(), value.required()?));
            Ok(())
        }),
        Property::new(&["ssl.certificate.location"], |config, value| {
            config.certificate = Some(Pem::file(value.name(), value.required()?));
            Ok(())
        }),
        Property::new(
            &["ssl.keystore.certificate.chain", "ssl.certificate.pem"],
            |config, value| {
                config.certificate = Some(Pem::text(value.name(), value.required()?));
                Ok(())
            },
        ),
        Property::new(&["ssl.key.location"], |config, value| {
            config.key = Some(Pem::file(value.name(), value.required()?));
            Ok(())
        }),
        Property::secret(&["ssl.keystore.key", "ssl.key.pem"], |config, value| {
            config.key = Some(Pem::text(value.name(), value.required()?));
            Ok(())
        }),
        Property::secret(
            &[
                "ssl.key.password",
                "ssl.keystore.password",
                "ssl.truststore.password",
            ],
            |_, value| {
                Err(value.error(
                    "no password: only PEM that is not encrypted can be read; \
                     decrypt a key with `openssl pkey -in KEY -out PLAIN_KEY`",
                ))
            },
        ),
        Property::new(&["ssl.keystore.type", "ssl.truststore.type"], |_, value| {
            value.one_of(&[("PEM", ())])
        }),
        Property::new(
            &["ssl.endpoint.identification.algorithm"],
            |config, value| {
                let is_verified = match value.text() {
                    "" => false,
                    _ => value.one_of(&[("https", true), ("none", false)])?,
                };
                if !is_verified && config.verification == Verification::Full {
                    config.verification = Verification::Chain;
                }
                Ok(())
            },
        ),
        Property::new(&["enable.ssl.certificate.verification"], |config, value| {
            if !value.boolean()? {
                config.verification = Verification::Off;
            }
            Ok(())
        }),
        Property::new(&["sasl.mechanism", "sasl.mechanisms"], |config, value| {
            config.mechanism = Some(read_mechanism(value)?);
            Ok(())
        }),
        Property::new(&["sasl.username"], |config, value| {
            config.username = Some(value.required()?.to_owned());
            Ok(())
        }),
        Property::secret(&["sasl.password"], |config, value| {
            config.password = Some(value.required()?.into());
            Ok(())
        }),
        Property::secret(&["sasl.jaas.config"], |config, value| {
            config.jaas = Some(Jaas::parse(value.text()).map_err(|reason| value.error(reason))?);
            Ok(())
        }),
        Property::new(
            &["enable.sasl.oauthbearer.unsecure.jwt"],
            |config, value| {
                config.has_unsecured_tokens = value.boolean()?;
                Ok(())
            },
        ),
        Property::secret(&["sasl.oauthbearer.config"], |config, value| {
            config.token_config = Some(value.text().to_owned());
            Ok(())
        }),
        Property::new(&["sasl.oauthbearer.method"], |config, value| {
            config.oidc.is_chosen = value.one_of(&[("default", false), ("oidc", true)])?;
            Ok(())
        }),
        Property::new(&["sasl.oauthbearer.token.endpoint.url"], |config, value| {
            config.oidc.endpoint = Some(value.required()?.to_owned());
            Ok(())
        }),
        Property::new(
            &[
                "sasl.oauthbearer.client.credentials.client.id",
                "sasl.oauthbearer.client.id",
            ],
            |config, value| {
                config.oidc.client_id = Some(value.required()?.to_owned());
                Ok(())
            },
        ),
        Property::secret(
            &[
                "sasl.oauthbearer.client.credentials.client.secret",
                "sasl.oauthbearer.client.secret",
            ],
            |config, value| {
                config.oidc.client_secret = Some(value.required()?.into());
                Ok(())
            },
        ),
        Property::new(&["https.ca.location"], |config, value| {
            config.oidc.ca = Some(Pem::file(value.name(), value.required()?));
            Ok(())
        }),
        Property::new(&["https.ca.pem"], |config, value| {
            config.oidc.ca = Some(Pem::text(value.name(), value.required()?));
            Ok(())
        }),
        Property::new(&["sasl.oauthbearer.scope"], |config, value| {
            config.oidc.scope = Some(value.text().to_owned());
            Ok(())
        }),
        Property::new(&["sasl.oauthbearer.extensions"], |config, value| {
            config.oidc.extensions = Some(value.text().to_owned());
            Ok(())
        }),
    ];
}

fn read_mechanism(value: &PropertyValue<'_>) -> Result<MechanismName, Error> {
    value.one_of(&[
        (PLAIN, MechanismName::Plain),
        (
            ScramMechanism::Sha256.name(),
            MechanismName::Scram(ScramMechanism::Sha256),
        ),
        (
            ScramMechanism::Sha512.name(),
            MechanismName::Scram(ScramMechanism::Sha512),
        ),
        (OAUTHBEARER, MechanismName::OauthBearer),
    ])
}
