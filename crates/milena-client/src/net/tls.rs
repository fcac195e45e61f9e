//! TLS with rustls on a TCP connection: whom to trust is decided once, then each connection shakes
//! hands. Knows nothing of Kafka's protocol.

mod verify;

use std::io;
use std::sync::Arc;

use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::{self, CertificateError, RootCertStore};

use crate::config::BrokerAddress;
use crate::error::Error;
use crate::security::{Identity, Pem, PemSource, TlsConfig, Verification};

/// What every TLS connection of a client is made with.
#[derive(Clone)]
pub(crate) struct Tls {
    connector: TlsConnector,
    /// Asked for and verified instead of the host's own name.
    server_name: Option<ServerName<'static>>,
}

impl Tls {
    /// Reads certificates and keys.
    ///
    /// # Errors
    /// [`Error::Config`] names the property whose file or text is of no use.
    pub(crate) fn new(config: &TlsConfig) -> Result<Self, Error> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let unusable =
            |error: rustls::Error| Error::config("security.protocol", "SSL", error.to_string());
        let builder = rustls::ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(unusable)?;
        let builder = match config.verification {
            Verification::Full => builder.with_root_certificates(roots(config.ca.as_ref())?),
            Verification::Chain => {
                builder
                    .dangerous()
                    .with_custom_certificate_verifier(verify::chain_only(
                        &provider,
                        roots(config.ca.as_ref())?,
                    ))
            }
            Verification::Off => builder
                .dangerous()
                .with_custom_certificate_verifier(verify::nothing(&provider)),
        };
        let client = match &config.identity {
            None => builder.with_no_client_auth(),
            Some(identity) => {
                let (chain, key) = read_identity(identity)?;
                builder.with_client_auth_cert(chain, key).map_err(|error| {
                    let expected = format!("the certificate and the key do not fit: {error}");
                    Error::config(identity.key.property, identity.key.shown(), expected)
                })?
            }
        };
        Ok(Self {
            connector: TlsConnector::from(Arc::new(client)),
            server_name: config.server_name.as_deref().map(read_name).transpose()?,
        })
    }

    /// Shakes hands on a connection to `address`.
    ///
    /// # Errors
    /// [`Error::Tls`] if the two sides do not fit, [`Error::Connect`] if the handshake broke off.
    pub(crate) async fn connect(
        &self,
        stream: TcpStream,
        address: &BrokerAddress,
        deadline: Instant,
    ) -> Result<TlsStream<TcpStream>, Error> {
        let name = match &self.server_name {
            Some(name) => name.clone(),
            None => read_name(&address.host)?,
        };
        let shaking_hands = self.connector.connect(name, stream);
        match timeout_at(deadline, shaking_hands).await {
            Ok(Ok(stream)) => Ok(stream),
            Ok(Err(error)) => Err(failure(address, error)),
            Err(_) => {
                let text = "no answer to the TLS handshake, is it a TLS listener?";
                let source = io::Error::new(io::ErrorKind::TimedOut, text);
                Err(connect_error(address, source))
            }
        }
    }
}

/// What the TLS layer says of a failed read or write, if it was the one to fail.
pub(super) fn reason(error: &io::Error) -> Option<String> {
    let error = error.get_ref()?.downcast_ref::<rustls::Error>()?;
    Some(match error {
        rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer) => {
            "the certificate is signed by an authority that is not trusted: \
             set ssl.ca.location to the PEM file of the one that signed it"
                .to_owned()
        }
        rustls::Error::InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
        ) => format!(
            "{error}: connect by a name in the certificate, \
             or set ssl.endpoint.identification.algorithm=none to take any"
        ),
        rustls::Error::InvalidMessage(_) => format!(
            "the other side does not speak TLS ({error}): does security.protocol fit the listener?"
        ),
        rustls::Error::AlertReceived(alert) => format!(
            "the broker refused with {alert:?}: does it ask for a client certificate \
             (ssl.certificate.location, ssl.key.location), and trust this one?"
        ),
        other => other.to_string(),
    })
}

fn failure(address: &BrokerAddress, error: io::Error) -> Error {
    if let Some(reason) = reason(&error) {
        return Error::Tls {
            address: address.to_string(),
            reason,
        };
    }
    let text = format!("TLS handshake failed, is it a TLS listener? {error}");
    connect_error(address, io::Error::new(error.kind(), text))
}

fn connect_error(address: &BrokerAddress, source: io::Error) -> Error {
    Error::Connect {
        address: address.to_string(),
        source: Arc::new(source),
    }
}

fn read_name(name: &str) -> Result<ServerName<'static>, Error> {
    ServerName::try_from(name.to_owned()).map_err(|_| {
        let expected = "a host name or IP address that a certificate can be for";
        Error::config("bootstrap.servers", name, expected)
    })
}

/// The authorities in `ca`, or those of the operating system.
fn roots(ca: Option<&Pem>) -> Result<RootCertStore, Error> {
    let mut roots = RootCertStore::empty();
    let Some(ca) = ca else {
        let found = rustls_native_certs::load_native_certs();
        roots.add_parsable_certificates(found.certs);
        if roots.is_empty() {
            let expected = "the PEM file of the authority that signed the brokers' certificates: \
                            this system has none installed";
            return Err(Error::config("ssl.ca.location", "", expected));
        }
        return Ok(roots);
    };
    for certificate in read_certificates(ca)? {
        roots.add(certificate).map_err(|error| ca.unusable(error))?;
    }
    Ok(roots)
}

fn read_identity(
    identity: &Identity,
) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), Error> {
    let chain = read_certificates(&identity.chain)?;
    let text = identity.key.read()?;
    let key = PrivateKeyDer::from_pem_slice(text.expose().as_bytes()).map_err(|error| {
        if text.expose().contains("ENCRYPTED") {
            return identity.key.unusable(
                "the key is encrypted; decrypt it with `openssl pkey -in KEY -out PLAIN_KEY`",
            );
        }
        identity
            .key
            .unusable(format!("no private key in PEM: {error}"))
    })?;
    Ok((chain, key))
}

fn read_certificates(pem: &Pem) -> Result<Vec<CertificateDer<'static>>, Error> {
    let text = pem.read()?;
    let found: Result<Vec<_>, _> =
        CertificateDer::pem_slice_iter(text.expose().as_bytes()).collect();
    match found {
        Ok(certificates) if certificates.is_empty() => {
            Err(pem.unusable("no certificate in PEM (-----BEGIN CERTIFICATE-----)"))
        }
        Ok(certificates) => Ok(certificates),
        Err(error) => Err(pem.unusable(format!("certificates in PEM are expected: {error}"))),
    }
}

impl Pem {
    fn read(&self) -> Result<crate::security::Secret, Error> {
        match &self.source {
            PemSource::Text(text) => Ok(text.clone()),
            PemSource::File(path) => match std::fs::read_to_string(path) {
                Ok(text) => Ok(text.into()),
                Err(error) => Err(self.unusable(format!("cannot read the file: {error}"))),
            },
        }
    }

    /// The path, or a mask.
    fn shown(&self) -> String {
        match &self.source {
            PemSource::File(path) => path.display().to_string(),
            PemSource::Text(text) => text.to_string(),
        }
    }

    fn unusable(&self, reason: impl std::fmt::Display) -> Error {
        Error::config(self.property, self.shown(), reason.to_string())
    }
}
