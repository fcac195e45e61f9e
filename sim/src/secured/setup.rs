//! Listeners with TLS and SASL for tests: certificates, users and the broker properties that name
//! them, which are the same for Apache Kafka and for the embedded broker.
//!
//! Compiled into `xtask` as well, which starts Apache Kafka with it; so it knows nothing of ours.

use anyhow::{Context, Result};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use std::fs;
use std::path::Path;

/// Names and protocols of the listeners beside the plain one.
pub const LISTENERS: [(&str, &str); 5] = [
    ("SSL", "SSL"),
    // Asks for a client certificate.
    ("MTLS", "SSL"),
    ("SASL_PLAINTEXT", "SASL_PLAINTEXT"),
    ("SASL_SSL", "SASL_SSL"),
    // Wants clients to authenticate again and again.
    ("RENEWED", "SASL_PLAINTEXT"),
];
/// Who may log in, whatever the mechanism.
pub const USER: &str = "alice";
/// The user's password.
pub const PASSWORD: &str = "alice-secret";
/// How long a session on the listener `RENEWED` lasts. Brokers renew none that is younger than 1 s.
pub const SESSION_MS: u64 = 2000;
/// Who signed all certificates.
pub const CA_FILE: &str = "ca.pem";
/// The client's certificate and key.
pub const CLIENT_FILE: &str = "client.pem";
/// An authority that signed nothing.
pub const STRANGER_FILE: &str = "stranger.pem";
const SERVER_FILE: &str = "server.pem";

/// What the storage tool's `--add-scram` takes.
pub fn scram_users() -> [String; 2] {
    ["SCRAM-SHA-256", "SCRAM-SHA-512"]
        .map(|mechanism| format!("{mechanism}=[name={USER},password={PASSWORD}]"))
}

/// Makes an authority, a certificate for 127.0.0.1 and one for the client, and writes them to `dir`.
///
/// # Errors
/// When the folder cannot be written to.
pub fn write_certificates(dir: &Path) -> Result<()> {
    let write = |name: &str, text: String| {
        let path = dir.join(name);
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))
    };
    let (authority, ca) = authority("Milena tests")?;
    write(CA_FILE, ca)?;
    write(STRANGER_FILE, self::authority("A stranger")?.1)?;
    // No host name: a client that connects to `localhost` finds that the name does not fit.
    write(SERVER_FILE, issue(&authority, "broker", Some("127.0.0.1"))?)?;
    write(CLIENT_FILE, issue(&authority, "milena-client", None)?)
}

fn authority(name: &str) -> Result<(Issuer<'static, KeyPair>, String)> {
    let mut params = CertificateParams::default();
    params.distinguished_name = named(name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let key = KeyPair::generate()?;
    let pem = params.self_signed(&key)?.pem();
    Ok((Issuer::new(params, key), pem))
}

/// Certificate and key in one text.
fn issue(
    authority: &Issuer<'static, KeyPair>,
    name: &str,
    address: Option<&str>,
) -> Result<String> {
    let names: Vec<String> = address.into_iter().map(str::to_owned).collect();
    let mut params = CertificateParams::new(names)?;
    params.distinguished_name = named(name);
    let key = KeyPair::generate()?;
    let certificate = params.signed_by(&key, authority)?;
    Ok(certificate.pem() + &key.serialize_pem())
}

fn named(name: &str) -> DistinguishedName {
    let mut distinguished = DistinguishedName::new();
    distinguished.push(DnType::CommonName, name);
    distinguished
}

/// The broker properties of the secured listeners, save their addresses.
pub fn properties(dir: &Path) -> Vec<(String, String)> {
    const MODULES: &str = "org.apache.kafka.common.security";
    let file = |name| dir.join(name).display().to_string();
    let mut properties = vec![
        ("ssl.keystore.type".to_owned(), "PEM".to_owned()),
        ("ssl.keystore.location".to_owned(), file(SERVER_FILE)),
        ("ssl.truststore.type".to_owned(), "PEM".to_owned()),
        ("ssl.truststore.location".to_owned(), file(CA_FILE)),
        (
            "listener.name.mtls.ssl.client.auth".to_owned(),
            "required".to_owned(),
        ),
        (
            "sasl.enabled.mechanisms".to_owned(),
            "PLAIN,SCRAM-SHA-256,SCRAM-SHA-512,OAUTHBEARER".to_owned(),
        ),
        (
            "listener.name.renewed.connections.max.reauth.ms".to_owned(),
            SESSION_MS.to_string(),
        ),
    ];
    let modules = [
        (
            "plain",
            format!("{MODULES}.plain.PlainLoginModule required user_{USER}=\"{PASSWORD}\";"),
        ),
        (
            "scram-sha-256",
            format!("{MODULES}.scram.ScramLoginModule required;"),
        ),
        (
            "scram-sha-512",
            format!("{MODULES}.scram.ScramLoginModule required;"),
        ),
        (
            "oauthbearer",
            format!(
                "{MODULES}.oauthbearer.OAuthBearerLoginModule required \
                 unsecuredLoginStringClaim_sub=\"broker\";"
            ),
        ),
    ];
    for listener in ["sasl_plaintext", "sasl_ssl", "renewed"] {
        for (mechanism, module) in &modules {
            let name = format!("listener.name.{listener}.{mechanism}.sasl.jaas.config");
            properties.push((name, module.clone()));
        }
    }
    properties
}

/// `NAME:PROTOCOL` of the secured listeners, for `listener.security.protocol.map`.
pub fn protocol_map() -> String {
    LISTENERS
        .map(|(name, protocol)| format!("{name}:{protocol}"))
        .join(",")
}
