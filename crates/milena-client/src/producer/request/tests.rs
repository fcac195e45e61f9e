//! Our encoding against kafka-protocol's decoder, in every version.

use bytes::{Bytes, BytesMut};
use milena_wire::rpc::Decodable;
use milena_wire::rpc::messages::ProduceRequest;

use super::{BatchToSend, VERSION_MAX, VERSION_MIN, encode};
use crate::producer::config::Acks;

#[test]
fn kafka_protocol_reads_what_we_write() {
    let batches = [
        BatchToSend {
            topic: "orders",
            partition: 0,
            bytes: Bytes::from(vec![1; 100]),
        },
        BatchToSend {
            topic: "orders",
            partition: 7,
            bytes: Bytes::from(vec![2; 300]),
        },
        BatchToSend {
            topic: "payments",
            partition: 3,
            bytes: Bytes::from(vec![3; 20_000]),
        },
    ];
    for version in VERSION_MIN..=VERSION_MAX {
        let chunks = encode(version, None, Acks::All, 30_000, &batches);
        let mut body = BytesMut::new();
        chunks
            .iter()
            .for_each(|chunk| body.extend_from_slice(chunk));
        let mut body = body.freeze();
        let request = ProduceRequest::decode(&mut body, version).unwrap();
        assert!(body.is_empty(), "version {version} leaves bytes");
        assert_eq!((request.acks, request.timeout_ms), (-1, 30_000));
        assert!(request.transactional_id.is_none());
        let read: Vec<_> = request
            .topic_data
            .iter()
            .flat_map(|topic| {
                let name = topic.name.as_str();
                topic
                    .partition_data
                    .iter()
                    .map(move |p| (name, p.index, p.records.clone()))
            })
            .collect();
        let written: Vec<_> = batches
            .iter()
            .map(|b| (b.topic, b.partition, Some(b.bytes.clone())))
            .collect();
        assert_eq!(read, written, "version {version}");
    }
}

#[test]
fn batches_are_not_copied() {
    let bytes = Bytes::from(vec![9; 1000]);
    let batch = BatchToSend {
        topic: "t",
        partition: 0,
        bytes: bytes.clone(),
    };
    let chunks = encode(9, None, Acks::Leader, 1, &[batch]);
    assert!(chunks.iter().any(|chunk| chunk.as_ptr() == bytes.as_ptr()));
}
