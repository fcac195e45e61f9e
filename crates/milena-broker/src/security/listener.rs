//! What one listener asks of its clients, from the properties that are about it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::plain::PlainUsers;
use super::{Mechanism, TlsAcceptor};
use crate::config::{ListenerAddress, Protocol, SecurityProperties};
use crate::error::BrokerError;

/// What a client must do before it may send requests.
#[derive(Clone, Default)]
pub(crate) struct ListenerSecurity {
    pub(crate) tls: Option<TlsAcceptor>,
    pub(crate) sasl: Option<Arc<SaslRules>>,
}

/// How clients may authenticate.
pub(crate) struct SaslRules {
    /// `sasl.enabled.mechanisms`
    pub(crate) mechanisms: Vec<Mechanism>,
    pub(super) plain_users: PlainUsers,
    /// `connections.max.reauth.ms`, for the mechanisms that have one.
    pub(crate) session_max: BTreeMap<Mechanism, Duration>,
    /// `connection.failed.authentication.delay.ms`
    pub(crate) failure_delay: Duration,
}

impl ListenerSecurity {
    /// Reads certificates and users.
    pub(crate) fn of(
        listener: &ListenerAddress,
        properties: &SecurityProperties,
    ) -> Result<Self, BrokerError> {
        let scoped = Scoped {
            listener,
            properties,
        };
        let Protocol { has_tls, has_sasl } = listener.protocol;
        let tls = has_tls.then(|| scoped.tls()).transpose()?;
        let sasl = has_sasl.then(|| scoped.sasl()).transpose()?;
        Ok(Self {
            tls,
            sasl: sasl.map(Arc::new),
        })
    }
}

/// The properties as one listener sees them.
pub(super) struct Scoped<'a> {
    listener: &'a ListenerAddress,
    properties: &'a SecurityProperties,
}

impl Scoped<'_> {
    pub(super) fn get(&self, name: &'static str) -> Option<&str> {
        self.properties.get(&self.listener.name, None, name)
    }

    pub(super) fn invalid(&self, name: &str, reason: impl Into<String>) -> BrokerError {
        let is_secret = SecurityProperties::is_secret(name);
        let value = self.properties.find(&self.listener.name, None, name);
        let shown = if is_secret {
            "***"
        } else {
            value.unwrap_or("")
        };
        BrokerError::InvalidProperty {
            name: name.to_owned(),
            value: shown.to_owned(),
            reason: format!("{} (listener {})", reason.into(), self.listener.name),
        }
    }

    fn sasl(&self) -> Result<SaslRules, BrokerError> {
        const ENABLED: &str = "sasl.enabled.mechanisms";
        let names = self.get(ENABLED).unwrap_or_default().split(',');
        let names = names.map(str::trim).filter(|name| !name.is_empty());
        let mechanisms: Option<Vec<Mechanism>> = names.map(Mechanism::from_name).collect();
        let mechanisms = mechanisms
            .filter(|found| !found.is_empty())
            .ok_or_else(|| {
                let all = Mechanism::ALL.map(Mechanism::name).join(", ");
                self.invalid(ENABLED, format!("one or more of {all} are expected"))
            })?;
        let jaas = self.properties.get(
            &self.listener.name,
            Some(Mechanism::Plain),
            "sasl.jaas.config",
        );
        let plain_users = match jaas.filter(|_| mechanisms.contains(&Mechanism::Plain)) {
            Some(text) => PlainUsers::from_jaas(text)
                .map_err(|reason| self.invalid("sasl.jaas.config", reason))?,
            None => PlainUsers::default(),
        };
        let mut session_max = BTreeMap::new();
        for mechanism in &mechanisms {
            const NAME: &str = "connections.max.reauth.ms";
            let text = self
                .properties
                .get(&self.listener.name, Some(*mechanism), NAME);
            let reauth_ms: u64 = text.unwrap_or("0").parse().map_err(|_| {
                self.invalid(NAME, "a number of milliseconds is expected, 0 for no limit")
            })?;
            if reauth_ms > 0 {
                session_max.insert(*mechanism, Duration::from_millis(reauth_ms));
            }
        }
        Ok(SaslRules {
            mechanisms,
            plain_users,
            session_max,
            failure_delay: self.failure_delay()?,
        })
    }

    fn failure_delay(&self) -> Result<Duration, BrokerError> {
        const NAME: &str = "connection.failed.authentication.delay.ms";
        let text = self.get(NAME).unwrap_or("100");
        let delay_ms: u64 = text
            .parse()
            .map_err(|_| self.invalid(NAME, "a number of milliseconds is expected"))?;
        Ok(Duration::from_millis(delay_ms))
    }
}
