use super::*;

#[test]
fn kafkas_and_librdkafkas_names_are_understood() {
    let kafka = ClientConfig::from_properties([
        ("bootstrap.servers", "a:1,b:2"),
        ("client.id", "billing"),
        ("request.timeout.ms", "1000"),
        ("metadata.max.age.ms", "60000"),
        ("retry.backoff.ms", "10"),
        ("retry.backoff.max.ms", "20"),
        ("security.protocol", "plaintext"),
    ]);
    let rdkafka = ClientConfig::from_properties([
        ("metadata.broker.list", "a:1, b:2"),
        ("client.id", "billing"),
        ("socket.timeout.ms", "1000"),
        ("topic.metadata.refresh.interval.ms", "60000"),
        ("retry.backoff.ms", "10"),
        ("retry.backoff.max.ms", "20"),
    ]);
    let built = ClientConfig::new("a:1,b:2")
        .client_id("billing")
        .request_timeout(Duration::from_secs(1))
        .metadata_max_age(Duration::from_secs(60))
        .retry_backoff(Duration::from_millis(10), Duration::from_millis(20));
    assert_eq!(kafka.expect("it is valid"), built);
    assert_eq!(rdkafka.expect("it is valid"), built);
}

#[test]
fn what_does_not_fit_is_named() {
    fn check(name: &str, value: &str, part: &str) {
        let properties = [("bootstrap.servers", "localhost:9092"), (name, value)];
        let error = ClientConfig::from_properties(properties)
            .expect_err(name)
            .to_string();
        assert!(error.starts_with(&format!("{name} = {value:?}")), "{error}");
        assert!(error.contains(part), "{error}");
    }
    check("request.timeout.ms", "0", "expected 1 to");
    check("request.timeout.ms", "99999999999", "expected 1 to");
    check(
        "retry.backoff.max.ms",
        "50",
        "at least the first pause, 100 ms",
    );
    check("receive.message.max.bytes", "10", "expected 1024 to");
    check("security.protocol", "TLS", "PLAINTEXT, SSL");
    check("bootstrap.servers", "localhost:x", "expected host:port");
    check(
        "request.timeout",
        "1",
        "did you mean \"request.timeout.ms\"",
    );
}

#[test]
fn bootstrap_servers_are_required() {
    let error = ClientConfig::from_properties([("client.id", "x")]).expect_err("they are missing");
    assert!(
        error.to_string().starts_with("bootstrap.servers"),
        "{error}"
    );
    assert!(ClientConfig::new(" , ").validate().is_err());
}
