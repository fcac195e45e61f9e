use super::*;

fn check_error(builder: ConfigBuilder, expected: &str) {
    let error = builder
        .build()
        .expect_err("the configuration should be refused");
    assert_eq!(error.to_string(), expected);
}

fn variables(pairs: &[(&str, &str)]) -> ConfigBuilder {
    Config::builder().variables(
        pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned())),
    )
}

#[test]
fn nothing_configured_is_localhost() {
    let config = Config::builder().build().unwrap();
    assert_eq!(config.bootstrap_servers(), ["localhost:9092"]);
    assert_eq!(config.get("auto.offset.reset").as_deref(), Some("earliest"));
    assert_eq!(config.get("group.id"), None);
}

#[test]
fn servers_get_their_port() {
    let config = Config::builder()
        .bootstrap_servers("a, b:1, [::1]:9093,[::2]")
        .build()
        .unwrap();
    assert_eq!(
        config.bootstrap_servers(),
        ["a:9092", "b:1", "[::1]:9093", "[::2]:9092"]
    );
}

#[test]
fn errors_name_field_value_and_what_is_allowed() {
    let servers =
        "it must be host:port pairs separated by commas, such as kafka-1:9092,kafka-2:9092";
    for bad in [
        "", "a:", "a:0", "a:99999", ":9092", "a b", "[::1", "[x]:1", "a,,b",
    ] {
        check_error(
            Config::builder().bootstrap_servers(bad),
            &format!("bootstrap.servers: {bad:?} is not allowed; {servers}"),
        );
    }
    check_error(
        Config::builder().set("linger_ms", "-1"),
        "linger.ms: \"-1\" is not allowed; it must be a whole number of milliseconds from 0 to 86400000",
    );
    check_error(
        Config::builder().set("auto.offset.reset", "newest"),
        "auto.offset.reset: \"newest\" is not allowed; it must be earliest, latest or none",
    );
    check_error(
        Config::builder().set("group.idd", "x"),
        "there is no setting \"group.idd\"; did you mean \"group.id\"?",
    );
    check_error(
        Config::builder().set("zzz", "x"),
        "there is no setting \"zzz\"",
    );
    check_error(
        variables(&[("MILENA_COMPRESSION_TYPE", "rar")]),
        "MILENA_COMPRESSION_TYPE: \"rar\" is not allowed; it must be none, gzip, snappy, lz4 or zstd",
    );
    check_error(
        Config::builder().set("revocation.timeout.ms", "400000"),
        "revocation.timeout.ms: it must not exceed max.poll.interval.ms, after which the group goes on without us",
    );
    check_error(
        Config::builder().set("username", "u"),
        "password: a username is set, so a password is needed",
    );
}

#[test]
fn a_url_overrides_servers_and_credentials() {
    let config = variables(&[
        (
            "MILENA_URL",
            "kafka://us%40er:p%3Aw@h1:1,h2?group_id=g&linger.ms=7",
        ),
        ("MILENA_BOOTSTRAP_SERVERS", "other:9092"),
        ("MILENA_USERNAME", "someone"),
        ("MILENA_CLIENT_ID", "me"),
        ("MILENA_REQUIRE_KAFKA", "1"),
    ])
    .build()
    .unwrap();
    assert_eq!(config.bootstrap_servers(), ["h1:1", "h2:9092"]);
    assert_eq!(config.username.as_deref(), Some("us@er"));
    assert_eq!(config.password.as_ref().map(Secret::expose), Some("p:w"));
    assert_eq!(config.group_id(), Some("g"));
    assert_eq!(config.get("linger_ms").as_deref(), Some("7"));
    assert_eq!(config.get("client.id").as_deref(), Some("me"));
}

#[test]
fn malformed_urls_are_refused_without_showing_credentials() {
    let allowed = "it must be kafka://[user:password@]host[:port][,host[:port]…][?setting=value&…]";
    for (bad, shown) in [
        ("http://h", "http://h"),
        ("kafka://", "kafka://"),
        ("kafka://h/path", "kafka://h/path"),
        ("kafka://secret@h", "kafka://***@h"),
        ("kafka://u:%zz@h", "kafka://***@h"),
        ("u:secret@h", "***@h"),
    ] {
        check_error(
            Config::builder().url(bad),
            &format!("url: {shown:?} is not allowed; {allowed}"),
        );
    }
}

#[test]
fn secrets_do_not_show() {
    let config = Config::from_url("kafka://user:hunter2@h").unwrap();
    assert!(!format!("{config:?}").contains("hunter2"));
    assert_eq!(config.get("password").as_deref(), Some("***"));
    check_error(
        Config::builder().set("password", " "),
        "password: \"***\" is not allowed; it must be a text that is not empty",
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
        "security.protocol: \"PLAINTEXT\" is not allowed; it must be SSL or SASL_SSL: ssl.ca.location is given",
    );
}

#[test]
fn every_setting_reads_back_what_was_set() {
    for (name, value) in [
        ("bootstrap.servers", "h:1,i:2"),
        ("username", "u"),
        ("client.id", "c"),
        ("group.id", "g"),
        ("topic.prefix", "p."),
        ("auto.offset.reset", "latest"),
        ("compression.type", "zstd"),
        ("linger.ms", "0"),
        ("socket.connection.setup.timeout.ms", "11"),
        ("request.timeout.ms", "12"),
        ("delivery.timeout.ms", "13000"),
        ("session.timeout.ms", "14"),
        ("max.poll.interval.ms", "150000"),
        ("commit.interval.ms", "16"),
        ("revocation.timeout.ms", "17"),
        ("shutdown.timeout.ms", "18"),
        ("partition.buffer.bytes", "5000"),
        ("dead.letter.record.bytes", "6000"),
        ("dead.letter.create.topic", "false"),
    ] {
        let config = Config::builder()
            .set("password", "p")
            .set("username", "u")
            .set("request.timeout.ms", "1000")
            .set(name, value)
            .build()
            .unwrap();
        assert_eq!(config.get(name).as_deref(), Some(value), "{name}");
    }
    assert_eq!(Config::names().count(), 39);
}

#[test]
fn the_prefix_goes_on() {
    let config = Config::builder().topic_prefix("dev.").build().unwrap();
    assert_eq!(config.topic_name("orders"), "dev.orders");
    assert!(topic_problem("orders").is_none());
    assert!(topic_problem("a b").is_some() && topic_problem("..").is_some());
    assert!(topic_problem(&"x".repeat(250)).is_some());
}
