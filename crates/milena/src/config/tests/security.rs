//! Credentials, tokens and secrets.

use super::super::*;
use super::{check_error, variables};

#[test]
fn secrets_do_not_show() {
    let config = Config::from_url("kafka://user:hunter2@h").unwrap();
    assert!(!format!("{config:?}").contains("hunter2"));
    assert_eq!(config.get("password").as_deref(), Some("***"));
    check_error(
        Config::builder().set("password", " "),
        "password (builder): \"***\" is not allowed; it must be a text that is not empty",
    );
}

#[test]
fn token_providers_stand_for_settings_of_credentials() {
    let tokens = || milena_client::security::UnsecuredTokens::new("hunter2");
    let given = || {
        Config::builder()
            .bootstrap_servers("h")
            .token_provider(tokens())
    };
    for (protocol, has_tls) in [
        (None, true),
        (Some("sasl_ssl"), true),
        (Some("SASL_PLAINTEXT"), false),
    ] {
        let builder = protocol.iter().fold(given(), |builder, protocol| {
            builder.set("security.protocol", protocol)
        });
        let config = builder.build().unwrap();
        let (tls, sasl) = config.security_config().unwrap();
        assert_eq!(tls.is_some(), has_tls, "{protocol:?}");
        assert_eq!(sasl.unwrap().name(), "OAUTHBEARER");
        assert_eq!(config.get("sasl.mechanism").as_deref(), Some("OAUTHBEARER"));
        assert!(!format!("{config:?} {:?}", config.client_config()).contains("hunter2"));
        assert_eq!(config, config.clone());
    }
    assert_ne!(given().build().unwrap(), given().build().unwrap());
    assert!(!format!("{:?}", given()).contains("hunter2"));
    check_error(
        given().set("security.protocol", "SSL"),
        "security.protocol (builder): \"SSL\" is not allowed; it must be SASL_SSL or SASL_PLAINTEXT: \
         tokens come from a token provider",
    );
    check_error(
        given().set("sasl.mechanism", "PLAIN"),
        "sasl.mechanism (builder): \"PLAIN\" is not allowed; it must be OAUTHBEARER: tokens come \
         from a token provider",
    );
    check_error(
        given().url("kafka://u:hunter2@h"),
        "username: it is set (URL in builder), and tokens come from a token provider; leave one of \
         them out",
    );
    check_error(
        given().set("sasl.oauthbearer.token.endpoint.url", "https://id/token"),
        "sasl.oauthbearer.token.endpoint.url: it is set (builder), and tokens come from a token \
         provider; leave one of them out",
    );
}

#[track_caller]
fn check_security(pairs: &[(&str, &str)], protocol: &str, mechanism: &str) {
    let config = variables(pairs).build().unwrap();
    let client = format!("{:?}", config.client_config().unwrap());
    let has_tls = client.contains("tls: Some");
    let has_sasl = client.contains("sasl: Some");
    assert_eq!(
        (has_tls, has_sasl),
        (protocol.contains("SSL"), protocol.contains("SASL"))
    );
    assert!(client.contains(mechanism), "{client}");
    assert!(!client.contains("hunter2"), "{client}");
    assert!(!format!("{config:?}").contains("hunter2"));
}

#[test]
fn credentials_are_used_and_never_sent_in_the_clear_unasked() {
    check_security(
        &[("MILENA_URL", "kafka://u:hunter2@h")],
        "SASL_SSL",
        "PLAIN",
    );
    check_security(
        &[(
            "MILENA_URL",
            "kafka://u:hunter2@h?sasl.mechanism=SCRAM-SHA-512&security.protocol=SASL_PLAINTEXT",
        )],
        "SASL_PLAINTEXT",
        "SCRAM-SHA-512",
    );
    // As kafka-python has them.
    check_security(
        &[
            ("MILENA_SECURITY_PROTOCOL", "SASL_PLAINTEXT"),
            ("MILENA_SASL_MECHANISM", "SCRAM-SHA-256"),
            ("MILENA_SASL_PLAIN_USERNAME", "u"),
            ("MILENA_SASL_PLAIN_PASSWORD", "hunter2"),
        ],
        "SASL_PLAINTEXT",
        "SCRAM-SHA-256",
    );
    check_security(
        &[
            ("MILENA_SASL_USERNAME", "u"),
            ("MILENA_SASL_PASSWORD", "hunter2"),
            ("MILENA_SASL_MECHANISM", "SCRAM-SHA-256"),
        ],
        "SASL_SSL",
        "SCRAM-SHA-256",
    );
    check_security(&[("MILENA_SECURITY_PROTOCOL", "SSL")], "SSL", "");
    check_error(
        Config::builder().set("ssl.ca.location", "ca.pem"),
        "security.protocol (default): \"PLAINTEXT\" is not allowed; it must be SSL or SASL_SSL: ssl.ca.location is given",
    );
}
