//! Tokens from an OpenID Connect provider, as a client with credentials of its own gets them
//! (RFC 6749, section 4.4; KIP-768). Keeps a token for most of its life.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HOST, HeaderValue};
use hyper::{Method, Request, Response, Uri};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};
use zeroize::Zeroizing;

use super::{Secret, TlsConfig, Token, TokenError, TokenFuture, TokenProvider};
use crate::config::BrokerAddress;
use crate::error::Error;
use crate::net::Tls;

/// How long the provider may take.
const ANSWER_WAIT: Duration = Duration::from_secs(8);
/// No answer with a token is larger.
const ANSWER_BYTES_MAX: usize = 256 * 1024;
/// A token is asked for again when this share of its life is over.
const RENEW_AFTER: f64 = 0.8;
/// The life of a token whose provider does not say.
const LIFETIME_DEFAULT: Duration = Duration::from_secs(300);

/// Tokens that a client id and its secret get from a token endpoint. Clones share them.
#[derive(Clone)]
pub struct OidcTokens {
    endpoint: Endpoint,
    tls: Option<Tls>,
    client_id: String,
    client_secret: Secret,
    scope: Option<String>,
    extensions: Vec<(String, String)>,
    /// Held while asking, so that many connections ask once.
    asking: Arc<tokio::sync::Mutex<()>>,
    current: Arc<Mutex<Option<Kept>>>,
}

#[derive(Clone)]
struct Endpoint {
    address: BrokerAddress,
    /// As the `Host` header has it.
    authority: String,
    path: String,
}

struct Kept {
    token: Token,
    renew_at: Instant,
}

impl OidcTokens {
    /// Tokens of the endpoint `url` (`https://…`, or `http://…` where nobody listens in), whose
    /// certificate is signed by an authority that the system trusts.
    ///
    /// # Errors
    /// [`Error::Config`] if the URL is of no use.
    pub fn new(
        url: &str,
        client_id: impl Into<String>,
        client_secret: impl Into<Secret>,
    ) -> Result<Self, Error> {
        Self::with_tls(url, client_id, client_secret, &TlsConfig::new())
    }

    /// As [`OidcTokens::new`], with another authority or a client certificate.
    ///
    /// # Errors
    /// [`Error::Config`] if the URL or a certificate is of no use.
    pub fn with_tls(
        url: &str,
        client_id: impl Into<String>,
        client_secret: impl Into<Secret>,
        tls: &TlsConfig,
    ) -> Result<Self, Error> {
        let (endpoint, is_encrypted) = Endpoint::parse(url).ok_or_else(|| {
            let expected = "https://HOST[:PORT]/PATH";
            Error::config("sasl.oauthbearer.token.endpoint.url", url, expected)
        })?;
        Ok(Self {
            endpoint,
            tls: is_encrypted.then(|| Tls::new(tls)).transpose()?,
            client_id: client_id.into(),
            client_secret: client_secret.into(),
            scope: None,
            extensions: Vec::new(),
            asking: Arc::default(),
            current: Arc::default(),
        })
    }

    /// `sasl.oauthbearer.scope`: what the token is to be good for.
    #[must_use]
    pub fn scope(mut self, scope: impl Into<String>) -> Self {
        self.scope = Some(scope.into());
        self
    }

    /// Adds a SASL extension to each token (KIP-342).
    #[must_use]
    pub fn extension(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.extensions.push((name.into(), value.into()));
        self
    }

    async fn kept_or_new(&self) -> Result<Token, TokenError> {
        let _turn = self.asking.lock().await;
        if let Some(kept) = &*self.kept()
            && Instant::now() < kept.renew_at
        {
            return Ok(kept.token.clone());
        }
        let asking = timeout(ANSWER_WAIT, self.ask()).await;
        let (token, lifetime) = asking.unwrap_or_else(|_| {
            let reason = format!("{} did not answer in time", self.endpoint.authority);
            Err(TokenError::unavailable(reason))
        })?;
        *self.kept() = Some(Kept {
            token: token.clone(),
            renew_at: Instant::now() + lifetime.mul_f64(RENEW_AFTER),
        });
        Ok(token)
    }

    fn kept(&self) -> std::sync::MutexGuard<'_, Option<Kept>> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn ask(&self) -> Result<(Token, Duration), TokenError> {
        let at = &self.endpoint.authority;
        let unavailable = |what: String| TokenError::unavailable(format!("{at}: {what}"));
        let address = &self.endpoint.address;
        let stream = TcpStream::connect((address.host.as_str(), address.port)).await;
        let stream = stream.map_err(|error| unavailable(error.to_string()))?;
        let request = self.request()?;
        let response = match &self.tls {
            None => exchange(stream, request).await,
            Some(tls) => {
                let deadline = Instant::now() + ANSWER_WAIT;
                let stream = tls.connect(stream, address, deadline).await;
                let stream = stream.map_err(|error| match error {
                    Error::Tls { .. } => TokenError::refused(error.to_string()),
                    other => TokenError::unavailable(other.to_string()),
                })?;
                exchange(stream, request).await
            }
        };
        let response = response.map_err(|error| unavailable(error.to_string()))?;
        let status = response.status();
        let body = Limited::new(response.into_body(), ANSWER_BYTES_MAX);
        let body = body.collect().await;
        let body = body.map_err(|error| unavailable(error.to_string()))?;
        if status.is_server_error() || status.as_u16() == 429 {
            return Err(unavailable(format!("HTTP status {status}")));
        }
        let (token, lifetime) =
            read(&Zeroizing::new(body.to_bytes().to_vec())).map_err(|reason| {
                TokenError::refused(format!("{at}: HTTP status {status}, {reason}"))
            })?;
        let extensions = self.extensions.iter();
        let token = extensions.fold(token, |token, (name, value)| token.extension(name, value));
        Ok((token, lifetime))
    }

    fn request(&self) -> Result<Request<Full<Bytes>>, TokenError> {
        let unusable = |error: &dyn std::fmt::Display| TokenError::refused(error.to_string());
        let id_and_secret = format!("{}:{}", self.client_id, self.client_secret.expose());
        let encoded = Zeroizing::new(STANDARD.encode(Zeroizing::new(id_and_secret).as_bytes()));
        let authorization = Zeroizing::new(format!("Basic {}", encoded.as_str()));
        let mut authorization =
            HeaderValue::from_str(&authorization).map_err(|error| unusable(&error))?;
        authorization.set_sensitive(true);
        let mut form = "grant_type=client_credentials".to_owned();
        if let Some(scope) = &self.scope {
            form.push_str("&scope=");
            form.push_str(&form_encoded(scope));
        }
        Request::builder()
            .method(Method::POST)
            .uri(&self.endpoint.path)
            .header(HOST, &self.endpoint.authority)
            .header(AUTHORIZATION, authorization)
            .header(ACCEPT, "application/json")
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(Full::new(Bytes::from(form)))
            .map_err(|error| unusable(&error))
    }
}

impl TokenProvider for OidcTokens {
    fn token(&self) -> TokenFuture<'_> {
        Box::pin(self.kept_or_new())
    }
}

impl Endpoint {
    /// The endpoint, and whether it is encrypted.
    fn parse(url: &str) -> Option<(Self, bool)> {
        let uri: Uri = url.parse().ok()?;
        let is_encrypted = match uri.scheme_str()? {
            "https" => true,
            "http" => false,
            _ => return None,
        };
        let authority = uri.authority()?;
        let host = authority.host().trim_matches(['[', ']']);
        let port_default = if is_encrypted { 443 } else { 80 };
        let endpoint = Self {
            address: BrokerAddress {
                host: host.to_owned(),
                port: authority.port_u16().unwrap_or(port_default),
            },
            authority: authority.as_str().rsplit('@').next()?.to_owned(),
            path: uri.path_and_query()?.as_str().to_owned(),
        };
        Some((endpoint, is_encrypted))
    }
}

/// One request, one response, on a connection of its own.
async fn exchange<S>(
    stream: S,
    request: Request<Full<Bytes>>,
) -> Result<Response<Incoming>, hyper::Error>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    // Ends with the response.
    tokio::spawn(connection);
    sender.send_request(request).await
}

/// Reads the answer; a reason holds no more of it than what it says went wrong.
fn read(body: &[u8]) -> Result<(Token, Duration), String> {
    let answer: serde_json::Value =
        serde_json::from_slice(body).map_err(|_| "the answer is not JSON".to_owned())?;
    let text = |name: &str| answer.get(name).and_then(serde_json::Value::as_str);
    let Some(token) = text("access_token").filter(|token| !token.is_empty()) else {
        let error = text("error").unwrap_or("the answer has no access_token");
        return Err(match text("error_description") {
            Some(description) => format!("{error}: {description}"),
            None => error.to_owned(),
        });
    };
    let seconds = answer.get("expires_in").and_then(serde_json::Value::as_u64);
    let lifetime = seconds.map_or(LIFETIME_DEFAULT, Duration::from_secs);
    Ok((Token::new(token), lifetime))
}

fn form_encoded(text: &str) -> String {
    let encode = |byte: u8| match byte {
        b' ' => "+".to_owned(),
        b'-' | b'.' | b'_' | b'*' => char::from(byte).to_string(),
        letter if letter.is_ascii_alphanumeric() => char::from(letter).to_string(),
        other => format!("%{other:02X}"),
    };
    text.bytes().map(encode).collect()
}

#[cfg(test)]
mod tests;
