//! What a broker says in a SASL exchange, message by message. A plain state machine: owns no
//! connection, reads no clock.

use std::fmt;

use milena_wire::sasl::scram::{
    ClientFinal, ClientFirst, ScramCredential, ScramMechanism, ServerFinal, ServerFirst, nonce,
};
use milena_wire::sasl::{OAUTHBEARER, PLAIN};

use super::{Principal, SaslRules, ScramStore, oauth_bearer};

/// A mechanism that a listener can offer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Mechanism {
    Plain,
    Scram(ScramMechanism),
    OauthBearer,
}

/// An exchange that is under way.
pub(crate) enum SaslServer {
    /// Nothing has come yet.
    Start(Mechanism),
    /// SCRAM: the client proves next that it knows the password.
    Scram(ScramExchange),
    /// OAUTHBEARER: the client was told why its token is of no use.
    TokenRefused,
}

pub(crate) struct ScramExchange {
    mechanism: ScramMechanism,
    user: String,
    nonce: String,
    credential: ScramCredential,
    /// The messages so far, as they take part in the proofs.
    messages: String,
}

/// What follows from a client's message.
pub(crate) enum Verdict {
    Continue(SaslServer, Vec<u8>),
    Accept(Accepted),
    /// With the reason that the client is told.
    Refuse(String),
}

/// A client that proved who it is.
pub(crate) struct Accepted {
    pub(crate) principal: Principal,
    pub(crate) message: Vec<u8>,
    /// When what it proved it with ends, in milliseconds since 1970.
    pub(crate) expires_ms: Option<i64>,
}

impl Mechanism {
    pub(crate) const ALL: [Self; 4] = [
        Self::Plain,
        Self::Scram(ScramMechanism::Sha256),
        Self::Scram(ScramMechanism::Sha512),
        Self::OauthBearer,
    ];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Plain => PLAIN,
            Self::Scram(mechanism) => mechanism.name(),
            Self::OauthBearer => OAUTHBEARER,
        }
    }

    pub(crate) fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.name() == name)
    }
}

impl fmt::Display for Mechanism {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

impl SaslServer {
    /// Takes a client's message.
    pub(crate) fn answer(
        self,
        message: &[u8],
        rules: &SaslRules,
        store: &ScramStore,
        now_ms: i64,
    ) -> Verdict {
        match self {
            Self::Start(Mechanism::Plain) => match rules.plain_users.log_in(message) {
                Ok(user) => Verdict::accept(user, Vec::new(), None),
                Err(reason) => Verdict::Refuse(reason),
            },
            Self::Start(Mechanism::Scram(mechanism)) => {
                ScramExchange::start(mechanism, message, store)
                    .unwrap_or_else(|| Verdict::invalid_credentials(mechanism))
            }
            Self::Start(Mechanism::OauthBearer) => match oauth_bearer::validate(message, now_ms) {
                Ok(claims) => Verdict::accept(claims.subject, Vec::new(), Some(claims.expires_ms)),
                Err(reason) => {
                    tracing::debug!(event = "token_refused", reason);
                    let answer = oauth_bearer::INVALID_TOKEN.as_bytes().to_vec();
                    Verdict::Continue(Self::TokenRefused, answer)
                }
            },
            Self::Scram(exchange) => exchange.finish(message),
            Self::TokenRefused => Verdict::Refuse(oauth_bearer::INVALID_TOKEN.to_owned()),
        }
    }
}

impl ScramExchange {
    /// Tells salt and iterations; nothing, if the user is not known.
    fn start(mechanism: ScramMechanism, message: &[u8], store: &ScramStore) -> Option<Verdict> {
        let first = ClientFirst::parse(message).ok()?;
        let credential = store.find(&first.user, mechanism)?;
        let answer = ServerFirst {
            nonce: format!("{}{}", first.nonce, nonce().ok()?),
            salt: credential.salt.clone(),
            iterations: credential.iterations,
        };
        let text = answer.to_text();
        let exchange = Self {
            mechanism,
            user: first.user,
            nonce: answer.nonce,
            credential,
            messages: format!("{},{text}", first.bare),
        };
        Some(Verdict::Continue(
            SaslServer::Scram(exchange),
            text.into_bytes(),
        ))
    }

    fn finish(self, message: &[u8]) -> Verdict {
        let refused = Verdict::invalid_credentials(self.mechanism);
        let Ok(last) = ClientFinal::parse(message) else {
            return refused;
        };
        let auth_message = format!("{},{}", self.messages, last.without_proof);
        let is_proof = self
            .credential
            .is_proof(self.mechanism, &auth_message, &last.proof);
        if last.nonce != self.nonce || !is_proof {
            return refused;
        }
        let signature = self
            .credential
            .server_signature(self.mechanism, &auth_message);
        let answer = ServerFinal::Signature(signature).to_text();
        Verdict::accept(self.user, answer.into_bytes(), None)
    }
}

impl Verdict {
    fn accept(user: String, message: Vec<u8>, expires_ms: Option<i64>) -> Self {
        Self::Accept(Accepted {
            principal: Principal::user(user),
            message,
            expires_ms,
        })
    }

    fn invalid_credentials(mechanism: ScramMechanism) -> Self {
        Self::Refuse(format!(
            "Authentication failed during authentication due to invalid credentials \
             with SASL mechanism {}",
            mechanism.name()
        ))
    }
}
