//! TLS on accepted connections, with rustls.

mod subject;

use std::fs;
use std::io;
use std::sync::Arc;

use tokio::net::TcpStream;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{self, RootCertStore};
use tokio_rustls::server::TlsStream;
use zeroize::Zeroizing;

use super::Principal;
use super::listener::Scoped;
use crate::error::BrokerError;

/// What a TLS listener is made of, as PEM.
struct TlsSettings {
    chain: Zeroizing<String>,
    key: Zeroizing<String>,
    /// Who may sign client certificates.
    trusted: Option<Zeroizing<String>>,
    client_auth: ClientAuth,
}

/// Whether a client has to show a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ClientAuth {
    None,
    Requested,
    Required,
}

/// Shakes hands with clients.
#[derive(Clone)]
pub(crate) struct TlsAcceptor {
    acceptor: tokio_rustls::TlsAcceptor,
}

/// The property that is wrong, and how.
type Wrong = (&'static str, String);

impl TlsAcceptor {
    /// Parses and compares what was given.
    fn new(settings: TlsSettings) -> Result<Self, Wrong> {
        const KEYSTORE: &str = "ssl.keystore.location";
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let chain = certificates(&settings.chain).map_err(|reason| (KEYSTORE, reason))?;
        let key = PrivateKeyDer::from_pem_slice(settings.key.as_bytes()).map_err(|error| {
            let reason = format!("a private key in PEM, not encrypted, is expected: {error}");
            (KEYSTORE, reason)
        })?;
        let builder = rustls::ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(|error| (KEYSTORE, error.to_string()))?;
        let builder = match settings.client_auth {
            ClientAuth::None => builder.with_no_client_auth(),
            auth => {
                let roots = Arc::new(trusted(settings.trusted.as_ref())?);
                let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider);
                let verifier = match auth {
                    ClientAuth::Requested => verifier.allow_unauthenticated(),
                    _ => verifier,
                };
                let verifier = verifier.build();
                builder.with_client_cert_verifier(
                    verifier.map_err(|error| (TRUSTSTORE, error.to_string()))?,
                )
            }
        };
        let config = builder
            .with_single_cert(chain, key)
            .map_err(|error| (KEYSTORE, error.to_string()))?;
        Ok(Self {
            acceptor: tokio_rustls::TlsAcceptor::from(Arc::new(config)),
        })
    }

    /// Shakes hands; tells who the client's certificate is for, if it showed one.
    pub(crate) async fn accept(
        &self,
        stream: TcpStream,
    ) -> io::Result<(TlsStream<TcpStream>, Principal)> {
        let stream = self.acceptor.accept(stream).await?;
        let certificates = stream.get_ref().1.peer_certificates();
        let principal = match certificates.and_then(<[_]>::first) {
            Some(certificate) => match subject::distinguished_name(certificate) {
                Some(name) => Principal::user(name),
                None => return Err(io::Error::other("the client certificate has no subject")),
            },
            None => Principal::anonymous(),
        };
        Ok((stream, principal))
    }
}

impl Scoped<'_> {
    /// What accepts connections of this listener.
    pub(super) fn tls(&self) -> Result<TlsAcceptor, BrokerError> {
        let keystore = self.file("ssl.keystore.location")?;
        let text = |name| self.get(name).map(|text| Zeroizing::new(text.to_owned()));
        let chain = text("ssl.keystore.certificate.chain").or_else(|| keystore.clone());
        let key = text("ssl.keystore.key").or(keystore);
        let (Some(chain), Some(key)) = (chain, key) else {
            let reason = "a PEM file with the certificate chain and the private key is expected";
            return Err(self.invalid("ssl.keystore.location", reason));
        };
        let trusted = match text("ssl.truststore.certificates") {
            Some(text) => Some(text),
            None => self.file("ssl.truststore.location")?,
        };
        let client_auth = match self.get("ssl.client.auth").unwrap_or("none") {
            "none" => ClientAuth::None,
            "requested" => ClientAuth::Requested,
            "required" => ClientAuth::Required,
            _ => {
                let reason = "none, requested or required is expected";
                return Err(self.invalid("ssl.client.auth", reason));
            }
        };
        let settings = TlsSettings {
            chain,
            key,
            trusted,
            client_auth,
        };
        TlsAcceptor::new(settings).map_err(|(name, reason)| self.invalid(name, reason))
    }

    fn file(&self, name: &'static str) -> Result<Option<Zeroizing<String>>, BrokerError> {
        let Some(path) = self.get(name) else {
            return Ok(None);
        };
        let text = fs::read_to_string(path);
        let text = text.map_err(|error| self.invalid(name, format!("cannot read it: {error}")))?;
        Ok(Some(Zeroizing::new(text)))
    }
}

const TRUSTSTORE: &str = "ssl.truststore.location";

fn trusted(pem: Option<&Zeroizing<String>>) -> Result<RootCertStore, Wrong> {
    let Some(pem) = pem else {
        let reason = "a PEM file is expected: who may sign the certificates of clients";
        return Err((TRUSTSTORE, reason.to_owned()));
    };
    let mut roots = RootCertStore::empty();
    for certificate in certificates(pem).map_err(|reason| (TRUSTSTORE, reason))? {
        let added = roots.add(certificate);
        added.map_err(|error| (TRUSTSTORE, error.to_string()))?;
    }
    Ok(roots)
}

fn certificates(pem: &str) -> Result<Vec<CertificateDer<'static>>, String> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem.as_bytes()).collect();
    match found {
        Ok(certificates) if !certificates.is_empty() => Ok(certificates),
        Ok(_) => Err("certificates in PEM are expected, there is none".to_owned()),
        Err(error) => Err(format!("certificates in PEM are expected: {error}")),
    }
}
