//! What a TLS connection needs: whom to trust, who we are. Reads no file.

use std::path::PathBuf;

use super::Secret;

/// How connections are encrypted, and whose certificates are trusted.
///
/// By default brokers are verified against the certificate authorities of the operating system, by
/// the host name that the client connects to, and the client shows no certificate.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[must_use]
pub struct TlsConfig {
    pub(crate) ca: Option<Pem>,
    pub(crate) identity: Option<Identity>,
    pub(crate) verification: Verification,
    pub(crate) server_name: Option<String>,
}

/// The client's own certificate chain and its private key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) chain: Pem,
    pub(crate) key: Pem,
}

/// Something in PEM, and the property that names it in errors.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pem {
    pub(crate) property: &'static str,
    pub(crate) source: PemSource,
}

/// Where PEM text is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum PemSource {
    File(PathBuf),
    Text(Secret),
}

/// How much of a broker's certificate is verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Verification {
    /// Who signed it, and for which name.
    #[default]
    Full,
    /// Who signed it.
    Chain,
    /// Nothing.
    Off,
}

impl TlsConfig {
    /// Trusts what the operating system trusts.
    pub fn new() -> Self {
        Self::default()
    }

    /// `ssl.ca.location`: trusts the authorities in this PEM file, and no others.
    pub fn ca_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.ca = Some(Pem::file("ssl.ca.location", path));
        self
    }

    /// `ssl.ca.pem`: trusts the authorities in this PEM text, and no others.
    pub fn ca_pem(mut self, pem: impl Into<String>) -> Self {
        self.ca = Some(Pem::text("ssl.ca.pem", pem));
        self
    }

    /// `ssl.certificate.location` and `ssl.key.location`: the client's certificate chain and its
    /// private key (PKCS#8, PKCS#1 or SEC1, not encrypted) in PEM files, which may be the same.
    pub fn identity_files(
        mut self,
        certificate: impl Into<PathBuf>,
        key: impl Into<PathBuf>,
    ) -> Self {
        self.identity = Some(Identity {
            chain: Pem::file("ssl.certificate.location", certificate),
            key: Pem::file("ssl.key.location", key),
        });
        self
    }

    /// `ssl.certificate.pem` and `ssl.key.pem`: as [`TlsConfig::identity_files`], as PEM text.
    pub fn identity_pem(mut self, certificate: impl Into<String>, key: impl Into<String>) -> Self {
        self.identity = Some(Identity {
            chain: Pem::text("ssl.certificate.pem", certificate),
            key: Pem::text("ssl.key.pem", key),
        });
        self
    }

    /// Verifies that certificates are for this name, not for the host that is connected to. It is
    /// also the name the client asks for (SNI).
    pub fn server_name(mut self, name: impl Into<String>) -> Self {
        self.server_name = Some(name.into());
        self
    }

    /// `ssl.endpoint.identification.algorithm`: `false` takes a certificate for whatever name, if a
    /// trusted authority signed it. Default true.
    pub fn verify_server_name(mut self, verify: bool) -> Self {
        self.verification = match (verify, self.verification) {
            (true, _) => Verification::Full,
            (false, Verification::Off) => Verification::Off,
            (false, _) => Verification::Chain,
        };
        self
    }

    /// `enable.ssl.certificate.verification=false`: takes any certificate. Whoever sits between
    /// client and broker can then read and change everything: for experiments only.
    pub fn dangerously_trust_anyone(mut self) -> Self {
        self.verification = Verification::Off;
        self
    }
}

impl Pem {
    pub(crate) fn file(property: &'static str, path: impl Into<PathBuf>) -> Self {
        let source = PemSource::File(path.into());
        Self { property, source }
    }

    pub(crate) fn text(property: &'static str, pem: impl Into<String>) -> Self {
        let source = PemSource::Text(Secret::new(pem));
        Self { property, source }
    }
}
