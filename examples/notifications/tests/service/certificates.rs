//! Certificates for 127.0.0.1 that no system knows.

use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;

const HOST: &str = "127.0.0.1";

/// A certificate of this name that vouches for itself, and its key, as PEM.
pub(crate) fn self_signed(name: &str) -> (String, String) {
    let key = KeyPair::generate().expect("a key");
    let certificate = params(name).self_signed(&key).expect("a certificate");
    (certificate.pem(), key.serialize_pem())
}

fn params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::new([HOST.to_owned()]).expect("a host");
    params.distinguished_name.push(DnType::CommonName, name);
    params
}

/// One that signs those of servers.
pub(crate) struct Authority {
    pub(crate) pem: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    pub(crate) fn new(name: &str) -> Authority {
        let key = KeyPair::generate().expect("a key");
        let mut params = params(name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let pem = params.self_signed(&key).expect("a certificate").pem();
        let issuer = Issuer::new(params, key);
        Authority { pem, issuer }
    }

    /// The side of a server.
    pub(crate) fn acceptor(&self) -> TlsAcceptor {
        let key = KeyPair::generate().expect("a key");
        let certificate = params("server").signed_by(&key, &self.issuer);
        let certificate = certificate.expect("signed");
        let key = key.serialize_der().try_into().expect("a key");
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)
            .expect("a pair");
        TlsAcceptor::from(Arc::new(config))
    }
}
