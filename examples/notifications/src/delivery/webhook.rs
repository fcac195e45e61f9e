//! Delivers by HTTP POST.

use std::sync::Arc;
use std::{fmt, io};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::header::{CONTENT_TYPE, HeaderName, USER_AGENT};
use hyper::{Method, Request, Uri};
use hyper_rustls::{ConfigBuilderExt as _, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde::Serialize;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use super::{Delivering, Delivery, DeliveryError};
use crate::store::Unsent;

/// What is read of an answer, so that its connection can be used again.
const ANSWER_BYTES_MAX: usize = 64 * 1024;
/// The header that names a notification, as
/// [the IETF's draft](https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/)
/// has it.
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// Posts each notification as JSON: `{"user_id":…,"event":…,"content":…}`, with its identity in the
/// header `Idempotency-Key`. Any status of 2xx is a delivery.
#[derive(Clone)]
pub struct WebhookDelivery {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    url: Uri,
}

/// Why a webhook cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WebhookError {
    /// Not a URL of HTTP.
    #[error("the webhook's URL must be http://… or https://…")]
    Url,
    /// The certificates to trust could not be read.
    #[error(
        "no certificates to trust for https: {0}; install the system's (ca-certificates) or name a \
         PEM file in SSL_CERT_FILE"
    )]
    Certificates(#[from] io::Error),
}

#[derive(Serialize)]
struct Body<'a> {
    user_id: &'a str,
    event: &'a str,
    content: &'a str,
}

impl WebhookDelivery {
    /// Posts to `url`; for https the system's authorities are trusted, or those in the PEM file that
    /// `SSL_CERT_FILE` names. Connections are kept.
    ///
    /// # Errors
    /// When the URL is not one of HTTP, or nobody is to be trusted for https.
    pub fn new(url: &str) -> Result<WebhookDelivery, WebhookError> {
        let url: Uri = url.parse().map_err(|_| WebhookError::Url)?;
        let is_secured = match url.scheme_str() {
            Some("http") => false,
            Some("https") => true,
            _ => return Err(WebhookError::Url),
        };
        if url.authority().is_none() {
            return Err(WebhookError::Url);
        }
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(tls(is_secured)?)
            .https_or_http()
            .enable_http1()
            .build();
        let client = Client::builder(TokioExecutor::new()).build(connector);
        Ok(WebhookDelivery { client, url })
    }

    async fn post(&self, notification: &Unsent) -> Result<(), DeliveryError> {
        let body = Body {
            user_id: &notification.user_id,
            event: &notification.event,
            content: &notification.content,
        };
        let body = serde_json::to_vec(&body).map_err(DeliveryError::new)?;
        let request = Request::builder()
            .method(Method::POST)
            .uri(&self.url)
            .header(CONTENT_TYPE, "application/json")
            .header(
                USER_AGENT,
                concat!("milena-notifications/", env!("CARGO_PKG_VERSION")),
            )
            .header(IDEMPOTENCY_KEY, notification.identity.as_bytes())
            .body(Full::new(Bytes::from(body)))
            .map_err(DeliveryError::new)?;
        let answer = self.client.request(request).await;
        // With its causes. They do not name the URL, which may hold a secret.
        let answer = answer
            .map_err(|error| DeliveryError::new(format_args!("{:#}", anyhow::Error::new(error))))?;
        let status = answer.status();
        // What it says does not matter; a connection that is not read to the end is closed.
        let _ = Limited::new(answer.into_body(), ANSWER_BYTES_MAX)
            .collect()
            .await;
        if status.is_success() {
            Ok(())
        } else {
            Err(DeliveryError::new(format_args!(
                "the webhook answered {status}"
            )))
        }
    }
}

/// Without https there may be no certificates: a small container has none.
fn tls(is_needed: bool) -> io::Result<ClientConfig> {
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?;
    let config = if is_needed {
        config.with_native_roots()?
    } else {
        config.with_root_certificates(RootCertStore::empty())
    };
    Ok(config.with_no_client_auth())
}

/// The URL may hold a secret.
impl fmt::Debug for WebhookDelivery {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let host = self.url.host();
        formatter
            .debug_struct("WebhookDelivery")
            .field("host", &host)
            .finish_non_exhaustive()
    }
}

impl Delivery for WebhookDelivery {
    fn deliver<'a>(&'a self, notification: &'a Unsent) -> Delivering<'a> {
        Box::pin(self.post(notification))
    }
}
