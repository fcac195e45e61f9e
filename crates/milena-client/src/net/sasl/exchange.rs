//! What the client says in a SASL exchange, message by message. A plain state machine: owns no
//! connection, asks nobody for a token.

use milena_wire::sasl::scram::{self, ScramError, ScramMechanism};
use zeroize::Zeroizing;

use crate::security::{Credentials, Secret, Token};

/// A message to the broker; overwritten when it is dropped.
pub(super) type Message = Zeroizing<Vec<u8>>;

/// Where an exchange is: what the broker's next message means.
pub(super) enum Exchange {
    /// An empty answer is all that is left.
    LastSent,
    /// SCRAM: the broker tells salt and iterations next.
    ScramFirst(ScramFirst),
    /// SCRAM: the broker proves itself next.
    ScramFinal(ScramFinal),
    /// OAUTHBEARER: an empty answer, or the reason of a refusal.
    TokenSent,
    /// OAUTHBEARER: the broker said why it refuses, and was told to go on.
    TokenRefused(String),
}

/// What to do after a message of the broker.
pub(super) enum Step {
    Send(Exchange, Message),
    Done,
}

pub(super) struct ScramFirst {
    mechanism: ScramMechanism,
    password: Secret,
    first: scram::ClientFirst,
}

pub(super) struct ScramFinal {
    mechanism: ScramMechanism,
    salted_password: Zeroizing<Vec<u8>>,
    auth_message: String,
}

impl Exchange {
    /// The only message of PLAIN (RFC 4616).
    pub(super) fn plain(credentials: &Credentials) -> (Self, Message) {
        let mut message = Message::default();
        message.push(0);
        message.extend_from_slice(credentials.username.as_bytes());
        message.push(0);
        message.extend_from_slice(credentials.password.expose().as_bytes());
        (Self::LastSent, message)
    }

    /// The first message of SCRAM.
    pub(super) fn scram(
        mechanism: ScramMechanism,
        credentials: &Credentials,
        nonce: String,
    ) -> (Self, Message) {
        let first = scram::ClientFirst::new(&credentials.username, nonce);
        let message = Message::new(first.to_text().into_bytes());
        let state = ScramFirst {
            mechanism,
            password: credentials.password.clone(),
            first,
        };
        (Self::ScramFirst(state), message)
    }

    /// The token, as RFC 7628 wraps it.
    pub(super) fn token(token: &Token) -> Result<(Self, Message), String> {
        let mut message = Message::new(b"n,,\x01auth=Bearer ".to_vec());
        message.extend_from_slice(token.value.expose().as_bytes());
        message.push(1);
        for (name, value) in &token.extensions {
            let is_name = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphabetic());
            let is_value = value
                .bytes()
                .all(|byte| matches!(byte, b' '..=b'~' | b'\t' | b'\r' | b'\n'));
            if !is_name || name == "auth" || !is_value {
                return Err(format!("{name:?} cannot be a SASL extension"));
            }
            message.extend_from_slice(format!("{name}={value}\x01").as_bytes());
        }
        message.push(1);
        Ok((Self::TokenSent, message))
    }

    /// Takes the broker's next message.
    pub(super) fn answer(self, challenge: &[u8]) -> Result<Step, String> {
        match self {
            Self::LastSent => Ok(Step::Done),
            Self::ScramFirst(state) => state.answer(challenge).map_err(|error| error.to_string()),
            Self::ScramFinal(state) => state.verify(challenge).map_err(|error| error.to_string()),
            Self::TokenSent if challenge.is_empty() => Ok(Step::Done),
            Self::TokenSent => {
                let reason = String::from_utf8_lossy(challenge).into_owned();
                Ok(Step::Send(
                    Self::TokenRefused(reason),
                    Message::new(vec![1]),
                ))
            }
            Self::TokenRefused(reason) => Err(format!("the broker refused the token: {reason}")),
        }
    }

    /// Why the broker refused, if it said so before it gave an error code.
    pub(super) fn refusal(&self) -> Option<&str> {
        match self {
            Self::TokenRefused(reason) => Some(reason),
            _ => None,
        }
    }
}

impl ScramFirst {
    fn answer(self, challenge: &[u8]) -> Result<Step, ScramError> {
        let server = scram::ServerFirst::parse(challenge)?;
        let continues = server.nonce.strip_prefix(&self.first.nonce);
        if continues.is_none_or(str::is_empty) {
            return Err(ScramError::Nonce);
        }
        let salted_password = self.mechanism.salted_password(
            self.password.expose().as_bytes(),
            &server.salt,
            server.iterations,
        )?;
        let mut last = scram::ClientFinal::new(&server.nonce);
        let server_first = String::from_utf8_lossy(challenge);
        let auth_message = format!("{},{server_first},{}", self.first.bare, last.without_proof);
        last.proof = self.mechanism.client_proof(&salted_password, &auth_message);
        let message = Message::new(last.to_text().into_bytes());
        let state = ScramFinal {
            mechanism: self.mechanism,
            salted_password,
            auth_message,
        };
        Ok(Step::Send(Exchange::ScramFinal(state), message))
    }
}

impl ScramFinal {
    fn verify(self, challenge: &[u8]) -> Result<Step, ScramError> {
        match scram::ServerFinal::parse(challenge)? {
            scram::ServerFinal::Error(reason) => Err(ScramError::Refused(reason)),
            scram::ServerFinal::Signature(signature) => {
                let is_genuine = self.mechanism.is_server_signature(
                    &self.salted_password,
                    &self.auth_message,
                    &signature,
                );
                if is_genuine {
                    Ok(Step::Done)
                } else {
                    Err(ScramError::ServerSignature)
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
