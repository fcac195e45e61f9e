//! Produce, Fetch, ListOffsets, InitProducerId.

use bytes::Bytes;
use milena_broker::{Broker, ErrorCode};
use milena_wire::batch::BatchStamp;
use milena_wire::compression::Compression;
use milena_wire::rpc::messages::fetch_request::ForgottenTopic;
use milena_wire::rpc::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use milena_wire::rpc::messages::{
    FetchRequest, InitProducerIdRequest, ListOffsetsRequest, MetadataRequest,
};

use crate::client::{
    Client, batch, broker, fetch_request, fetched, produce_request, produced, sequenced_batch,
    stamped_batch, start, topic_name, values,
};

#[tokio::test]
async fn what_is_produced_is_fetched_in_every_version() {
    let broker = broker().await;
    let mut client = Client::connect(&broker).await;
    client.create_topic("t", 1).await;
    let metadata = client
        .call(12, &MetadataRequest::default().with_topics(None))
        .await;
    let topic_id = metadata.topics[0].topic_id;
    for (round, version) in (3..=13).enumerate() {
        let mut request = produce_request("t", 0, batch(&["a", "b"]));
        if version >= 13 {
            request.topic_data[0].name = topic_name("");
            request.topic_data[0].topic_id = topic_id;
        }
        let response = client.call(version, &request).await;
        assert_eq!(produced(&response), (0, 2 * round as i64), "v{version}");
    }
    for version in 4..=17 {
        let mut request = fetch_request("t", 0, 20);
        if version >= 13 {
            request.topics[0].topic = topic_name("");
            request.topics[0].topic_id = topic_id;
        }
        let response = client.call(version, &request).await;
        let (code, records) = fetched(&response);
        assert_eq!(code, 0);
        let expected = [(20, "a".to_owned()), (21, "b".to_owned())];
        assert_eq!(values(records), expected, "v{version}");
        assert_eq!(response.responses[0].partitions[0].high_watermark, 22);
    }
}

#[tokio::test]
async fn every_codec_is_taken_and_given_back_as_it_came() {
    let broker = broker().await;
    let mut client = Client::connect(&broker).await;
    client.create_topic("t", 1).await;
    let codecs = [
        Compression::None,
        Compression::Gzip,
        Compression::Snappy,
        Compression::Lz4,
        Compression::Zstd,
    ];
    for (offset, codec) in codecs.into_iter().enumerate() {
        let sent = stamped_batch(&["v"], BatchStamp::default(), codec);
        let offset = offset as i64;
        assert_eq!(client.produce("t", 0, sent.clone()).await, (0, offset));
        let (_, stored) = client.fetch("t", 0, offset).await;
        // All but base offset and leader epoch.
        assert_eq!(stored[16..], sent[16..]);
        assert_eq!(values(stored), [(offset, "v".to_owned())]);
    }
}

#[tokio::test]
async fn bad_batches_are_refused_with_kafkas_codes() {
    let builder = Broker::builder()
        .property("message.max.bytes", "500")
        .expect("a property");
    let broker = start(builder).await;
    let mut client = Client::connect(&broker).await;
    client.create_topic("t", 1).await;
    let good = batch(&["a"]);
    let altered = |position: usize, value: u8| {
        let mut bytes = good.to_vec();
        bytes[position] = value;
        Bytes::from(bytes)
    };
    let two = Bytes::from([&good[..], &good[..]].concat());
    let large = "x".repeat(600);
    let cases = [
        (
            "flipped byte",
            altered(good.len() - 1, 0x7e),
            ErrorCode::CorruptMessage,
        ),
        (
            "magic 1",
            altered(16, 1),
            ErrorCode::UnsupportedForMessageFormat,
        ),
        ("magic 9", altered(16, 9), ErrorCode::InvalidRecord),
        ("empty", Bytes::new(), ErrorCode::InvalidRecord),
        (
            "cut off",
            good.slice(..good.len() - 1),
            ErrorCode::CorruptMessage,
        ),
        ("two batches", two, ErrorCode::InvalidRecord),
        ("too large", batch(&[&large]), ErrorCode::MessageTooLarge),
    ];
    for (case, bytes, expected) in cases {
        let (code, offset) = client.produce("t", 0, bytes).await;
        assert_eq!((ErrorCode::from(code), offset), (expected, -1), "{case}");
    }
    let unknown = ErrorCode::UnknownTopicOrPartition.code();
    assert_eq!(client.produce("t", 1, batch(&["a"])).await, (unknown, -1));
    assert_eq!(
        client.produce("nope", 0, batch(&["a"])).await,
        (unknown, -1)
    );
    let request = produce_request("t", 0, batch(&["a"])).with_acks(2);
    let response = client.call(9, &request).await;
    assert_eq!(produced(&response).0, ErrorCode::InvalidRequiredAcks.code());
    assert_eq!(client.produce("t", 0, batch(&["a"])).await, (0, 0));
}

#[tokio::test]
async fn without_acknowledgements_there_is_no_response() {
    let broker = broker().await;
    let mut client = Client::connect(&broker).await;
    client.create_topic("t", 1).await;
    client
        .send(9, &produce_request("t", 0, batch(&["a"])).with_acks(0))
        .await;
    assert_eq!(client.produce("t", 0, batch(&["b"])).await, (0, 1));
    // A failure can only be told by hanging up.
    client
        .send(9, &produce_request("t", 7, batch(&["c"])).with_acks(0))
        .await;
    assert_eq!(client.receive_frame().await, None);
}

#[tokio::test]
async fn a_retried_batch_gets_its_first_offset_and_gaps_are_refused() {
    let broker = broker().await;
    let mut client = Client::connect(&broker).await;
    client.create_topic("t", 1).await;
    let request = InitProducerIdRequest::default().with_transactional_id(None);
    let response = client.call(4, &request).await;
    assert_eq!((response.error_code, response.producer_epoch), (0, 0));
    let id = response.producer_id.0;
    let sent = |sequence| sequenced_batch(&["a", "b"], id, 0, sequence);
    assert_eq!(client.produce("t", 0, sent(0)).await, (0, 0));
    assert_eq!(client.produce("t", 0, sent(2)).await, (0, 2));
    assert_eq!(client.produce("t", 0, sent(0)).await, (0, 0));
    let gap = ErrorCode::OutOfOrderSequenceNumber.code();
    assert_eq!(client.produce("t", 0, sent(6)).await, (gap, -1));
    let newer = sequenced_batch(&["c"], id, 1, 0);
    assert_eq!(client.produce("t", 0, newer).await, (0, 4));
    let stale = ErrorCode::InvalidProducerEpoch.code();
    assert_eq!(client.produce("t", 0, sent(4)).await, (stale, -1));
    let second = client.call(4, &request).await;
    assert_ne!(second.producer_id.0, id);
}

#[tokio::test]
async fn a_waiting_fetch_is_woken_by_the_produce_it_waits_for() {
    let broker = broker().await;
    let mut consumer = Client::connect(&broker).await;
    consumer.create_topic("t", 2).await;
    let mut request = fetch_request("t", 0, 0).with_max_wait_ms(3_600_000);
    let mut other = request.topics[0].partitions[0].clone();
    other.partition = 1;
    request.topics[0].partitions.push(other);
    consumer.send(12, &request).await;
    let mut producer = Client::connect(&broker).await;
    assert_eq!(producer.produce("t", 1, batch(&["late"])).await, (0, 0));
    let response = consumer.receive::<FetchRequest>(12, 0).await;
    let woken = response.responses[0].partitions[1]
        .records
        .clone()
        .unwrap_or_default();
    assert_eq!(values(woken), [(0, "late".to_owned())]);
}

#[tokio::test]
async fn a_fetch_that_waits_for_more_bytes_than_come_returns_at_its_deadline() {
    let broker = broker().await;
    let mut client = Client::connect(&broker).await;
    client.create_topic("t", 1).await;
    client.produce("t", 0, batch(&["a"])).await;
    let request = fetch_request("t", 0, 0)
        .with_max_wait_ms(20)
        .with_min_bytes(1 << 20);
    let response = client.call(12, &request).await;
    assert_eq!(values(fetched(&response).1), [(0, "a".to_owned())]);
}

#[tokio::test]
async fn fetch_limits_hold_but_never_stop_a_consumer() {
    let broker = broker().await;
    let mut client = Client::connect(&broker).await;
    client.create_topic("t", 2).await;
    for partition in 0..2 {
        for value in ["a", "b", "c"] {
            client.produce("t", partition, batch(&[value])).await;
        }
    }
    let batch_bytes = i32::try_from(batch(&["a"]).len()).expect("small");
    for (partition_bytes, total_bytes, expected) in [
        (1, 1 << 20, [1, 1]),
        (2 * batch_bytes, 1 << 20, [2, 2]),
        (1 << 20, 1, [1, 0]),
        (1 << 20, 4 * batch_bytes, [3, 1]),
    ] {
        let mut request = fetch_request("t", 0, 0).with_max_bytes(total_bytes);
        let mut other = request.topics[0].partitions[0].clone();
        other.partition = 1;
        request.topics[0].partitions.push(other);
        for partition in &mut request.topics[0].partitions {
            partition.partition_max_bytes = partition_bytes;
        }
        let response = client.call(12, &request).await;
        let counts: Vec<usize> = response.responses[0]
            .partitions
            .iter()
            .map(|partition| values(partition.records.clone().unwrap_or_default()).len())
            .collect();
        assert_eq!(counts, expected, "{partition_bytes} {total_bytes}");
    }
    let out_of_range = ErrorCode::OffsetOutOfRange.code();
    assert_eq!(client.fetch("t", 0, 4).await.0, out_of_range);
    assert_eq!(client.fetch("t", 0, -1).await.0, out_of_range);
    assert_eq!(client.fetch("t", 0, 3).await, (0, Bytes::new()));
}

#[tokio::test]
async fn pitfall_21_a_fetch_session_forgets_and_reports_only_news() {
    let broker = broker().await;
    let mut client = Client::connect(&broker).await;
    client.create_topic("t", 2).await;
    let mut request = fetch_request("t", 0, 0).with_session_epoch(0);
    let mut other = request.topics[0].partitions[0].clone();
    other.partition = 1;
    request.topics[0].partitions.push(other);
    let full = client.call(12, &request).await;
    assert_ne!(full.session_id, 0);
    assert_eq!(full.responses[0].partitions.len(), 2);

    let next = |epoch| {
        FetchRequest::default()
            .with_min_bytes(1)
            .with_max_bytes(1 << 20)
            .with_session_id(full.session_id)
            .with_session_epoch(epoch)
    };
    let quiet = client.call(12, &next(1)).await;
    assert_eq!((quiet.error_code, quiet.responses.len()), (0, 0));
    client.produce("t", 1, batch(&["a"])).await;
    let news = client.call(12, &next(2)).await;
    assert_eq!(news.responses[0].partitions.len(), 1);
    assert_eq!(news.responses[0].partitions[0].partition_index, 1);

    let forget = ForgottenTopic::default()
        .with_topic(topic_name("t"))
        .with_partitions(vec![1]);
    let forgotten = client
        .call(12, &next(3).with_forgotten_topics_data(vec![forget]))
        .await;
    assert_eq!((forgotten.error_code, forgotten.responses.len()), (0, 0));

    let wrong_epoch = client.call(12, &next(3)).await;
    assert_eq!(
        wrong_epoch.error_code,
        ErrorCode::InvalidFetchSessionEpoch.code()
    );
    let unknown = client
        .call(12, &next(4).with_session_id(full.session_id ^ 1))
        .await;
    assert_eq!(unknown.error_code, ErrorCode::FetchSessionIdNotFound.code());
}

#[tokio::test]
async fn list_offsets_finds_ends_and_timestamps() {
    let broker = broker().await;
    let mut client = Client::connect(&broker).await;
    client.create_topic("t", 1).await;
    client.produce("t", 0, batch(&["a", "b", "c"])).await;
    let first_timestamp = 1_700_000_000_000;
    for (timestamp, expected) in [
        (-1, (-1, 3)),
        (-2, (-1, 0)),
        (-3, (first_timestamp + 2, 2)),
        (0, (first_timestamp, 0)),
        (first_timestamp + 1, (first_timestamp + 1, 1)),
        (first_timestamp + 9, (-1, -1)),
    ] {
        let partition = ListOffsetsPartition::default().with_timestamp(timestamp);
        let topic = ListOffsetsTopic::default()
            .with_name(topic_name("t"))
            .with_partitions(vec![partition]);
        for version in 1..=10 {
            let request = ListOffsetsRequest::default().with_topics(vec![topic.clone()]);
            let response = client.call(version, &request).await;
            let found = &response.topics[0].partitions[0];
            assert_eq!(found.error_code, 0);
            assert_eq!(
                (found.timestamp, found.offset),
                expected,
                "{timestamp} v{version}"
            );
        }
    }
}

#[tokio::test]
async fn pitfall_25_log_append_time_overrides_the_records_timestamps() {
    let builder = Broker::builder()
        .property("log.message.timestamp.type", "LogAppendTime")
        .expect("a known property");
    let broker = start(builder).await;
    let mut client = Client::connect(&broker).await;
    client.create_topic("t", 1).await;
    let response = client
        .call(9, &produce_request("t", 0, batch(&["a", "b"])))
        .await;
    let appended_ms = response.responses[0].partition_responses[0].log_append_time_ms;
    assert!(appended_ms > 1_700_000_000_001);
    let (_, records) = client.fetch("t", 0, 0).await;
    let raw = milena_wire::batch::Batches::new(records)
        .next()
        .expect("a batch");
    let raw = raw.expect("a batch");
    raw.verify_crc().expect("a checksum that was computed anew");
    let opened = raw.open(1 << 20).expect("readable records");
    for record in opened.records() {
        assert_eq!(record.expect("a record").timestamp, appended_ms);
    }
}
