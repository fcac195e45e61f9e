//! Requests that are not what they should be, in great number. The broker must
//! answer or hang up, and go on serving others.

use bytes::{BufMut, Bytes, BytesMut};
use milena_broker::{Broker, ErrorCode};
use milena_wire::rpc::messages::{ApiVersionsRequest, MetadataRequest};
use milena_wire::rpc::{ApiKey, encode_request};

use crate::client::{
    Client, batch, broker, fetch_request, produce_request, raw_request, sequenced_batch,
};

/// Every run makes the same mistakes.
const SEED: u64 = 0x6d69_6c65_6e61;

/// Valid frames to be spoilt, without their length prefixes.
fn templates() -> Vec<Bytes> {
    let produce = produce_request("t", 0, batch(&["a", "b"]));
    let idempotent = produce_request("t", 0, sequenced_batch(&["a"], 5, 0, 0));
    let fetch = fetch_request("t", 0, 0);
    let metadata = MetadataRequest::default().with_topics(None);
    let frames = [
        encode_request(9, 1, "test", &produce),
        encode_request(7, 1, "test", &idempotent),
        encode_request(12, 1, "test", &fetch),
        encode_request(4, 1, "test", &fetch),
        encode_request(12, 1, "test", &metadata),
    ];
    frames
        .into_iter()
        .map(|frame| frame.expect("a request").freeze().slice(4..))
        .collect()
}

/// Sends one frame on a connection of its own; any answer will do, but one must come.
async fn provoke(broker: &Broker, frame: &[u8]) {
    let mut client = Client::connect(broker).await;
    client.send_frame(frame).await;
    // Whatever the frame was, this is answered unless the broker hung up.
    client
        .send_frame(&raw_request(ApiKey::ApiVersions as i16, 0, 77, &[]))
        .await;
    while let Some(answer) = client.receive_frame().await {
        if answer.starts_with(&77_i32.to_be_bytes()) {
            return;
        }
    }
}

async fn still_serves(broker: &Broker) {
    let mut client = Client::connect(broker).await;
    let response = client.call(0, &ApiVersionsRequest::default()).await;
    assert_eq!(response.error_code, ErrorCode::None.code());
}

#[tokio::test]
async fn spoilt_requests_are_answered_or_end_their_connection() {
    let broker = broker().await;
    let mut client = Client::connect(&broker).await;
    client.create_topic("t", 1).await;
    let mut random = fastrand::Rng::with_seed(SEED);
    for template in templates() {
        for _ in 0..150 {
            let mut frame = template.to_vec();
            for _ in 0..random.usize(1..4) {
                // The api and its version stay, so that the damage gets past the header.
                let position = random.usize(4..frame.len());
                frame[position] = random.u8(..);
            }
            frame.truncate(random.usize(8..=frame.len()));
            provoke(&broker, &frame).await;
        }
    }
    still_serves(&broker).await;
}

#[tokio::test]
async fn every_served_api_survives_noise_in_every_version() {
    let broker = broker().await;
    let mut client = Client::connect(&broker).await;
    let served = client
        .call(0, &ApiVersionsRequest::default())
        .await
        .api_keys;
    let mut random = fastrand::Rng::with_seed(SEED);
    for api in served {
        for version in api.min_version..=api.max_version + 1 {
            for kind in 0..3 {
                let mut body = BytesMut::new();
                match kind {
                    // Lengths and counts as large as they get, plain and compact.
                    0 => body.put_slice(&[0x7f, 0xff, 0xff, 0xff].repeat(8)),
                    1 => body.put_slice(&[0xff, 0xff, 0xff, 0xff, 0x0f].repeat(8)),
                    _ => body.extend(std::iter::repeat_with(|| random.u8(..)).take(64)),
                }
                provoke(&broker, &raw_request(api.api_key, version, 1, &body)).await;
            }
        }
    }
    still_serves(&broker).await;
}
