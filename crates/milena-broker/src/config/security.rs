//! Properties of TLS and SASL, which may be about one listener or one mechanism of it:
//! `listener.name.LISTENER.MECHANISM.NAME`, as with Apache Kafka. What a value means is known where
//! a listener is made of it.

use std::collections::BTreeMap;
use std::fmt;

use zeroize::Zeroizing;

use crate::security::Mechanism;

/// Names in front of which a listener may stand, and whether the value is a secret.
const NAMES: [(&str, bool); 11] = [
    ("connection.failed.authentication.delay.ms", false),
    ("connections.max.reauth.ms", false),
    ("sasl.enabled.mechanisms", false),
    ("sasl.jaas.config", true),
    ("ssl.client.auth", false),
    ("ssl.keystore.certificate.chain", false),
    ("ssl.keystore.key", true),
    ("ssl.keystore.location", false),
    ("ssl.keystore.type", false),
    ("ssl.truststore.certificates", false),
    ("ssl.truststore.location", false),
];
const TRUSTSTORE_TYPE: &str = "ssl.truststore.type";

/// What the name of a property says before its own name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Scope {
    listener: Option<String>,
    mechanism: Option<Mechanism>,
}

/// The properties that were set.
#[derive(Clone, Default)]
pub(crate) struct SecurityProperties {
    values: BTreeMap<(&'static str, Scope), Zeroizing<String>>,
}

impl SecurityProperties {
    /// All names, without what may stand before them.
    pub(super) fn names() -> impl Iterator<Item = &'static str> {
        let names = NAMES.iter().map(|(name, _)| *name);
        names.chain([TRUSTSTORE_TYPE])
    }

    /// Whether the value of this property must not be shown.
    pub(crate) fn is_secret(name: &str) -> bool {
        let is_secret = |(known, is_secret): &(&str, bool)| *is_secret && name.ends_with(known);
        NAMES.iter().any(is_secret)
    }

    /// Sets a property; `None`, if it is not one of these.
    pub(super) fn set(&mut self, name: &str, value: &str) -> Option<Result<(), String>> {
        let (scope, own_name) = split(name)?;
        let is_store_type = matches!(own_name, "ssl.keystore.type" | TRUSTSTORE_TYPE);
        if is_store_type && !value.eq_ignore_ascii_case("PEM") {
            return Some(Err(
                "PEM is expected: other stores cannot be read".to_owned()
            ));
        }
        let value = Zeroizing::new(value.to_owned());
        self.values.insert((own_name, scope), value);
        Some(Ok(()))
    }

    /// The value that holds for a listener and a mechanism: the most particular one.
    pub(crate) fn get(
        &self,
        listener: &str,
        mechanism: Option<Mechanism>,
        name: &'static str,
    ) -> Option<&str> {
        self.find(listener, mechanism, name)
    }

    /// As [`SecurityProperties::get`], for any name.
    pub(crate) fn find(
        &self,
        listener: &str,
        mechanism: Option<Mechanism>,
        name: &str,
    ) -> Option<&str> {
        let own_name = Self::names().find(|known| *known == name)?;
        let listener = Some(listener.to_ascii_lowercase());
        let scopes = [
            (listener.clone(), mechanism),
            (listener, None),
            (None, mechanism),
            (None, None),
        ];
        scopes.into_iter().find_map(|(listener, mechanism)| {
            let scope = Scope {
                listener,
                mechanism,
            };
            let value = self.values.get(&(own_name, scope));
            value.map(|value| value.as_str())
        })
    }
}

impl fmt::Debug for SecurityProperties {
    /// The names; values may be secrets.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.values.keys().map(|(name, _)| name);
        formatter.debug_set().entries(names).finish()
    }
}

/// Splits `listener.name.LISTENER.MECHANISM.NAME`.
fn split(name: &str) -> Option<(Scope, &'static str)> {
    let mut scope = Scope {
        listener: None,
        mechanism: None,
    };
    let mut rest = name;
    if let Some(scoped) = name.strip_prefix("listener.name.") {
        let (listener, after) = scoped.split_once('.')?;
        scope.listener = Some(listener.to_ascii_lowercase());
        rest = after;
    }
    for mechanism in Mechanism::ALL {
        let prefix = format!("{}.", mechanism.name().to_ascii_lowercase());
        if let Some(after) = rest.strip_prefix(&prefix) {
            scope.mechanism = Some(mechanism);
            rest = after;
            break;
        }
    }
    let own_name = SecurityProperties::names().find(|known| *known == rest)?;
    Some((scope, own_name))
}
