//! Transactions in raw requests: codes, markers, what is stable, what survives a restart.

use milena_broker::{Broker, ErrorCode, Storage};
use milena_wire::batch::{BatchStamp, Batches};
use milena_wire::compression::Compression;
use milena_wire::rpc::StrBytes;
use milena_wire::rpc::messages::add_partitions_to_txn_request::AddPartitionsToTxnTopic;
use milena_wire::rpc::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use milena_wire::rpc::messages::txn_offset_commit_request::{
    TxnOffsetCommitRequestPartition, TxnOffsetCommitRequestTopic,
};
use milena_wire::rpc::messages::write_txn_markers_request::{
    WritableTxnMarker, WritableTxnMarkerTopic,
};
use milena_wire::rpc::messages::{
    AddPartitionsToTxnRequest, ApiVersionsRequest, DescribeProducersRequest,
    DescribeTransactionsRequest, EndTxnRequest, GroupId, InitProducerIdRequest, ListOffsetsRequest,
    ListTransactionsRequest, TransactionalId, TxnOffsetCommitRequest, WriteTxnMarkersRequest,
    describe_producers_request,
};

use crate::client::{
    Client, PATIENCE, broker, fetch_request, produce_request, stamped_batch, start, topic_name,
    values,
};
use crate::groups::committed;

const ID: &str = "transactional";
/// Partitions are added by request up to here, by their first batch from the next version on.
const PRODUCE_V1: i16 = 11;
const PRODUCE_V2: i16 = 12;
const END_V1: i16 = 4;
const END_V2: i16 = 5;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Producer {
    id: i64,
    epoch: i16,
}

fn id() -> TransactionalId {
    TransactionalId(StrBytes::from_static_str(ID))
}

async fn init(client: &mut Client, timeout_ms: i32) -> Producer {
    let request = InitProducerIdRequest::default()
        .with_transactional_id(Some(id()))
        .with_transaction_timeout_ms(timeout_ms);
    let response = client.call(4, &request).await;
    assert_eq!(response.error_code, 0);
    Producer {
        id: response.producer_id.0,
        epoch: response.producer_epoch,
    }
}

async fn add(client: &mut Client, version: i16, who: Producer, partitions: &[i32]) -> i16 {
    let topic = AddPartitionsToTxnTopic::default()
        .with_name(topic_name("t"))
        .with_partitions(partitions.to_vec());
    let request = AddPartitionsToTxnRequest::default()
        .with_v3_and_below_transactional_id(id())
        .with_v3_and_below_producer_id(who.id.into())
        .with_v3_and_below_producer_epoch(who.epoch)
        .with_v3_and_below_topics(vec![topic]);
    let response = client.call(version, &request).await;
    response.results_by_topic_v3_and_below[0].results_by_partition[0].partition_error_code
}

async fn produce(
    client: &mut Client,
    version: i16,
    who: Producer,
    sequence: i32,
    values: &[&str],
) -> (i16, i64) {
    let stamp = BatchStamp {
        producer_id: who.id,
        producer_epoch: who.epoch,
        base_sequence: sequence,
        is_transactional: true,
    };
    let batch = stamped_batch(values, stamp, Compression::None);
    let request = produce_request("t", 0, batch).with_transactional_id(Some(id()));
    let response = client.call(version, &request).await;
    crate::client::produced(&response)
}

async fn end(client: &mut Client, version: i16, who: Producer, commit: bool) -> (i16, Producer) {
    let request = EndTxnRequest::default()
        .with_transactional_id(id())
        .with_producer_id(who.id.into())
        .with_producer_epoch(who.epoch)
        .with_committed(commit);
    let response = client.call(version, &request).await;
    let next = Producer {
        id: response.producer_id.0,
        epoch: response.producer_epoch,
    };
    (response.error_code, next)
}

/// The values that a reader of what is committed is sent, the aborted transactions by their first
/// offset, and the last stable offset.
async fn read_committed(client: &mut Client, offset: i64) -> (Vec<String>, Vec<i64>, i64) {
    let request = fetch_request("t", 0, offset).with_isolation_level(1);
    let response = client.call(12, &request).await;
    let partition = &response.responses[0].partitions[0];
    assert_eq!(partition.error_code, 0);
    let aborted = partition.aborted_transactions.as_ref().expect("a list");
    let records = partition.records.clone().unwrap_or_default();
    let mut data = Vec::new();
    for batch in Batches::new(records) {
        let batch = batch.expect("a batch");
        if !batch.header.attributes.is_control() {
            let found = values(batch.bytes().clone());
            data.extend(found.into_iter().map(|(_, value)| value));
        }
    }
    let aborted = aborted.iter().map(|one| one.first_offset).collect();
    (data, aborted, partition.last_stable_offset)
}

async fn latest(client: &mut Client, isolation_level: i8) -> i64 {
    let partition = ListOffsetsPartition::default().with_timestamp(-1);
    let topic = ListOffsetsTopic::default()
        .with_name(topic_name("t"))
        .with_partitions(vec![partition]);
    let request = ListOffsetsRequest::default()
        .with_replica_id((-1).into())
        .with_isolation_level(isolation_level)
        .with_topics(vec![topic]);
    let response = client.call(5, &request).await;
    response.topics[0].partitions[0].offset
}

async fn state(client: &mut Client) -> String {
    let request = DescribeTransactionsRequest::default().with_transactional_ids(vec![id()]);
    let response = client.call(0, &request).await;
    response.transaction_states[0].transaction_state.to_string()
}

#[tokio::test]
async fn a_batch_needs_its_partition_in_the_transaction() {
    let broker = broker().await;
    let mut client = Client::connect(&broker).await;
    client.create_topic("t", 1).await;
    let who = init(&mut client, 60_000).await;
    for (version, code) in [
        (9, ErrorCode::InvalidTxnState),
        (PRODUCE_V1, ErrorCode::TransactionAbortable),
    ] {
        let refused = produce(&mut client, version, who, 0, &["a"]).await;
        assert_eq!(refused, (code.code(), -1), "v{version}");
    }
    let unknown = add(&mut client, 3, who, &[7]).await;
    assert_eq!(unknown, ErrorCode::UnknownTopicOrPartition.code());
    assert_eq!(add(&mut client, 3, who, &[0]).await, 0);
    assert_eq!(
        produce(&mut client, PRODUCE_V1, who, 0, &["a"]).await,
        (0, 0)
    );
    // Outside of a transaction, or without its id, the same producer writes nothing.
    let plain = crate::client::sequenced_batch(&["b"], who.id, who.epoch, 1);
    let code = client.produce("t", 0, plain).await.0;
    assert_eq!(code, ErrorCode::InvalidTxnState.code());
    assert_eq!(end(&mut client, END_V1, who, true).await.0, 0);
    assert_eq!(state(&mut client).await, "CompleteCommit");
    // With KIP-890 the batch is enough.
    assert_eq!(
        produce(&mut client, PRODUCE_V2, who, 1, &["c"]).await,
        (0, 2)
    );
    let (code, next) = end(&mut client, END_V2, who, false).await;
    assert_eq!((code, next.epoch), (0, who.epoch + 1));
    assert_eq!(end(&mut client, END_V2, who, false).await, (0, next));
    let late = produce(&mut client, PRODUCE_V2, who, 2, &["late"]).await;
    assert_eq!(late.0, ErrorCode::InvalidProducerEpoch.code());
}

#[tokio::test]
async fn codes_are_those_that_each_version_knows() {
    let broker = broker().await;
    let mut client = Client::connect(&broker).await;
    client.create_topic("t", 1).await;
    let zombie = init(&mut client, 60_000).await;
    init(&mut client, 60_000).await;
    let (old, new) = (ErrorCode::InvalidProducerEpoch, ErrorCode::ProducerFenced);
    for (version, code) in [(0, old), (1, old), (2, new), (3, new)] {
        let refused = add(&mut client, version, zombie, &[0]).await;
        assert_eq!(refused, code.code(), "AddPartitionsToTxn v{version}");
        let refused = end(&mut client, version, zombie, true).await.0;
        assert_eq!(refused, code.code(), "EndTxn v{version}");
    }
    for (version, code) in [(3, old), (4, new)] {
        let request = InitProducerIdRequest::default()
            .with_transactional_id(Some(id()))
            .with_transaction_timeout_ms(1_000)
            .with_producer_id(zombie.id.into())
            .with_producer_epoch(zombie.epoch);
        let response = client.call(version, &request).await;
        assert_eq!(
            response.error_code,
            code.code(),
            "InitProducerId v{version}"
        );
    }
    let too_long = InitProducerIdRequest::default()
        .with_transactional_id(Some(id()))
        .with_transaction_timeout_ms(i32::MAX);
    let response = client.call(4, &too_long).await;
    let code = ErrorCode::InvalidTransactionTimeout.code();
    assert_eq!(response.error_code, code);
}

#[tokio::test]
async fn what_is_undecided_is_held_back_and_what_is_aborted_is_listed() {
    let broker = broker().await;
    let mut client = Client::connect(&broker).await;
    client.create_topic("t", 1).await;
    let who = init(&mut client, 60_000).await;
    client
        .produce("t", 0, crate::client::batch(&["plain"]))
        .await;
    produce(&mut client, PRODUCE_V2, who, 0, &["a", "b"]).await;
    client
        .produce("t", 0, crate::client::batch(&["behind"]))
        .await;
    assert_eq!(
        (latest(&mut client, 0).await, latest(&mut client, 1).await),
        (4, 1)
    );
    let held_back = read_committed(&mut client, 0).await;
    assert_eq!(held_back, (vec!["plain".to_owned()], vec![], 1));
    let nothing = read_committed(&mut client, 2).await;
    assert_eq!(nothing, (vec![], vec![], 1));

    // A reader that waits is woken by the marker.
    let waiting = fetch_request("t", 0, 1)
        .with_isolation_level(1)
        .with_max_wait_ms(3_600_000);
    let mut reader = Client::connect(&broker).await;
    reader.send(12, &waiting).await;
    let (_, next) = end(&mut client, END_V2, who, false).await;
    let woken = reader.receive::<milena_wire::rpc::messages::FetchRequest>(12, 0);
    let woken = tokio::time::timeout(PATIENCE, woken)
        .await
        .expect("a wake-up");
    assert_eq!(woken.responses[0].partitions[0].last_stable_offset, 5);

    let (data, aborted, stable) = read_committed(&mut client, 0).await;
    assert_eq!(data, ["plain", "a", "b", "behind"]);
    assert_eq!((aborted, stable), (vec![1], 5));
    // From behind its marker on, the aborted transaction is of no interest.
    assert_eq!(read_committed(&mut client, 5).await, (vec![], vec![], 5));
    // Who reads everything is sent no list.
    let all = client.call(12, &fetch_request("t", 0, 0)).await;
    assert_eq!(all.responses[0].partitions[0].aborted_transactions, None);

    produce(&mut client, PRODUCE_V2, next, 0, &["c"]).await;
    assert_eq!(end(&mut client, END_V2, next, true).await.0, 0);
    let (data, aborted, _) = read_committed(&mut client, 5).await;
    assert_eq!((data, aborted), (vec!["c".to_owned()], vec![]));
}

#[tokio::test]
async fn administrators_see_transactions_and_end_those_that_hang() {
    let broker = broker().await;
    let mut client = Client::connect(&broker).await;
    client.create_topic("t", 1).await;
    let who = init(&mut client, 60_000).await;
    produce(&mut client, PRODUCE_V2, who, 0, &["a"]).await;
    let listed = client.call(0, &ListTransactionsRequest::default()).await;
    let listed = &listed.transaction_states[0];
    assert_eq!(
        (listed.transactional_id.as_str(), listed.producer_id.0),
        (ID, who.id)
    );
    for (filter, count, unknown) in [("Ongoing", 1, 0), ("Empty", 0, 0), ("Wrong", 0, 1)] {
        let filters = vec![StrBytes::from_static_str(filter)];
        let request = ListTransactionsRequest::default().with_state_filters(filters);
        let response = client.call(0, &request).await;
        assert_eq!(response.transaction_states.len(), count, "{filter}");
        assert_eq!(response.unknown_state_filters.len(), unknown, "{filter}");
    }
    let described = DescribeTransactionsRequest::default()
        .with_transactional_ids(vec![id(), TransactionalId(StrBytes::from_static_str("no"))]);
    let described = client.call(0, &described).await.transaction_states;
    assert_eq!(described[0].transaction_state.as_str(), "Ongoing");
    assert_eq!(described[0].topics[0].partitions, [0]);
    let missing = ErrorCode::TransactionalIdNotFound.code();
    assert_eq!(described[1].error_code, missing);

    let topic = describe_producers_request::TopicRequest::default()
        .with_name(topic_name("t"))
        .with_partition_indexes(vec![0]);
    let producers = DescribeProducersRequest::default().with_topics(vec![topic]);
    let open = client.call(0, &producers).await.topics[0].partitions[0].clone();
    assert_eq!(open.active_producers[0].current_txn_start_offset, 0);
    let topic = WritableTxnMarkerTopic::default()
        .with_name(topic_name("t"))
        .with_partition_indexes(vec![0]);
    let marker = WritableTxnMarker::default()
        .with_producer_id(who.id.into())
        .with_producer_epoch(who.epoch)
        .with_topics(vec![topic]);
    let request = WriteTxnMarkersRequest::default().with_markers(vec![marker]);
    let response = client.call(1, &request).await;
    assert_eq!(response.markers[0].topics[0].partitions[0].error_code, 0);
    let ended = client.call(0, &producers).await.topics[0].partitions[0].clone();
    assert_eq!(ended.active_producers[0].current_txn_start_offset, -1);
    assert_eq!(latest(&mut client, 1).await, 2);
}

#[tokio::test]
async fn the_finalized_version_is_told_to_who_understands_it() {
    for (property, expected) in [("0", None), ("1", Some(1)), ("2", Some(2))] {
        let builder = Broker::builder().property("transaction.version", property);
        let broker = start(builder.expect("a known property")).await;
        let mut client = Client::connect(&broker).await;
        for version in 0..=4 {
            let response = client.call(version, &ApiVersionsRequest::default()).await;
            let mut features = response.finalized_features.iter();
            let found = features.find(|feature| feature.name.as_str() == "transaction.version");
            let level = found.map(|feature| feature.max_version_level);
            let is_known = version >= 3;
            assert_eq!(level, expected.filter(|_| is_known), "v{version}");
        }
    }
}

async fn open(directory: &std::path::Path) -> Broker {
    let storage = Storage::Directory(directory.to_owned());
    start(Broker::builder().storage(storage)).await
}

async fn commit_offset(client: &mut Client, who: Producer, offset: i64) -> i16 {
    let partition = TxnOffsetCommitRequestPartition::default().with_committed_offset(offset);
    let topic = TxnOffsetCommitRequestTopic::default()
        .with_name(topic_name("t"))
        .with_partitions(vec![partition]);
    let request = TxnOffsetCommitRequest::default()
        .with_transactional_id(id())
        .with_group_id(GroupId(StrBytes::from_static_str("g")))
        .with_producer_id(who.id.into())
        .with_producer_epoch(who.epoch)
        .with_generation_id(-1)
        .with_topics(vec![topic]);
    let response = client.call(5, &request).await;
    response.topics[0].partitions[0].error_code
}

#[tokio::test]
async fn an_open_transaction_survives_a_restart_and_is_ended_afterwards() {
    for is_kept in [true, false] {
        let directory = tempfile::tempdir().expect("a directory");
        let broker = open(directory.path()).await;
        let mut client = Client::connect(&broker).await;
        client.create_topic("t", 1).await;
        let who = init(&mut client, 60_000).await;
        produce(&mut client, PRODUCE_V2, who, 0, &["first"]).await;
        let (_, who) = end(&mut client, END_V2, who, false).await;
        produce(&mut client, PRODUCE_V2, who, 0, &["second"]).await;
        assert_eq!(commit_offset(&mut client, who, 1).await, 0);
        broker.stop().await;

        let broker = open(directory.path()).await;
        let mut client = Client::connect(&broker).await;
        assert_eq!(state(&mut client).await, "Ongoing");
        let (data, aborted, stable) = read_committed(&mut client, 0).await;
        assert_eq!(
            (data, aborted, stable),
            (vec!["first".to_owned()], vec![0], 2)
        );
        assert_eq!(committed(&mut client, 6).await, -1);
        let (code, _) = end(&mut client, END_V2, who, is_kept).await;
        assert_eq!(code, 0);
        let expected = if is_kept { 1 } else { -1 };
        assert_eq!(committed(&mut client, 6).await, expected);
        broker.stop().await;

        let broker = open(directory.path()).await;
        let mut client = Client::connect(&broker).await;
        assert_eq!(read_committed(&mut client, 0).await.1, [0]);
        // A read ends with its segment; these may lie in another one.
        let (data, aborted, stable) = read_committed(&mut client, 2).await;
        let listed = if is_kept { vec![] } else { vec![2] };
        assert_eq!(
            (data, aborted, stable),
            (vec!["second".to_owned()], listed, 4)
        );
        assert_eq!(committed(&mut client, 6).await, expected);
        let again = init(&mut client, 60_000).await;
        assert!(again.id == who.id && again.epoch > who.epoch);
        broker.stop().await;
    }
}

#[tokio::test]
async fn what_takes_too_long_is_aborted() {
    let broker = broker().await;
    let mut client = Client::connect(&broker).await;
    client.create_topic("t", 1).await;
    let who = init(&mut client, 50).await;
    produce(&mut client, PRODUCE_V2, who, 0, &["slow"]).await;
    // The marker wakes a reader that waits for it.
    let request = fetch_request("t", 0, 0)
        .with_isolation_level(1)
        .with_max_wait_ms(3_600_000);
    let response = client.call(12, &request).await;
    assert_eq!(response.responses[0].partitions[0].last_stable_offset, 2);
    assert_eq!(state(&mut client).await, "CompleteAbort");
    let late = produce(&mut client, PRODUCE_V2, who, 1, &["late"]).await;
    assert_eq!(late.0, ErrorCode::InvalidProducerEpoch.code());
    // It cannot be committed any more; its producer may go on after an abort.
    let (code, _) = end(&mut client, END_V2, who, true).await;
    assert_eq!(code, ErrorCode::InvalidTxnState.code());
    let (code, next) = end(&mut client, END_V2, who, false).await;
    assert_eq!((code, next.epoch), (0, who.epoch + 1));
}
