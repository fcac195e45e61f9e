//! A broker to test against, and a look at its logs that no part of the client under test takes.

use std::net::Ipv4Addr;
use std::time::Duration;

use bytes::{Buf, Bytes};
use milena_broker::Broker;
use milena_wire::batch::Batches;
use milena_wire::rpc::messages::fetch_request::{FetchPartition, FetchTopic};
use milena_wire::rpc::messages::{FetchRequest, FetchResponse};
use milena_wire::rpc::{Decodable, StrBytes};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

/// The version that `read_back` speaks: names, no sessions.
const FETCH_VERSION: i16 = 11;

/// A record as it stands in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Written {
    pub(crate) offset: i64,
    pub(crate) timestamp: i64,
    pub(crate) key: Option<Vec<u8>>,
    pub(crate) value: Option<Vec<u8>>,
    pub(crate) headers: Vec<(String, Option<Vec<u8>>)>,
}

/// An embedded broker in memory, on a free port.
pub(crate) async fn start_broker() -> Broker {
    start_broker_with(&[]).await
}

/// As [`start_broker`], with broker properties.
pub(crate) async fn start_broker_with(properties: &[(&str, &str)]) -> Broker {
    let mut builder = Broker::builder();
    for (name, value) in properties {
        builder = builder.property(name, value).unwrap();
    }
    builder.start().await.unwrap()
}

/// A port on which connections are refused until somebody listens there. The system gives it to
/// nobody else; who names it may listen, again and again (on Linux).
pub(crate) fn reserve() -> (TcpSocket, String) {
    let socket = TcpSocket::new_v4().unwrap();
    // Without it nobody could listen while this one is bound.
    socket.set_reuseaddr(true).unwrap();
    socket.bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
    let address = socket.local_addr().unwrap().to_string();
    (socket, address)
}

/// Everything in a partition's log, first to last.
pub(crate) async fn read_back(broker: &Broker, topic: &str, partition: i32) -> Vec<Written> {
    let mut stream = TcpStream::connect(broker.address()).await.unwrap();
    let mut written: Vec<Written> = Vec::new();
    loop {
        let next = written.last().map_or(0, |record| record.offset + 1);
        let records = fetch(&mut stream, topic, partition, next).await;
        let before = written.len();
        for batch in Batches::new(records) {
            let batch = batch.unwrap();
            batch.verify_crc().unwrap();
            let batch = batch.open(1 << 30).unwrap();
            for record in batch.records() {
                let record = record.unwrap();
                if record.offset >= next {
                    written.push(Written {
                        offset: record.offset,
                        timestamp: record.timestamp,
                        key: record.key.map(<[u8]>::to_vec),
                        value: record.value.map(<[u8]>::to_vec),
                        headers: record
                            .headers
                            .iter()
                            .map(|header| {
                                (
                                    String::from_utf8_lossy(header.key).into_owned(),
                                    header.value.map(<[u8]>::to_vec),
                                )
                            })
                            .collect(),
                    });
                }
            }
        }
        if written.len() == before {
            return written;
        }
    }
}

async fn fetch(stream: &mut TcpStream, topic: &str, partition: i32, offset: i64) -> Bytes {
    let request = FetchRequest::default()
        .with_max_wait_ms(0)
        .with_min_bytes(0)
        .with_max_bytes(10 << 20)
        .with_topics(vec![
            FetchTopic::default()
                .with_topic(StrBytes::from(topic.to_owned()).into())
                .with_partitions(vec![
                    FetchPartition::default()
                        .with_partition(partition)
                        .with_fetch_offset(offset)
                        .with_partition_max_bytes(10 << 20),
                ]),
        ]);
    let frame = milena_wire::rpc::encode_request(FETCH_VERSION, 1, "test", &request).unwrap();
    stream.write_all(&frame).await.unwrap();
    let length = stream.read_i32().await.unwrap();
    let mut body = vec![0; usize::try_from(length).unwrap()];
    let read = stream.read_exact(&mut body);
    tokio::time::timeout(Duration::from_secs(10), read)
        .await
        .unwrap()
        .unwrap();
    let mut body = Bytes::from(body);
    assert_eq!(body.get_i32(), 1, "correlation id");
    let response = FetchResponse::decode(&mut body, FETCH_VERSION).unwrap();
    let partition = &response.responses[0].partitions[0];
    assert_eq!(partition.error_code, 0);
    partition.records.clone().unwrap_or_default()
}
