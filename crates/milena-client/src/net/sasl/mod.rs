//! Authentication on a connection: SaslHandshake and SaslAuthenticate around the messages of a
//! mechanism (KIP-43, KIP-152), and again before the session ends (KIP-368).

mod exchange;
mod session;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use milena_wire::sasl::scram;
use tokio::time::{Instant, timeout_at};
use zeroize::{Zeroize, Zeroizing};

use super::connection::{Connection, Turn};
use crate::error::Error;
use crate::security::{Mechanism, SaslConfig, TokenError};
use crate::wire::messages::{
    SaslAuthenticateRequest, SaslAuthenticateResponse, SaslHandshakeRequest, SaslHandshakeResponse,
};
use crate::wire::{ApiKey, ErrorCode, StrBytes, decode_response, encode_message};
use exchange::{Exchange, Message, Step};

pub(super) use session::keep_alive;

/// Version 0 is followed by bare tokens instead of SaslAuthenticate (before Kafka 1.0).
const HANDSHAKE_VERSION: i16 = 1;
/// Later versions of SaslAuthenticate are not known to us.
const AUTHENTICATE_VERSION_MAX: i16 = 2;
/// Messages of one exchange; SCRAM needs two.
const MESSAGES_MAX: usize = 8;

/// What an authentication is good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Session {
    /// How long; none, if for as long as the connection lasts.
    pub(super) lifetime: Option<Duration>,
}

/// An authentication that has what it needs, and has sent nothing.
pub(super) struct Authentication {
    mechanism: &'static str,
    exchange: Exchange,
    message: Message,
}

/// Proves on `connection` who we are, by `deadline`.
///
/// # Errors
/// [`Error::Authentication`] if the broker does not take it, or the broker did not prove itself.
pub(super) async fn authenticate(
    connection: &Connection,
    config: &SaslConfig,
    deadline: Instant,
) -> Result<Session, Error> {
    let preparing = Authentication::prepare(config, connection.address());
    let prepared = timeout_at(deadline, preparing).await.unwrap_or_else(|_| {
        let error = TokenError::unavailable("the provider did not answer in time");
        Err(no_token(&error, config.name(), connection.address()))
    })?;
    prepared.run(connection, Turn::Queue, deadline).await
}

impl Authentication {
    /// Gets the token, or the nonce.
    async fn prepare(config: &SaslConfig, address: &str) -> Result<Self, Error> {
        let mechanism = config.name();
        let failed = |reason: String| failure(mechanism, address, reason);
        let (exchange, message) = match &config.mechanism {
            Mechanism::Plain(credentials) => Exchange::plain(credentials),
            Mechanism::Scram(hash, credentials) => {
                let nonce = scram::nonce().map_err(|error| failed(error.to_string()))?;
                Exchange::scram(*hash, credentials, nonce)
            }
            Mechanism::OauthBearer(provider) => {
                let token = provider.token().await;
                let token = token.map_err(|error| no_token(&error, mechanism, address))?;
                Exchange::token(&token).map_err(failed)?
            }
        };
        Ok(Self {
            mechanism,
            exchange,
            message,
        })
    }

    /// Exchanges messages until both sides are content.
    async fn run(
        self,
        connection: &Connection,
        turn: Turn,
        deadline: Instant,
    ) -> Result<Session, Error> {
        let Self {
            mechanism,
            mut exchange,
            mut message,
        } = self;
        let wire = Wire {
            connection,
            mechanism,
            turn,
            deadline,
        };
        wire.handshake().await?;
        for _ in 0..MESSAGES_MAX {
            let response = wire.authenticate(message, exchange.refusal()).await?;
            let challenge = response.auth_bytes;
            // Hashing a password many times takes milliseconds, or more if the broker wants it.
            let step = tokio::task::spawn_blocking(move || exchange.answer(&challenge)).await;
            let step = step.map_err(|error| wire.failure(error.to_string()))?;
            match step.map_err(|reason| wire.failure(reason))? {
                Step::Send(next, answer) => (exchange, message) = (next, answer),
                Step::Done => {
                    let lifetime = u64::try_from(response.session_lifetime_ms).unwrap_or(0);
                    let lifetime = Some(lifetime).filter(|lifetime| *lifetime > 0);
                    return Ok(Session {
                        lifetime: lifetime.map(Duration::from_millis),
                    });
                }
            }
        }
        Err(wire.failure(format!("no end after {MESSAGES_MAX} messages")))
    }
}

/// The requests of one exchange.
struct Wire<'a> {
    connection: &'a Connection,
    mechanism: &'static str,
    turn: Turn,
    deadline: Instant,
}

impl Wire<'_> {
    /// Agrees on the mechanism.
    async fn handshake(&self) -> Result<(), Error> {
        let api = ApiKey::SaslHandshake;
        let version = self
            .connection
            .version_within(api, HANDSHAKE_VERSION, HANDSHAKE_VERSION)
            .ok_or_else(|| self.connection.unsupported("SaslHandshake"))?;
        let request = SaslHandshakeRequest::default()
            .with_mechanism(StrBytes::from_static_str(self.mechanism));
        let body = encode_message(version, &request);
        let body = body.map_err(|error| Error::protocol(error.to_string()))?;
        let mut answer = self.call(api, version, body).await?;
        let response: SaslHandshakeResponse =
            decode_response(version, &mut answer).map_err(|error| self.unreadable(&error))?;
        match ErrorCode::from(response.error_code) {
            ErrorCode::None => Ok(()),
            ErrorCode::UnsupportedSaslMechanism => {
                let offered: Vec<&str> = response.mechanisms.iter().map(|name| &**name).collect();
                let offered = offered.join(", ");
                Err(self.failure(format!("the broker offers {offered}: set sasl.mechanism")))
            }
            ErrorCode::IllegalSaslState => {
                Err(self
                    .failure("the listener does not authenticate: does security.protocol fit it?"))
            }
            code => Err(self.failure(code.to_string())),
        }
    }

    /// Sends a message of the mechanism; `refusal` is what the broker has said against it so far.
    async fn authenticate(
        &self,
        message: Message,
        refusal: Option<&str>,
    ) -> Result<SaslAuthenticateResponse, Error> {
        let api = ApiKey::SaslAuthenticate;
        let version = self
            .connection
            .version_within(api, 0, AUTHENTICATE_VERSION_MAX)
            .ok_or_else(|| self.connection.unsupported("SaslAuthenticate"))?;
        let request =
            SaslAuthenticateRequest::default().with_auth_bytes(Bytes::from_owner(message));
        let body = encode_message(version, &request);
        let body = body.map_err(|error| Error::protocol(error.to_string()))?;
        let mut answer = self.call(api, version, forgetful(body)).await?;
        let response: SaslAuthenticateResponse =
            decode_response(version, &mut answer).map_err(|error| self.unreadable(&error))?;
        match ErrorCode::from(response.error_code) {
            ErrorCode::None => Ok(response),
            code => {
                let said = response.error_message.as_deref();
                let said = said
                    .filter(|text| !text.is_empty())
                    .unwrap_or(code.message());
                Err(self.failure(match refusal {
                    Some(refusal) => format!("{said} ({refusal})"),
                    None => said.to_owned(),
                }))
            }
        }
    }

    async fn call(&self, api: ApiKey, version: i16, body: Bytes) -> Result<Bytes, Error> {
        let time_left = self.deadline.saturating_duration_since(Instant::now());
        self.connection
            .request_in(self.turn, api, version, vec![body], time_left)
            .await
    }

    fn failure(&self, reason: impl Into<String>) -> Error {
        failure(self.mechanism, self.connection.address(), reason)
    }

    fn unreadable(&self, error: &dyn std::fmt::Display) -> Error {
        Error::protocol(format!("from {}: {error}", self.connection.address()))
    }
}

fn failure(mechanism: &str, address: &str, reason: impl Into<String>) -> Error {
    Error::Authentication {
        mechanism: mechanism.to_owned(),
        address: address.to_owned(),
        reason: reason.into(),
    }
}

fn no_token(error: &TokenError, mechanism: &str, address: &str) -> Error {
    let reason = format!("no token: {error}");
    if error.is_retriable() {
        return Error::Connect {
            address: address.to_owned(),
            source: Arc::new(io::Error::other(reason)),
        };
    }
    failure(mechanism, address, reason)
}

/// The same bytes in memory that is overwritten when it is dropped.
fn forgetful(bytes: Bytes) -> Bytes {
    let copy = Bytes::from_owner(Zeroizing::new(bytes.to_vec()));
    if let Ok(mut original) = bytes.try_into_mut() {
        original.as_mut().zeroize();
    }
    copy
}
