//! Who the client is and whom it trusts: TLS, SASL credentials, tokens. Opens no connection; what
//! happens on one is the business of `net`.
//!
//! ```
//! use milena_client::ClientConfig;
//! use milena_client::security::{SaslConfig, TlsConfig};
//!
//! let config = ClientConfig::new("kafka.example.org:9093")
//!     .tls(TlsConfig::new().ca_file("ca.pem"))
//!     .sasl(SaslConfig::scram_sha_512("billing", "its password"));
//! assert!(!format!("{config:?}").contains("its password"));
//! ```

#[cfg_attr(not(feature = "oidc"), path = "no_oidc.rs")]
mod oidc;
mod sasl;
mod secret;
mod tls;
mod token;

#[cfg(feature = "oidc")]
pub use oidc::OidcTokens;
#[cfg(not(feature = "oidc"))]
pub(crate) use oidc::OidcTokens;
pub use sasl::SaslConfig;
pub(crate) use sasl::{Credentials, Mechanism};
pub use secret::Secret;
#[cfg(feature = "tls")]
pub(crate) use tls::PemSource;
pub use tls::TlsConfig;
pub(crate) use tls::{Identity, Pem, Verification};
pub use token::{Token, TokenError, TokenFuture, TokenProvider, UnsecuredTokens};
