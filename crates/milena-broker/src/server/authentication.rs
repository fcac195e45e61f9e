//! What a connection may do before, while and after its client authenticates (KIP-43, KIP-152,
//! KIP-368).
//!
//! Owns the order of SaslHandshake and SaslAuthenticate and their error codes. The mechanisms are
//! [`crate::security`]'s.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use milena_wire::error_code::ErrorCode;
use milena_wire::rpc::messages::{
    SaslAuthenticateRequest, SaslAuthenticateResponse, SaslHandshakeRequest, SaslHandshakeResponse,
};
use milena_wire::rpc::{self, ApiKey, RpcError, StrBytes};
use tokio::time::Instant;

use super::reply::{self, Reply, RequestContext};
use crate::clock;
use crate::node::Node;
use crate::security::{Accepted, Mechanism, Principal, SaslRules, SaslServer, Verdict};

/// A session younger than this is not renewed, as with Apache Kafka.
const SESSION_MIN: Duration = Duration::from_secs(1);

/// Where a connection's client is on its way to being known.
pub(crate) struct Authentication {
    /// None, if clients need not say who they are.
    rules: Option<Arc<SaslRules>>,
    stage: Stage,
    principal: Principal,
    session: Option<Session>,
}

enum Stage {
    /// SaslHandshake comes next, or has been dealt with.
    Idle,
    /// The mechanism is agreed upon; its messages come next.
    Exchange(Mechanism, SaslServer, Framing),
}

/// How the messages of a mechanism travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Framing {
    /// In SaslAuthenticate.
    Requests,
    /// With a length before them and nothing else: after SaslHandshake version 0 (KIP-43).
    Bare,
}

/// What the client proved, and until when that holds.
#[derive(Clone)]
struct Session {
    mechanism: Mechanism,
    since: Instant,
    ends: Option<Instant>,
}

impl Authentication {
    /// Nothing is proved yet; `principal` is who the TLS certificate is for.
    pub(crate) fn new(rules: Option<Arc<SaslRules>>, principal: Principal) -> Self {
        Self {
            rules,
            stage: Stage::Idle,
            principal,
            session: None,
        }
    }

    /// Whether the client has yet to say who it is.
    pub(crate) fn is_pending(&self) -> bool {
        self.rules.is_some() && self.session.is_none()
    }

    /// Who the client is.
    pub(crate) fn principal(&self) -> &Principal {
        &self.principal
    }

    /// Answers what belongs to authentication and turns away what must wait for it; `None` leaves
    /// the request to its handler.
    pub(crate) fn answer(
        &mut self,
        node: &Node,
        context: &RequestContext,
        body: &Bytes,
    ) -> Result<Option<Reply>, RpcError> {
        let api = ApiKey::try_from(context.api_key).ok();
        let Some(rules) = self.rules.clone() else {
            return Ok(match api {
                Some(ApiKey::SaslHandshake) => Some(illegal_handshake(context)),
                Some(ApiKey::SaslAuthenticate) => Some(illegal_authenticate(context)),
                _ => None,
            });
        };
        match api {
            Some(ApiKey::SaslHandshake) => self.handshake(&rules, context, body).map(Some),
            Some(ApiKey::SaslAuthenticate) => {
                self.authenticate(&rules, node, context, body).map(Some)
            }
            Some(ApiKey::ApiVersions) if self.session.is_none() => Ok(None),
            _ if self.is_open() => Ok(None),
            _ => {
                tracing::warn!(
                    event = "request_before_authentication",
                    api_key = context.api_key,
                    peer = %context.peer,
                );
                Ok(Some(Reply::Disconnect))
            }
        }
    }

    /// Whether a request is to be looked at, at least to say that it is not served.
    pub(crate) fn allows(&self, context: &RequestContext) -> bool {
        let is_about_this = matches!(
            ApiKey::try_from(context.api_key),
            Ok(ApiKey::ApiVersions | ApiKey::SaslHandshake | ApiKey::SaslAuthenticate)
        );
        self.rules.is_none() || is_about_this || self.is_open()
    }

    /// Whether requests may be handled: authenticated, not at it again, not after the session's end.
    fn is_open(&self) -> bool {
        let ends = self.session.as_ref().map(|session| session.ends);
        let is_valid = ends.is_some_and(|ends| ends.is_none_or(|ends| clock::now() < ends));
        is_valid && matches!(self.stage, Stage::Idle)
    }

    fn handshake(
        &mut self,
        rules: &SaslRules,
        context: &RequestContext,
        body: &Bytes,
    ) -> Result<Reply, RpcError> {
        let request: SaslHandshakeRequest =
            rpc::decode_request(context.api_version, &mut body.clone())?;
        let now = clock::now();
        let is_young = |session: &Session| now < session.since + SESSION_MIN;
        if matches!(self.stage, Stage::Exchange(..)) || self.session.as_ref().is_some_and(is_young)
        {
            return Ok(illegal_handshake(context));
        }
        let offered = rules.mechanisms.iter().map(|offered| offered.name());
        let response = SaslHandshakeResponse::default()
            .with_mechanisms(offered.map(StrBytes::from_static_str).collect());
        let asked = Mechanism::from_name(&request.mechanism);
        let Some(mechanism) = asked.filter(|asked| rules.mechanisms.contains(asked)) else {
            let response = response.with_error_code(ErrorCode::UnsupportedSaslMechanism.code());
            return Ok(last(rules, reply::encode(context, &response)));
        };
        let framing = match context.api_version {
            0 => Framing::Bare,
            _ => Framing::Requests,
        };
        self.stage = Stage::Exchange(mechanism, SaslServer::Start(mechanism), framing);
        Ok(Reply::Ready(reply::encode(context, &response)))
    }

    fn authenticate(
        &mut self,
        rules: &SaslRules,
        node: &Node,
        context: &RequestContext,
        body: &Bytes,
    ) -> Result<Reply, RpcError> {
        let request: SaslAuthenticateRequest =
            rpc::decode_request(context.api_version, &mut body.clone())?;
        let stage = std::mem::replace(&mut self.stage, Stage::Idle);
        let Stage::Exchange(mechanism, server, framing) = stage else {
            return Ok(illegal_authenticate(context));
        };
        let now_ms = clock::wall_ms();
        let verdict = server.answer(&request.auth_bytes, rules, &node.scram, now_ms);
        let response = SaslAuthenticateResponse::default();
        let response = match verdict {
            Verdict::Continue(server, message) => {
                self.stage = Stage::Exchange(mechanism, server, framing);
                response.with_auth_bytes(message.into())
            }
            Verdict::Accept(accepted) => match self.accept(rules, mechanism, accepted, now_ms) {
                Ok((message, lifetime_ms)) => response
                    .with_auth_bytes(message.into())
                    .with_session_lifetime_ms(lifetime_ms),
                Err(reason) => return Ok(refuse(rules, context, reason)),
            },
            Verdict::Refuse(reason) => return Ok(refuse(rules, context, reason)),
        };
        // Version 0 has no field for it.
        let response = match context.api_version {
            0 => response.with_session_lifetime_ms(0),
            _ => response,
        };
        Ok(Reply::Ready(reply::encode(context, &response)))
    }

    /// Whether what comes next is a message of the mechanism and no request.
    pub(crate) fn expects_bare(&self) -> bool {
        matches!(self.stage, Stage::Exchange(_, _, Framing::Bare))
    }

    /// Answers a message that came without a request around it. There is no place for a reason: a
    /// client that is refused is hung up on.
    pub(crate) fn answer_bare(&mut self, node: &Node, peer: SocketAddr, message: &Bytes) -> Reply {
        let stage = std::mem::replace(&mut self.stage, Stage::Idle);
        let (Stage::Exchange(mechanism, server, framing), Some(rules)) =
            (stage, self.rules.clone())
        else {
            return Reply::Disconnect;
        };
        let now_ms = clock::wall_ms();
        let answer = match server.answer(message, &rules, &node.scram, now_ms) {
            Verdict::Continue(server, answer) => {
                self.stage = Stage::Exchange(mechanism, server, framing);
                Ok(answer)
            }
            Verdict::Accept(accepted) => self
                .accept(&rules, mechanism, accepted, now_ms)
                .map(|(answer, _)| answer),
            Verdict::Refuse(reason) => Err(reason),
        };
        match answer {
            Ok(answer) => Reply::Ready(reply::bare(&answer)),
            Err(reason) => {
                tracing::warn!(event = "authentication_failed", %peer, reason);
                last(&rules, reply::ResponseFrame::default())
            }
        }
    }

    /// Starts a session; tells how long it lasts, 0 for ever.
    fn accept(
        &mut self,
        rules: &SaslRules,
        mechanism: Mechanism,
        accepted: Accepted,
        now_ms: i64,
    ) -> Result<(Vec<u8>, i64), String> {
        if let Some(session) = &self.session {
            if session.mechanism != mechanism {
                let former = session.mechanism;
                return Err(format!(
                    "Cannot change mechanism during re-authentication from {former} to {mechanism}"
                ));
            }
            if self.principal != accepted.principal {
                let (former, now) = (&self.principal, &accepted.principal);
                return Err(format!(
                    "Cannot change principals during re-authentication from {former} to {now}"
                ));
            }
        }
        let from_token = accepted.expires_ms.map(|expires_ms| {
            let left_ms = expires_ms.saturating_sub(now_ms);
            Duration::from_millis(u64::try_from(left_ms).unwrap_or(0))
        });
        let lifetime = match (from_token, rules.session_max.get(&mechanism)) {
            (Some(left), Some(max)) => Some(left.min(*max)),
            (left, max) => left.or(max.copied()),
        };
        let now = clock::now();
        self.session = Some(Session {
            mechanism,
            since: now,
            ends: lifetime.and_then(|lifetime| now.checked_add(lifetime)),
        });
        self.principal = accepted.principal;
        let lifetime_ms = lifetime.map_or(0, |lifetime| lifetime.as_millis());
        let lifetime_ms = i64::try_from(lifetime_ms).unwrap_or(i64::MAX);
        Ok((accepted.message, lifetime_ms))
    }
}

/// The client is told why, a moment later, and the connection ends.
fn refuse(rules: &SaslRules, context: &RequestContext, reason: String) -> Reply {
    tracing::warn!(event = "authentication_failed", peer = %context.peer, reason);
    let response = SaslAuthenticateResponse::default()
        .with_error_code(ErrorCode::SaslAuthenticationFailed.code())
        .with_error_message(Some(StrBytes::from_string(reason)));
    last(rules, reply::encode(context, &response))
}

/// The last response on a connection, held back a moment, so that guessing takes time.
fn last(rules: &SaslRules, frame: reply::ResponseFrame) -> Reply {
    let delay = rules.failure_delay;
    Reply::Last(Box::pin(async move {
        tokio::time::sleep(delay).await;
        frame
    }))
}

fn illegal_handshake(context: &RequestContext) -> Reply {
    let response =
        SaslHandshakeResponse::default().with_error_code(ErrorCode::IllegalSaslState.code());
    Reply::Ready(reply::encode(context, &response))
}

fn illegal_authenticate(context: &RequestContext) -> Reply {
    const REASON: &str = "SaslAuthenticate request received after successful authentication";
    let response = SaslAuthenticateResponse::default()
        .with_error_code(ErrorCode::IllegalSaslState.code())
        .with_error_message(Some(StrBytes::from_static_str(REASON)));
    Reply::Ready(reply::encode(context, &response))
}
