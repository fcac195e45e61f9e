//! SCRAM (RFC 5802, RFC 7677): what a server keeps of a password, and the proofs made of it.
//!
//! Passwords are taken as they are, in UTF-8. Kafka's brokers and tools do not prepare them
//! (SASLprep) either; a client that did would be refused wherever that changes the password.

mod message;
#[cfg(test)]
mod tests;

use std::num::NonZeroU32;

use ring::{digest, hmac, pbkdf2, rand};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

pub use message::{ClientFinal, ClientFirst, ServerFinal, ServerFirst};

/// Fewer iterations than this protect nothing (RFC 7677); Kafka refuses them as well.
pub const ITERATIONS_MIN: u32 = 4096;
/// More than this would let the other side keep a core busy for seconds.
pub const ITERATIONS_MAX: u32 = 1_000_000;
/// Random bytes of a nonce.
const NONCE_BYTES: usize = 24;

/// Which hash a SCRAM exchange uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ScramMechanism {
    /// `SCRAM-SHA-256`
    Sha256,
    /// `SCRAM-SHA-512`
    Sha512,
}

/// What a server keeps of a password. It does not let anyone log in.
#[derive(Clone, PartialEq, Eq)]
pub struct ScramCredential {
    /// Mixed into the password, so that equal passwords look different.
    pub salt: Vec<u8>,
    /// How often the password was hashed.
    pub iterations: u32,
    /// Checks the client's proof.
    pub stored_key: Vec<u8>,
    /// Makes the server's signature.
    pub server_key: Vec<u8>,
}

/// Why an exchange cannot go on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ScramError {
    /// A message is not what RFC 5802 says.
    #[error("malformed SCRAM message: {0}")]
    Malformed(&'static str),
    /// The server's nonce does not begin with the client's: an answer to someone else.
    #[error("the SCRAM nonce does not continue ours")]
    Nonce,
    /// Too few iterations protect nothing, too many are an attack.
    #[error("{0} SCRAM iterations, expected {ITERATIONS_MIN} to {ITERATIONS_MAX}")]
    Iterations(u32),
    /// The server does not know the password either: it is not who it says.
    #[error("the server's SCRAM signature is wrong: it does not know the password")]
    ServerSignature,
    /// The server refused.
    #[error("the server refused: {0}")]
    Refused(String),
    /// The operating system gave no random numbers.
    #[error("the operating system gave no random numbers")]
    NoRandom,
}

impl ScramMechanism {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Sha256, Self::Sha512];

    /// The name in SASL handshakes, such as `SCRAM-SHA-256`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sha256 => "SCRAM-SHA-256",
            Self::Sha512 => "SCRAM-SHA-512",
        }
    }

    /// The mechanism of this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.name() == name)
    }

    /// Kafka's number of it, in the requests that describe and alter credentials (KIP-554).
    #[must_use]
    pub const fn number(self) -> i8 {
        match self {
            Self::Sha256 => 1,
            Self::Sha512 => 2,
        }
    }

    /// The mechanism of this number.
    #[must_use]
    pub fn from_number(number: i8) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.number() == number)
    }

    /// Bytes of a key or signature.
    #[must_use]
    pub fn key_bytes(self) -> usize {
        self.digest().output_len()
    }

    fn digest(self) -> &'static digest::Algorithm {
        match self {
            Self::Sha256 => &digest::SHA256,
            Self::Sha512 => &digest::SHA512,
        }
    }

    fn hmac(self, key: &[u8], message: &[u8]) -> hmac::Tag {
        let algorithm = match self {
            Self::Sha256 => hmac::HMAC_SHA256,
            Self::Sha512 => hmac::HMAC_SHA512,
        };
        hmac::sign(&hmac::Key::new(algorithm, key), message)
    }

    /// The password after its iterations: what client and server keys are made of. Takes
    /// milliseconds of CPU.
    ///
    /// # Errors
    /// [`ScramError::Iterations`] outside [`ITERATIONS_MIN`] to [`ITERATIONS_MAX`].
    pub fn salted_password(
        self,
        password: &[u8],
        salt: &[u8],
        iterations: u32,
    ) -> Result<Zeroizing<Vec<u8>>, ScramError> {
        let count = NonZeroU32::new(iterations)
            .filter(|count| (ITERATIONS_MIN..=ITERATIONS_MAX).contains(&count.get()))
            .ok_or(ScramError::Iterations(iterations))?;
        let algorithm = match self {
            Self::Sha256 => pbkdf2::PBKDF2_HMAC_SHA256,
            Self::Sha512 => pbkdf2::PBKDF2_HMAC_SHA512,
        };
        let mut salted = Zeroizing::new(vec![0; self.key_bytes()]);
        pbkdf2::derive(algorithm, count, salt, password, &mut salted);
        Ok(salted)
    }

    /// The client's proof that it knows the password, for this exchange only.
    #[must_use]
    pub fn client_proof(self, salted_password: &[u8], auth_message: &str) -> Vec<u8> {
        let client_key = self.hmac(salted_password, b"Client Key");
        let stored_key = digest::digest(self.digest(), client_key.as_ref());
        let signature = self.hmac(stored_key.as_ref(), auth_message.as_bytes());
        xor(client_key.as_ref(), signature.as_ref())
    }

    /// Whether a server's signature shows that it knows the password.
    #[must_use]
    pub fn is_server_signature(
        self,
        salted_password: &[u8],
        auth_message: &str,
        signature: &[u8],
    ) -> bool {
        let server_key = self.hmac(salted_password, b"Server Key");
        let expected = self.hmac(server_key.as_ref(), auth_message.as_bytes());
        expected.as_ref().ct_eq(signature).into()
    }
}

impl ScramCredential {
    /// What to keep of a password that was salted with `salt`.
    #[must_use]
    pub fn new(
        mechanism: ScramMechanism,
        salted_password: &[u8],
        salt: Vec<u8>,
        iterations: u32,
    ) -> Self {
        let client_key = mechanism.hmac(salted_password, b"Client Key");
        let stored_key = digest::digest(mechanism.digest(), client_key.as_ref());
        let server_key = mechanism.hmac(salted_password, b"Server Key");
        Self {
            salt,
            iterations,
            stored_key: stored_key.as_ref().to_vec(),
            server_key: server_key.as_ref().to_vec(),
        }
    }

    /// Whether the proof of a client shows that it knows the password.
    #[must_use]
    pub fn is_proof(&self, mechanism: ScramMechanism, auth_message: &str, proof: &[u8]) -> bool {
        let signature = mechanism.hmac(&self.stored_key, auth_message.as_bytes());
        if proof.len() != signature.as_ref().len() {
            return false;
        }
        let client_key = Zeroizing::new(xor(proof, signature.as_ref()));
        let stored_key = digest::digest(mechanism.digest(), &client_key);
        stored_key.as_ref().ct_eq(&self.stored_key).into()
    }

    /// The server's signature of an exchange.
    #[must_use]
    pub fn server_signature(&self, mechanism: ScramMechanism, auth_message: &str) -> Vec<u8> {
        let signature = mechanism.hmac(&self.server_key, auth_message.as_bytes());
        signature.as_ref().to_vec()
    }
}

impl std::fmt::Debug for ScramCredential {
    /// Without the keys: the server key lets one pose as the server.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("ScramCredential")
            .field("iterations", &self.iterations)
            .finish_non_exhaustive()
    }
}

/// A nonce that nobody guesses.
///
/// # Errors
/// [`ScramError::NoRandom`].
pub fn nonce() -> Result<String, ScramError> {
    random_bytes::<NONCE_BYTES>().map(|bytes| message::to_base64(&bytes))
}

/// Random bytes, for a salt.
///
/// # Errors
/// [`ScramError::NoRandom`].
pub fn random_bytes<const COUNT: usize>() -> Result<[u8; COUNT], ScramError> {
    let mut bytes = [0; COUNT];
    rand::SecureRandom::fill(&rand::SystemRandom::new(), &mut bytes)
        .map_err(|_| ScramError::NoRandom)?;
    Ok(bytes)
}

fn xor(left: &[u8], right: &[u8]) -> Vec<u8> {
    left.iter().zip(right).map(|(a, b)| a ^ b).collect()
}
