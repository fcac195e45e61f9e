//! Headers and messages both ways, and crafted counts.

use super::*;
use bytes::{BufMut, Bytes, BytesMut};
use kafka_protocol::messages::{
    ApiVersionsResponse, FetchResponse, JoinGroupRequest, MetadataRequest, MetadataResponse,
    ProduceRequest,
};

#[test]
fn negotiates_the_newest_common_version() {
    let check = |ours: (i16, i16), theirs, expected| {
        let ours = VersionRange {
            min: ours.0,
            max: ours.1,
        };
        assert_eq!(negotiate(ours, theirs), expected);
    };
    check((0, 13), (0, 12), Some(12));
    check((4, 9), (0, 12), Some(9));
    check((4, 9), (0, 3), None);
    check((4, 9), (10, 12), None);
    check((4, 9), (3, -1), None);
}

#[test]
fn a_request_comes_back() {
    for version in 0..=MetadataRequest::VERSIONS.max {
        let request = MetadataRequest::default();
        let mut frame = encode_request(version, 7, "milena", &request)
            .expect("invariant: the default request exists in every version")
            .freeze();
        let length = frame.split_to(4);
        assert_eq!(length.as_ref(), (frame.len() as u32).to_be_bytes());
        let head = RequestHead::decode(&mut frame).expect("invariant: the header is valid");
        assert_eq!(
            (head.api(), head.api_version),
            (Some(ApiKey::Metadata), version)
        );
        assert_eq!(
            (head.correlation_id, head.client_id.as_deref()),
            (7, Some("milena"))
        );
        let back: MetadataRequest =
            decode_request(version, &mut frame).expect("invariant: the request is valid");
        assert!(frame.is_empty());
        assert_eq!(
            back.topics.unwrap_or_default(),
            request.topics.unwrap_or_default()
        );
    }
}

#[test]
fn a_response_comes_back() {
    for version in 0..=MetadataResponse::VERSIONS.max {
        let mut response = MetadataResponse::default();
        response.throttle_time_ms = if version >= 3 { 1_000_000 } else { 0 };
        response.controller_id = if version >= 1 {
            5.into()
        } else {
            response.controller_id
        };
        let mut frame = encode_response(ApiKey::Metadata, version, -9, &response)
            .expect("invariant: these fields exist")
            .freeze()
            .slice(4..);
        assert_eq!(take_correlation_id(&mut frame), Ok(-9));
        assert_eq!(
            skip_response_head(ApiKey::Metadata, version, &mut frame),
            Ok(())
        );
        assert_eq!(
            decode_response(version, &mut frame),
            Ok(response),
            "version {version}"
        );
        assert!(frame.is_empty());
    }
}

#[test]
fn a_header_of_an_unknown_api_or_version_is_read() {
    let mut frame = BytesMut::new();
    frame.put_slice(&[0x7f, 0xff, 0, 9, 0, 0, 0, 3, 0, 2, b'h', b'i', 1, 2, 3]);
    let head = RequestHead::decode(&mut frame.freeze()).expect("invariant: the header is whole");
    assert_eq!(
        (head.api_key, head.api(), head.correlation_id),
        (0x7fff, None, 3)
    );
    for bytes in [&[][..], &[0, 18], &[0, 18, 0, 99, 0, 0, 0, 1, 0x7f, 0xff]] {
        assert!(RequestHead::decode(&mut Bytes::copy_from_slice(bytes)).is_err());
    }
}

/// Values far above the size of their message are not mistaken for counts.
#[test]
fn large_values_pass() {
    let mut request = JoinGroupRequest::default();
    request.session_timeout_ms = i32::MAX;
    request.rebalance_timeout_ms = 300_000;
    for version in 1..=JoinGroupRequest::VERSIONS.max {
        let mut bytes = encode_message(version, &request).expect("invariant: these fields exist");
        assert_eq!(
            decode_request(version, &mut bytes),
            Ok(request.clone()),
            "version {version}"
        );
        assert!(bytes.is_empty());
    }
}

/// Records larger than the greatest count are not mistaken for an array.
#[test]
fn large_records_pass() {
    use kafka_protocol::messages::fetch_response::{FetchableTopicResponse, PartitionData};
    let records = Bytes::from(vec![0x85; crate::limits::ARRAY_ELEMENTS_MAX + 10]);
    let partition = |index| {
        PartitionData::default()
            .with_partition_index(index)
            .with_records(Some(records.clone()))
    };
    let topic = FetchableTopicResponse::default().with_partitions(vec![partition(0), partition(1)]);
    for version in [4, 11, 12] {
        let mut response = FetchResponse::default().with_responses(vec![topic.clone()]);
        response.session_id = if version >= 7 { 0x7654_3210 } else { 0 };
        let mut bytes = encode_message(version, &response).expect("invariant: these fields exist");
        assert_eq!(
            decode_response(version, &mut bytes),
            Ok(response),
            "version {version}"
        );
    }
}

#[test]
fn pitfall_25_a_crafted_count_in_a_message_does_not_allocate() {
    let check = |bytes: Vec<u8>, version: i16, decode: fn(i16, &mut Bytes) -> bool| {
        assert!(
            decode(version, &mut Bytes::from(bytes.clone())),
            "{bytes:?} version {version}"
        );
    };
    let metadata =
        |version, bytes: &mut Bytes| decode_request::<MetadataRequest>(version, bytes).is_err();
    let produce =
        |version, bytes: &mut Bytes| decode_request::<ProduceRequest>(version, bytes).is_err();
    let api_versions = |version, bytes: &mut Bytes| {
        decode_response::<ApiVersionsResponse>(version, bytes).is_err()
    };
    for count in [
        i32::MAX,
        i32::MAX - 1,
        0x1000_0000,
        0x0010_0000,
        -2,
        i32::MIN,
    ] {
        let plain = count.to_be_bytes().to_vec();
        check(plain.clone(), 1, metadata);
        check([plain.clone(), vec![0; 3]].concat(), 1, metadata);
        check(
            [vec![0, 0], plain.clone(), vec![0; 100]].concat(),
            0,
            api_versions,
        );
        // Null transactional id, acks, timeout, then the count of topics.
        let head = [vec![0xff, 0xff, 0, 1], 30_000_i32.to_be_bytes().to_vec()].concat();
        check([head.clone(), plain.clone()].concat(), 3, produce);
        // One topic "a", then the count of partitions.
        check(
            [head, vec![0, 0, 0, 1, 0, 1, b'a'], plain].concat(),
            3,
            produce,
        );
    }
    for count in [u32::MAX, 0x7fff_ffff, 0x0200_0000, 0x0010_0002] {
        let mut compact = Vec::new();
        crate::varint::write_u32(&mut compact, count);
        check(compact.clone(), 9, metadata);
        check(
            [vec![0, 0], compact.clone(), vec![0; 100]].concat(),
            3,
            api_versions,
        );
        // Also with enough bytes behind it for one element each.
        check([compact, vec![0; 1 << 21]].concat(), 9, metadata);
    }
}
