use super::*;
use crate::net::fake_broker::FakeBroker;

fn config() -> ClientConfig {
    ClientConfig::new("localhost:9092").connect_timeout(Duration::from_millis(300))
}

#[tokio::test]
async fn pitfall_10_a_name_without_address_is_a_retriable_error() {
    // RFC 6761: `.invalid` never resolves.
    let address = BrokerAddress::parse("no-such-host.invalid:9092").expect("it is well-formed");
    let error = dial(&address, &Dialler::plaintext(config()))
        .await
        .expect_err("there is no such host");
    assert!(matches!(error, Error::Connect { .. }), "{error}");
    assert!(error.is_retriable());
    assert!(
        error.to_string().contains("no-such-host.invalid:9092"),
        "{error}"
    );
}

#[tokio::test]
async fn every_address_of_a_name_is_tried() {
    // The broker listens on 127.0.0.1 only; where localhost is ::1 as well, that is refused first.
    let broker = FakeBroker::start().await;
    let address = BrokerAddress {
        host: "localhost".to_owned(),
        port: broker.address.port(),
    };
    let config = config();
    let dialler = Dialler::plaintext(config);
    let (connection, _server) = tokio::join!(dial(&address, &dialler), broker.accept());
    connection.expect("one address works");
}

#[tokio::test]
async fn a_refused_connection_is_told() {
    let broker = FakeBroker::start().await;
    let address = BrokerAddress::parse(&broker.address.to_string()).expect("an address");
    drop(broker);
    let error = dial(&address, &Dialler::plaintext(config()))
        .await
        .expect_err("nobody listens");
    assert!(matches!(error, Error::Connect { .. }), "{error}");
}

#[tokio::test]
async fn a_server_that_never_answers_the_handshake_is_given_up() {
    let broker = FakeBroker::start().await;
    let address = BrokerAddress::parse(&broker.address.to_string()).expect("an address");
    let config = config();
    let dialler = Dialler::plaintext(config);
    let (error, _server) = tokio::join!(dial(&address, &dialler), broker.accept_raw());
    let error = error.expect_err("there is no handshake");
    assert!(error.to_string().contains("is it Kafka?"), "{error}");
}

#[test]
fn time_is_shared_between_addresses() {
    let now = Instant::now();
    let deadline = now + Duration::from_secs(9);
    assert_eq!(
        share_of_time(now, deadline, 3),
        now + Duration::from_secs(3)
    );
    assert_eq!(share_of_time(deadline, deadline, 3), deadline);
    assert_eq!(share_of_time(now, deadline, 0), deadline);
}
