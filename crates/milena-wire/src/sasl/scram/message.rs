//! The four messages of a SCRAM exchange, as text and back. Channel binding is not used: Kafka has
//! none.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::ScramError;

/// No channel binding, no other identity to act for.
const GS2_HEADER: &str = "n,,";
/// [`GS2_HEADER`] in base64, as the client's second message repeats it.
const GS2_HEADER_BASE64: &str = "biws";

/// The client says who it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientFirst {
    /// Who wants to log in.
    pub user: String,
    /// The client's nonce.
    pub nonce: String,
    /// The message without its header, as it takes part in the proofs.
    pub bare: String,
}

/// The server says how the password is hashed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerFirst {
    /// The client's nonce, continued.
    pub nonce: String,
    /// The user's salt.
    pub salt: Vec<u8>,
    /// The user's iterations.
    pub iterations: u32,
}

/// The client proves that it knows the password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientFinal {
    /// The server's nonce, repeated.
    pub nonce: String,
    /// The proof.
    pub proof: Vec<u8>,
    /// The message without the proof, as it takes part in the proofs.
    pub without_proof: String,
}

/// The server proves that it knows the password, or refuses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ServerFinal {
    /// Its signature.
    Signature(Vec<u8>),
    /// Its reason.
    Error(String),
}

impl ClientFirst {
    /// The message of `user`.
    #[must_use]
    pub fn new(user: &str, nonce: String) -> Self {
        let escaped = user.replace('=', "=3D").replace(',', "=2C");
        Self {
            user: user.to_owned(),
            bare: format!("n={escaped},r={nonce}"),
            nonce,
        }
    }

    /// As it goes to the server.
    #[must_use]
    pub fn to_text(&self) -> String {
        format!("{GS2_HEADER}{}", self.bare)
    }

    /// Reads a client's message.
    ///
    /// # Errors
    /// [`ScramError::Malformed`].
    pub fn parse(message: &[u8]) -> Result<Self, ScramError> {
        const WRONG: ScramError = ScramError::Malformed("client-first-message");
        let text = std::str::from_utf8(message).map_err(|_| WRONG)?;
        let (binding, rest) = text.split_once(',').ok_or(WRONG)?;
        let (_authorization_id, bare) = rest.split_once(',').ok_or(WRONG)?;
        if binding != "n" && binding != "y" {
            return Err(ScramError::Malformed("channel binding is not supported"));
        }
        let mut attributes = bare.split(',');
        let user = attribute(attributes.next(), 'n').ok_or(WRONG)?;
        let nonce = attribute(attributes.next(), 'r').ok_or(WRONG)?;
        if nonce.is_empty() {
            return Err(WRONG);
        }
        Ok(Self {
            user: unescape(user).ok_or(WRONG)?,
            nonce: nonce.to_owned(),
            bare: bare.to_owned(),
        })
    }
}

impl ServerFirst {
    /// As it goes to the client.
    #[must_use]
    pub fn to_text(&self) -> String {
        let salt = to_base64(&self.salt);
        format!("r={},s={salt},i={}", self.nonce, self.iterations)
    }

    /// Reads a server's answer.
    ///
    /// # Errors
    /// [`ScramError::Malformed`]; [`ScramError::Refused`] when it is an error.
    pub fn parse(message: &[u8]) -> Result<Self, ScramError> {
        const WRONG: ScramError = ScramError::Malformed("server-first-message");
        let text = std::str::from_utf8(message).map_err(|_| WRONG)?;
        if let Some(reason) = attribute(Some(text), 'e') {
            return Err(ScramError::Refused(reason.to_owned()));
        }
        let mut attributes = text.split(',');
        let nonce = attribute(attributes.next(), 'r').ok_or(WRONG)?;
        let salt = attribute(attributes.next(), 's').ok_or(WRONG)?;
        let iterations = attribute(attributes.next(), 'i').ok_or(WRONG)?;
        Ok(Self {
            nonce: nonce.to_owned(),
            salt: STANDARD.decode(salt).map_err(|_| WRONG)?,
            iterations: iterations.parse().map_err(|_| WRONG)?,
        })
    }
}

impl ClientFinal {
    /// The message without its proof, which is made of it.
    #[must_use]
    pub fn new(nonce: &str) -> Self {
        Self {
            nonce: nonce.to_owned(),
            proof: Vec::new(),
            without_proof: format!("c={GS2_HEADER_BASE64},r={nonce}"),
        }
    }

    /// As it goes to the server.
    #[must_use]
    pub fn to_text(&self) -> String {
        format!("{},p={}", self.without_proof, to_base64(&self.proof))
    }

    /// Reads a client's message.
    ///
    /// # Errors
    /// [`ScramError::Malformed`].
    pub fn parse(message: &[u8]) -> Result<Self, ScramError> {
        const WRONG: ScramError = ScramError::Malformed("client-final-message");
        let text = std::str::from_utf8(message).map_err(|_| WRONG)?;
        let (without_proof, proof) = text.rsplit_once(",p=").ok_or(WRONG)?;
        let mut attributes = without_proof.split(',');
        attribute(attributes.next(), 'c').ok_or(WRONG)?;
        let nonce = attribute(attributes.next(), 'r').ok_or(WRONG)?;
        Ok(Self {
            nonce: nonce.to_owned(),
            proof: STANDARD.decode(proof).map_err(|_| WRONG)?,
            without_proof: without_proof.to_owned(),
        })
    }
}

impl ServerFinal {
    /// As it goes to the client.
    #[must_use]
    pub fn to_text(&self) -> String {
        match self {
            Self::Signature(signature) => format!("v={}", to_base64(signature)),
            Self::Error(reason) => format!("e={reason}"),
        }
    }

    /// Reads a server's answer.
    ///
    /// # Errors
    /// [`ScramError::Malformed`].
    pub fn parse(message: &[u8]) -> Result<Self, ScramError> {
        const WRONG: ScramError = ScramError::Malformed("server-final-message");
        let text = std::str::from_utf8(message).map_err(|_| WRONG)?;
        let first = text.split(',').next();
        if let Some(reason) = attribute(first, 'e') {
            return Ok(Self::Error(reason.to_owned()));
        }
        let signature = attribute(first, 'v').ok_or(WRONG)?;
        let signature = STANDARD.decode(signature).map_err(|_| WRONG)?;
        Ok(Self::Signature(signature))
    }
}

pub(super) fn to_base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// The value of `name=value`.
fn attribute(text: Option<&str>, name: char) -> Option<&str> {
    text?.strip_prefix(name)?.strip_prefix('=')
}

/// A user name in which `,` and `=` stand as `=2C` and `=3D`.
fn unescape(text: &str) -> Option<String> {
    let mut parts = text.split('=');
    let mut plain = parts.next()?.to_owned();
    for part in parts {
        let (sign, rest) = match (part.strip_prefix("2C"), part.strip_prefix("3D")) {
            (Some(rest), _) => (',', rest),
            (_, Some(rest)) => ('=', rest),
            _ => return None,
        };
        plain.push(sign);
        plain.push_str(rest);
    }
    (!plain.is_empty()).then_some(plain)
}
