//! Versions, headers, order of responses, and what is no request at all.

use std::time::Duration;

use bytes::{BufMut, BytesMut};
use milena_broker::{ApiKey, Broker, ErrorCode, Fault};
use milena_wire::rpc::messages::{
    ApiVersionsRequest, ApiVersionsResponse, MetadataRequest, ProduceRequest, ResponseHeader,
};
use milena_wire::rpc::{Decodable, StrBytes};

use crate::client::{
    Client, batch, broker, fetch_request, fetched, produce_request, raw_request, start, take_i16,
    take_i32, values,
};

#[tokio::test]
async fn every_version_of_api_versions_lists_what_is_served() {
    let broker = broker().await;
    let mut client = Client::connect(&broker).await;
    for version in 0..=4 {
        let mut request = ApiVersionsRequest::default();
        if version >= 3 {
            request = request
                .with_client_software_name(StrBytes::from_static_str("test"))
                .with_client_software_version(StrBytes::from_static_str("1"));
        }
        let response = client.call(version, &request).await;
        assert_eq!(response.error_code, 0);
        let produce = response
            .api_keys
            .iter()
            .find(|api| api.api_key == 0)
            .expect("produce");
        // Old librdkafka needs to see version 0 to believe in compression.
        assert_eq!((produce.min_version, produce.max_version), (0, 13));
    }
}

#[tokio::test]
async fn an_unknown_version_of_api_versions_is_answered_in_version_0_with_the_list() {
    let broker = broker().await;
    let mut client = Client::connect(&broker).await;
    client
        .send_frame(&raw_request(ApiKey::ApiVersions as i16, 99, 5, &[1, 2, 3]))
        .await;
    let mut frame = client.receive_frame().await.expect("an answer");
    let header = ResponseHeader::decode(&mut frame, 0).expect("a header");
    assert_eq!(header.correlation_id, 5);
    let response = ApiVersionsResponse::decode(&mut frame, 0).expect("version 0");
    assert_eq!(response.error_code, ErrorCode::UnsupportedVersion.code());
    assert!(!response.api_keys.is_empty());
}

#[tokio::test]
async fn unknown_apis_and_versions_get_unsupported_version_and_the_connection_lives_on() {
    let broker = broker().await;
    let mut client = Client::connect(&broker).await;
    client.send_frame(&raw_request(9_999, 3, 1, &[])).await;
    let mut frame = client.receive_frame().await.expect("an answer");
    assert_eq!(take_i32(&mut frame), 1);
    assert_eq!(frame.split_to(5)[..], [0; 5]);
    assert_eq!(take_i16(&mut frame), ErrorCode::UnsupportedVersion.code());

    // EndTxn: throttle time, then the code, behind a flexible header.
    client
        .send_frame(&raw_request(ApiKey::EndTxn as i16, 99, 2, &[]))
        .await;
    let mut frame = client.receive_frame().await.expect("an answer");
    assert_eq!(take_i32(&mut frame), 2);
    assert_eq!(frame.split_to(5)[..], [0; 5]);
    assert_eq!(take_i16(&mut frame), ErrorCode::UnsupportedVersion.code());

    for (api, version) in [
        (ApiKey::Produce, 0),
        (ApiKey::Produce, 99),
        (ApiKey::Fetch, 0),
    ] {
        client
            .send_frame(&raw_request(api as i16, version, 3, &[]))
            .await;
        assert!(client.receive_frame().await.is_some(), "{api:?} v{version}");
    }
    let response = client.call(12, &MetadataRequest::default()).await;
    assert_eq!(response.brokers.len(), 1);
}

#[tokio::test]
async fn broken_frames_close_the_connection_and_nothing_else() {
    let broker = start(
        Broker::builder()
            .property("socket.request.max.bytes", "2048")
            .expect("a known property"),
    )
    .await;
    let mut witness = Client::connect(&broker).await;
    let mut crafted_count = BytesMut::new();
    crafted_count.put_i32(i32::MAX);
    let frames: [&[u8]; 4] = [
        b"",
        b"abc",
        &raw_request(ApiKey::Metadata as i16, 1, 1, &crafted_count),
        &raw_request(
            ApiKey::Metadata as i16,
            12,
            1,
            &[0xff, 0xff, 0xff, 0xff, 0x0f],
        ),
    ];
    for frame in frames {
        let mut client = Client::connect(&broker).await;
        client.send_frame(frame).await;
        assert_eq!(client.receive_frame().await, None, "{frame:?}");
    }
    let mut client = Client::connect(&broker).await;
    client.send_frame(&[0; 2049]).await;
    assert_eq!(client.receive_frame().await, None);
    let response = witness
        .call(1, &MetadataRequest::default().with_topics(None))
        .await;
    assert_eq!(response.brokers.len(), 1);
}

#[tokio::test]
async fn responses_come_in_the_order_of_the_requests() {
    let broker = broker().await;
    let mut client = Client::connect(&broker).await;
    client.create_topic("ordered", 1).await;
    // The fetch has to wait; the produce behind it on the same connection wakes it.
    let fetch = fetch_request("ordered", 0, 0).with_max_wait_ms(60_000);
    client.send(12, &fetch).await;
    client
        .send(9, &produce_request("ordered", 0, batch(&["a"])))
        .await;
    client.send(12, &MetadataRequest::default()).await;
    let response = client
        .receive::<milena_wire::rpc::messages::FetchRequest>(12, 2)
        .await;
    assert_eq!(values(fetched(&response).1), [(0, "a".to_owned())]);
    client.receive::<ProduceRequest>(9, 1).await;
    client.receive::<MetadataRequest>(12, 0).await;
}

#[tokio::test]
async fn faults_strike_the_request_they_were_ordered_for() {
    let broker = broker().await;
    let mut client = Client::connect(&broker).await;
    client.create_topic("faulty", 1).await;
    let faults = broker.faults();
    faults.nth(
        ApiKey::Produce,
        2,
        Fault::Fail(ErrorCode::NotLeaderOrFollower),
    );
    assert_eq!(client.produce("faulty", 0, batch(&["a"])).await, (0, 0));
    let code = ErrorCode::NotLeaderOrFollower.code();
    assert_eq!(client.produce("faulty", 0, batch(&["b"])).await, (code, -1));
    faults.next(ApiKey::Produce, Fault::Delay(Duration::from_millis(5)));
    assert_eq!(client.produce("faulty", 0, batch(&["c"])).await, (0, 1));
    faults.next(ApiKey::Produce, Fault::DropResponse);
    client
        .send(9, &produce_request("faulty", 0, batch(&["d"])))
        .await;
    assert_eq!(client.produce("faulty", 0, batch(&["e"])).await, (0, 3));
    faults.next(ApiKey::Produce, Fault::Disconnect);
    client
        .send(9, &produce_request("faulty", 0, batch(&["f"])))
        .await;
    assert_eq!(client.receive_frame().await, None);
    let mut client = Client::connect(&broker).await;
    faults.next(ApiKey::Produce, Fault::DisconnectAfter);
    client
        .send(9, &produce_request("faulty", 0, batch(&["g"])))
        .await;
    assert_eq!(client.receive_frame().await, None);
    let mut client = Client::connect(&broker).await;
    let (_, records) = client.fetch("faulty", 0, 0).await;
    let stored: Vec<String> = values(records)
        .into_iter()
        .map(|(_, value)| value)
        .collect();
    assert_eq!(stored, ["a", "c", "d", "e", "g"]);
    assert_eq!(faults.requests_seen(ApiKey::Produce), 7);
}

#[tokio::test]
async fn a_stopped_broker_answers_no_more() {
    let broker = broker().await;
    let address = broker.address();
    let mut client = Client::connect(&broker).await;
    client.create_topic("stopping", 1).await;
    client
        .send(
            12,
            &fetch_request("stopping", 0, 0).with_max_wait_ms(600_000),
        )
        .await;
    broker.stop().await;
    assert_eq!(client.receive_frame().await, None);
    assert!(tokio::net::TcpStream::connect(address).await.is_err());
}
