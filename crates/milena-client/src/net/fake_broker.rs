//! A server for tests that speaks just enough Kafka to shake hands, and for the rest does as it is
//! told.

use std::net::SocketAddr;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::wire::messages::api_versions_response::ApiVersion;
use crate::wire::messages::{ApiVersionsResponse, RequestHeader};
use crate::wire::{ApiKey, Decodable, Encodable};

/// Accepts connections on a port of its own.
pub(crate) struct FakeBroker {
    listener: TcpListener,
    pub(crate) address: SocketAddr,
}

/// One accepted connection.
pub(crate) struct FakeConnection {
    pub(crate) stream: TcpStream,
}

/// A request as it arrived.
pub(crate) struct FakeRequest {
    pub(crate) header: RequestHeader,
    pub(crate) body: Bytes,
}

impl FakeBroker {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0")
            .await
            .expect("loopback is there");
        let address = listener.local_addr().expect("it is bound");
        Self { listener, address }
    }

    /// The next connection, before the handshake.
    pub(crate) async fn accept_raw(&self) -> FakeConnection {
        let (stream, _) = self.listener.accept().await.expect("accepting works");
        FakeConnection { stream }
    }

    /// The next connection, after the handshake.
    pub(crate) async fn accept(&self) -> FakeConnection {
        let mut connection = self.accept_raw().await;
        let request = connection.receive().await.expect("a handshake");
        connection.shake_hands(&request).await;
        connection
    }
}

impl FakeConnection {
    /// The next request; `None` when the client closed.
    pub(crate) async fn receive(&mut self) -> Option<FakeRequest> {
        let length = self.stream.read_i32().await.ok()?;
        let mut frame = vec![0; usize::try_from(length).expect("a length")];
        self.stream.read_exact(&mut frame).await.ok()?;
        let mut body = Bytes::from(frame);
        let (api, version) = (body.slice(..2).get_i16(), body.slice(2..4).get_i16());
        let header_version = ApiKey::try_from(api)
            .expect("known")
            .request_header_version(version);
        let header = RequestHeader::decode(&mut body, header_version).expect("a header");
        Some(FakeRequest { header, body })
    }

    /// Sends a response that starts with `correlation_id`.
    pub(crate) async fn respond(&mut self, correlation_id: i32, body: &[u8]) {
        let mut frame = BytesMut::new();
        frame.put_i32(4 + body.len() as i32);
        frame.put_i32(correlation_id);
        frame.put_slice(body);
        self.send(&frame).await;
    }

    /// Sends bytes as they are.
    pub(crate) async fn send(&mut self, bytes: &[u8]) {
        self.stream
            .write_all(bytes)
            .await
            .expect("the client listens");
    }

    /// Answers a handshake: every request in every version.
    pub(crate) async fn shake_hands(&mut self, request: &FakeRequest) {
        assert_eq!(request.header.request_api_key, ApiKey::ApiVersions as i16);
        let keys = ApiKey::iter().map(|api| {
            let range = api.valid_versions();
            ApiVersion::default()
                .with_api_key(api as i16)
                .with_min_version(range.min)
                .with_max_version(range.max)
        });
        let response = ApiVersionsResponse::default().with_api_keys(keys.collect());
        let mut body = BytesMut::new();
        let version = request.header.request_api_version;
        response
            .encode(&mut body, version)
            .expect("it can be encoded");
        self.respond(request.header.correlation_id, &body).await;
    }
}
