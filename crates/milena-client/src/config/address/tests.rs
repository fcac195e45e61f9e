use super::*;

#[test]
fn addresses_are_read_and_written_alike() {
    fn check(text: &str, host: &str, port: u16, shown: &str) {
        let address = BrokerAddress::parse(text).expect("it is well-formed");
        assert_eq!(
            (address.host.as_str(), address.port),
            (host, port),
            "{text}"
        );
        assert_eq!(address.to_string(), shown);
    }
    check("localhost:9093", "localhost", 9093, "localhost:9093");
    check(
        " kafka-1.example.com ",
        "kafka-1.example.com",
        9092,
        "kafka-1.example.com:9092",
    );
    check("10.0.0.1:1", "10.0.0.1", 1, "10.0.0.1:1");
    check("[::1]:9093", "::1", 9093, "[::1]:9093");
    check("[fe80::1]", "fe80::1", 9092, "[fe80::1]:9092");
}

#[test]
fn nonsense_is_refused_with_an_example() {
    for text in [
        "",
        ":9092",
        "host:",
        "host:0",
        "host:65536",
        "host:port",
        "[::1",
        "[::1]9092",
        "::1",
        "a b:1",
        "kafka://host:9092",
        "host:9092/path",
    ] {
        let error = BrokerAddress::parse(text).expect_err(text);
        assert!(
            error.to_string().contains("localhost:9092"),
            "{text}: {error}"
        );
    }
}
