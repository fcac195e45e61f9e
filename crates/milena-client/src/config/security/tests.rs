use super::*;
use crate::ClientConfig;

fn read(properties: &[(&str, &str)]) -> Result<ClientConfig, Error> {
    let bootstrap = [("bootstrap.servers", "localhost:9092")];
    ClientConfig::from_properties(bootstrap.iter().chain(properties).copied())
}

#[track_caller]
fn check_error(properties: &[(&str, &str)], expected: &str) {
    let error = read(properties)
        .expect_err("it must be refused")
        .to_string();
    assert!(error.contains(expected), "{error}");
    for secret in ["hunter2", "BEGIN PRIVATE KEY"] {
        assert!(!error.contains(secret), "{error}");
    }
}

#[test]
fn nothing_is_plaintext() {
    let config = read(&[]).expect("it is valid");
    assert_eq!((config.tls, config.sasl), (None, None));
    let config = read(&[("security.protocol", "plaintext")]).expect("it is valid");
    assert_eq!((config.tls, config.sasl), (None, None));
}

#[test]
fn both_spellings_of_credentials_are_read() {
    let plain = SaslConfig::plain("alice", "hunter2");
    let scram = SaslConfig::scram_sha_512("alice", "hunter2");
    let credentials = [("sasl.username", "alice"), ("sasl.password", "hunter2")];
    for (mechanism, expected) in [("PLAIN", &plain), ("SCRAM-SHA-512", &scram)] {
        for name in ["sasl.mechanism", "sasl.mechanisms"] {
            let protocol = [("security.protocol", "SASL_PLAINTEXT"), (name, mechanism)];
            let config = read(&[&protocol[..], &credentials[..]].concat()).expect("it is valid");
            assert_eq!(config.sasl.as_ref(), Some(expected));
            assert_eq!(config.tls, None);
        }
    }
}

#[test]
fn login_modules_are_read() {
    let scram = "org.apache.kafka.common.security.scram.ScramLoginModule required \
                 username=\"alice\" password=\"hunter2\";";
    let config = read(&[
        ("security.protocol", "SASL_SSL"),
        ("sasl.mechanism", "SCRAM-SHA-256"),
        ("sasl.jaas.config", scram),
    ]);
    let config = config.expect("it is valid");
    let expected = SaslConfig::scram_sha_256("alice", "hunter2");
    assert_eq!(config.sasl, Some(expected));
    assert_eq!(config.tls, Some(TlsConfig::new()));

    let bearer = "org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule required \
                  unsecuredLoginStringClaim_sub=\"alice\";";
    let config = read(&[
        ("security.protocol", "SASL_PLAINTEXT"),
        ("sasl.mechanism", "OAUTHBEARER"),
        ("sasl.jaas.config", bearer),
    ]);
    assert_eq!(
        config.expect("it is valid").sasl.map(|sasl| sasl.name()),
        Some("OAUTHBEARER")
    );
}

#[test]
fn pem_comes_as_file_or_text() {
    let config = read(&[
        ("security.protocol", "SSL"),
        ("ssl.truststore.type", "PEM"),
        ("ssl.truststore.location", "/etc/ca.pem"),
        ("ssl.keystore.location", "/etc/client.pem"),
        ("ssl.endpoint.identification.algorithm", ""),
    ]);
    let tls = config.expect("it is valid").tls.expect("it is SSL");
    assert_eq!(tls.verification, Verification::Chain);
    assert_eq!(
        tls.ca,
        Some(Pem::file("ssl.truststore.location", "/etc/ca.pem"))
    );
    let identity = tls.identity.expect("there is a key store");
    assert_eq!(identity.chain, identity.key);

    let config = read(&[
        ("security.protocol", "ssl"),
        ("ssl.ca.pem", "CA"),
        ("ssl.certificate.pem", "CHAIN"),
        ("ssl.key.pem", "KEY"),
        ("enable.ssl.certificate.verification", "false"),
    ]);
    let tls = config.expect("it is valid").tls.expect("it is SSL");
    assert_eq!(tls.verification, Verification::Off);
    let expected = TlsConfig::new()
        .ca_pem("CA")
        .identity_pem("CHAIN", "KEY")
        .dangerously_trust_anyone();
    assert_eq!(tls, expected);
}

#[test]
fn what_does_not_fit_is_refused_by_name() {
    let sasl = ("security.protocol", "SASL_SSL");
    let plain = ("sasl.mechanism", "PLAIN");
    let bearer = ("sasl.mechanism", "OAUTHBEARER");
    let user = ("sasl.username", "alice");
    let password = ("sasl.password", "hunter2");
    check_error(
        &[("security.protocol", "TLS")],
        "expected PLAINTEXT, SSL, SASL_PLAINTEXT, SASL_SSL",
    );
    check_error(&[sasl], "sasl.mechanism = \"\"");
    check_error(
        &[sasl, ("sasl.mechanism", "GSSAPI")],
        "expected PLAIN, SCRAM-SHA-256",
    );
    check_error(&[sasl, plain], "sasl.username = \"\"");
    check_error(&[sasl, plain, user], "sasl.password = \"\"");
    check_error(
        &[user, password],
        "SASL_SSL or SASL_PLAINTEXT: sasl.username is given",
    );
    check_error(
        &[("ssl.ca.location", "ca.pem")],
        "SSL or SASL_SSL: ssl.ca.location is given",
    );
    check_error(
        &[("security.protocol", "SSL"), ("ssl.key.location", "k")],
        "ssl.certificate.location",
    );
    check_error(&[("ssl.key.password", "hunter2")], "not encrypted");
    check_error(&[("ssl.keystore.type", "JKS")], "expected PEM");
    check_error(
        &[sasl, plain, ("sasl.jaas.config", "X required p=hunter2;")],
        "PlainLoginModule",
    );
    check_error(&[sasl, bearer], "sasl.oauthbearer.token.endpoint.url");
}

#[test]
fn secrets_do_not_show() {
    check_error(&[("sasl.pasword", "hunter2")], "sasl.password");
    check_error(&[("some.secret", "hunter2")], "unknown property");
    check_error(&[("ssl.key.pen", "BEGIN PRIVATE KEY")], "unknown property");
    let config = read(&[
        ("security.protocol", "SASL_SSL"),
        ("sasl.mechanism", "PLAIN"),
        ("sasl.username", "alice"),
        ("sasl.password", "hunter2"),
        ("ssl.certificate.pem", "CHAIN"),
        ("ssl.key.pem", "hunter2"),
    ]);
    let shown = format!("{:?}", config.expect("it is valid"));
    assert!(
        shown.contains("alice") && !shown.contains("hunter2"),
        "{shown}"
    );
    let properties = crate::config::Properties::new([("sasl.password", "hunter2")]);
    assert_eq!(format!("{properties:?}"), "Properties {\"sasl.password\"}");
}

#[test]
fn unsecured_tokens_are_configured_like_librdkafka_does() {
    let tokens = unsecured_tokens("principal=alice scope=a,b lifeSeconds=60 extension_x=1");
    let expected = UnsecuredTokens::new("alice")
        .scope("a b")
        .lifetime(std::time::Duration::from_secs(60))
        .extension("x", "1");
    assert_eq!(tokens.expect("it is valid"), expected);
    for wrong in [
        "",
        "scope=a",
        "principal",
        "principal=a life=1",
        "principal=a lifeSeconds=x",
    ] {
        assert!(unsecured_tokens(wrong).is_err(), "{wrong}");
    }
}
