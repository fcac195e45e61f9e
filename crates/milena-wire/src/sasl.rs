//! What both ends of a SASL exchange share: the names of the mechanisms, SCRAM's messages and
//! arithmetic, and how credentials are written in properties. Knows no connection; who may log in is
//! the ends' business.

pub mod jaas;
pub mod scram;

/// A user name and a password in one message.
pub const PLAIN: &str = "PLAIN";
/// A bearer token (RFC 7628).
pub const OAUTHBEARER: &str = "OAUTHBEARER";
