//! Who may use a listener: TLS, SASL mechanisms, the credentials behind them, and the name under
//! which a client is known afterwards. Knows no request.

mod credentials;
mod listener;
mod oauth_bearer;
mod plain;
mod principal;
mod sasl;
mod scram_user;
#[cfg_attr(not(feature = "tls"), path = "no_tls.rs")]
mod tls;

pub(crate) use credentials::ScramStore;
pub(crate) use listener::{ListenerSecurity, SaslRules};
pub(crate) use principal::Principal;
pub(crate) use sasl::{Accepted, Mechanism, SaslServer, Verdict};
pub(crate) use scram_user::ScramUser;
pub(crate) use tls::TlsAcceptor;
