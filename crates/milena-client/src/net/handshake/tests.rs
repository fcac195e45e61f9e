use bytes::BytesMut;

use super::*;
use crate::config::{BrokerAddress, ClientConfig};
use crate::net::dial::{Dialler, dial};
use crate::net::fake_broker::FakeBroker;
use crate::wire::Encodable;
use crate::wire::messages::api_versions_response::ApiVersion;

fn encoded(response: &ApiVersionsResponse, version: i16) -> Bytes {
    let mut body = BytesMut::new();
    response
        .encode(&mut body, version)
        .expect("it can be encoded");
    body.freeze()
}

fn refusal(rows: &[(ApiKey, i16)]) -> ApiVersionsResponse {
    let rows = rows.iter().map(|(api, max)| {
        ApiVersion::default()
            .with_api_key(*api as i16)
            .with_max_version(*max)
    });
    ApiVersionsResponse::default()
        .with_error_code(35)
        .with_api_keys(rows.collect())
}

#[test]
fn a_refused_version_is_answered_in_version_0() {
    let body = encoded(
        &refusal(&[(ApiKey::Produce, 9), (ApiKey::ApiVersions, 2)]),
        0,
    );
    assert_eq!(read(body, 3), Ok(Answer::TryVersion(2)));
    let body = encoded(&refusal(&[]), 0);
    assert_eq!(read(body, 3), Ok(Answer::TryVersion(0)));
    // Some servers send the code alone.
    assert_eq!(
        read(Bytes::from_static(&[0, 35]), 3),
        Ok(Answer::TryVersion(0))
    );
}

#[test]
fn nonsense_is_an_error() {
    assert!(read(Bytes::new(), 3).is_err());
    assert!(read(Bytes::from_static(&[0, 0, 0xff]), 3).is_err());
}

#[tokio::test]
async fn an_old_broker_is_asked_in_its_version() {
    let broker = FakeBroker::start().await;
    let address = BrokerAddress::parse(&broker.address.to_string()).expect("an address");
    let config = ClientConfig::new("localhost:9092");
    let serve = async {
        let mut server = broker.accept_raw().await;
        let request = server.receive().await.expect("the first try");
        assert_eq!(request.header.request_api_version, 3);
        server
            .respond(request.header.correlation_id, &encoded(&refusal(&[]), 0))
            .await;
        let request = server.receive().await.expect("the second try");
        assert_eq!(request.header.request_api_version, 0);
        server.shake_hands(&request).await;
        server
    };
    let dialler = Dialler::plaintext(config);
    let (connection, _server) = tokio::join!(dial(&address, &dialler), serve);
    let connection = connection.expect("the handshake succeeds");
    let ours = ApiKey::Metadata.valid_versions();
    assert_eq!(connection.version_of(ApiKey::Metadata), Some(ours.max));
    assert_eq!(connection.version_within(ApiKey::Metadata, 4, 9), Some(9));
    assert_eq!(connection.version_within(ApiKey::Metadata, 100, 101), None);
}

#[tokio::test]
async fn a_broker_that_refuses_every_version_is_not_asked_for_ever() {
    let broker = FakeBroker::start().await;
    let address = BrokerAddress::parse(&broker.address.to_string()).expect("an address");
    let config = ClientConfig::new("localhost:9092");
    let serve = async {
        let mut server = broker.accept_raw().await;
        for _ in 0..2 {
            let request = server.receive().await.expect("a try");
            server
                .respond(request.header.correlation_id, &encoded(&refusal(&[]), 0))
                .await;
        }
        assert!(server.receive().await.is_none(), "the client gave up");
    };
    let dialler = Dialler::plaintext(config);
    let (connection, ()) = tokio::join!(dial(&address, &dialler), serve);
    let error = connection.expect_err("there is no common version");
    assert!(matches!(error, Error::Unsupported { .. }), "{error}");
}
