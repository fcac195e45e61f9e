//! A blocking-free, minimal protocol client for these tests.

use std::time::Duration;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use milena_broker::{Broker, BrokerBuilder};
use milena_wire::batch::{BatchEncoder, BatchStamp, Header, RecordData};
use milena_wire::compression::Compression;
use milena_wire::rpc::messages::create_topics_request::CreatableTopic;
use milena_wire::rpc::messages::fetch_request::{FetchPartition, FetchTopic};
use milena_wire::rpc::messages::produce_request::{PartitionProduceData, TopicProduceData};
use milena_wire::rpc::messages::{
    ApiKey, CreateTopicsRequest, FetchRequest, FetchResponse, ProduceRequest, ProduceResponse,
    RequestHeader, ResponseHeader, TopicName,
};
use milena_wire::rpc::{Decodable, Encodable, HeaderVersion, Request, StrBytes};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Longer than any test takes; what is waited for normally comes at once.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A broker with memory storage.
pub(crate) async fn broker() -> Broker {
    start(Broker::builder()).await
}

pub(crate) async fn start(builder: BrokerBuilder) -> Broker {
    builder.start().await.expect("the broker starts")
}

/// One connection.
pub(crate) struct Client {
    stream: TcpStream,
    correlation_id: i32,
}

impl Client {
    pub(crate) async fn connect(broker: &Broker) -> Client {
        let stream = TcpStream::connect(broker.address())
            .await
            .expect("the broker accepts");
        Client {
            stream,
            correlation_id: 0,
        }
    }

    /// Sends a request without waiting for its response.
    pub(crate) async fn send<R: Request>(&mut self, version: i16, request: &R) {
        self.correlation_id += 1;
        let header = RequestHeader::default()
            .with_request_api_key(R::KEY)
            .with_request_api_version(version)
            .with_correlation_id(self.correlation_id)
            .with_client_id(Some(StrBytes::from_static_str("test")));
        let mut frame = BytesMut::new();
        header
            .encode(&mut frame, R::header_version(version))
            .expect("a header");
        request.encode(&mut frame, version).expect("a request");
        self.send_frame(&frame).await;
    }

    pub(crate) async fn send_frame(&mut self, frame: &[u8]) {
        let mut bytes = BytesMut::new();
        bytes.put_i32(i32::try_from(frame.len()).expect("a small frame"));
        bytes.put_slice(frame);
        self.stream
            .write_all(&bytes)
            .await
            .expect("the broker reads");
    }

    /// Receives the response to the request sent `behind` requests before the last one.
    pub(crate) async fn receive<R: Request>(&mut self, version: i16, behind: i32) -> R::Response {
        let mut body = self
            .receive_frame()
            .await
            .expect("a response, not a hang-up");
        let header = ResponseHeader::decode(&mut body, R::Response::header_version(version));
        assert_eq!(
            header.expect("a header").correlation_id,
            self.correlation_id - behind
        );
        let response = R::Response::decode(&mut body, version).expect("a response");
        assert!(body.is_empty(), "{} bytes are left over", body.len());
        response
    }

    /// The next frame, or nothing when the broker has hung up.
    pub(crate) async fn receive_frame(&mut self) -> Option<Bytes> {
        let read = async {
            let length = self.stream.read_i32().await.ok()?;
            let mut body = vec![0; usize::try_from(length).expect("a length")];
            self.stream.read_exact(&mut body).await.ok()?;
            Some(Bytes::from(body))
        };
        tokio::time::timeout(PATIENCE, read)
            .await
            .expect("an answer in time")
    }

    pub(crate) async fn call<R: Request>(&mut self, version: i16, request: &R) -> R::Response {
        self.send(version, request).await;
        self.receive::<R>(version, 0).await
    }

    pub(crate) async fn create_topic(&mut self, name: &'static str, partitions: i32) {
        let topic = CreatableTopic::default()
            .with_name(topic_name(name))
            .with_num_partitions(partitions)
            .with_replication_factor(1);
        let request = CreateTopicsRequest::default().with_topics(vec![topic]);
        let response = self.call(7, &request).await;
        assert_eq!(response.topics[0].error_code, 0);
    }

    /// Produces one batch; gives back error code and base offset.
    pub(crate) async fn produce(
        &mut self,
        topic: &'static str,
        partition: i32,
        batch: Bytes,
    ) -> (i16, i64) {
        let response = self
            .call(9, &produce_request(topic, partition, batch))
            .await;
        produced(&response)
    }

    /// Fetches from one partition without waiting; gives back error code and records.
    pub(crate) async fn fetch(
        &mut self,
        topic: &'static str,
        partition: i32,
        offset: i64,
    ) -> (i16, Bytes) {
        let response = self
            .call(12, &fetch_request(topic, partition, offset))
            .await;
        fetched(&response)
    }
}

pub(crate) fn topic_name(name: &'static str) -> TopicName {
    TopicName(StrBytes::from_static_str(name))
}

/// A batch of records with these values.
pub(crate) fn batch(values: &[&str]) -> Bytes {
    stamped_batch(values, BatchStamp::default(), Compression::None)
}

/// A batch of an idempotent producer.
pub(crate) fn sequenced_batch(
    values: &[&str],
    producer_id: i64,
    producer_epoch: i16,
    base_sequence: i32,
) -> Bytes {
    let stamp = BatchStamp {
        producer_id,
        producer_epoch,
        base_sequence,
        ..BatchStamp::default()
    };
    stamped_batch(values, stamp, Compression::None)
}

pub(crate) fn stamped_batch(values: &[&str], stamp: BatchStamp, codec: Compression) -> Bytes {
    let mut encoder = BatchEncoder::with_capacity(1024);
    for (index, value) in values.iter().enumerate() {
        let headers = [Header {
            key: "h",
            value: Some(b"1"),
        }];
        let record = RecordData {
            timestamp: 1_700_000_000_000 + index as i64,
            key: Some(b"key"),
            value: Some(value.as_bytes()),
            headers: &headers,
        };
        encoder.append(&record).expect("a small record");
    }
    encoder.finish(stamp, codec, None).expect("a batch")
}

pub(crate) fn produce_request(topic: &'static str, partition: i32, batch: Bytes) -> ProduceRequest {
    let partition = PartitionProduceData::default()
        .with_index(partition)
        .with_records(Some(batch));
    let topic = TopicProduceData::default()
        .with_name(topic_name(topic))
        .with_partition_data(vec![partition]);
    ProduceRequest::default()
        .with_acks(-1)
        .with_timeout_ms(30_000)
        .with_topic_data(vec![topic])
}

pub(crate) fn produced(response: &ProduceResponse) -> (i16, i64) {
    let partition = &response.responses[0].partition_responses[0];
    (partition.error_code, partition.base_offset)
}

pub(crate) fn fetch_request(topic: &'static str, partition: i32, offset: i64) -> FetchRequest {
    let partition = FetchPartition::default()
        .with_partition(partition)
        .with_fetch_offset(offset)
        .with_partition_max_bytes(1 << 20);
    let topic = FetchTopic::default()
        .with_topic(topic_name(topic))
        .with_partitions(vec![partition]);
    FetchRequest::default()
        .with_max_wait_ms(0)
        .with_min_bytes(1)
        .with_max_bytes(50 << 20)
        .with_session_epoch(-1)
        .with_topics(vec![topic])
}

pub(crate) fn fetched(response: &FetchResponse) -> (i16, Bytes) {
    assert_eq!(response.error_code, 0);
    let partition = &response.responses[0].partitions[0];
    (
        partition.error_code,
        partition.records.clone().unwrap_or_default(),
    )
}

/// The values in fetched records, with their offsets.
pub(crate) fn values(records: Bytes) -> Vec<(i64, String)> {
    let mut values = Vec::new();
    for raw in milena_wire::batch::Batches::new(records) {
        let raw = raw.expect("a batch");
        raw.verify_crc().expect("an intact batch");
        let opened = raw.open(1 << 20).expect("readable records");
        for record in opened.records() {
            let record = record.expect("a record");
            let value = String::from_utf8_lossy(record.value.unwrap_or_default()).into_owned();
            values.push((record.offset, value));
        }
    }
    values
}

/// A request header and body by hand, for what no message type can say.
pub(crate) fn raw_request(api_key: i16, version: i16, correlation_id: i32, body: &[u8]) -> Bytes {
    let mut frame = BytesMut::new();
    frame.put_i16(api_key);
    frame.put_i16(version);
    frame.put_i32(correlation_id);
    frame.put_i16(-1);
    let flexible =
        ApiKey::try_from(api_key).is_ok_and(|key| key.request_header_version(version) >= 2);
    if flexible {
        frame.put_u8(0);
    }
    frame.put_slice(body);
    frame.freeze()
}

pub(crate) fn take_i32(bytes: &mut Bytes) -> i32 {
    bytes.try_get_i32().expect("four more bytes")
}

pub(crate) fn take_i16(bytes: &mut Bytes) -> i16 {
    bytes.try_get_i16().expect("two more bytes")
}
