//! What a data directory keeps when the broker stops and starts again.

use milena_broker::{Broker, BrokerError, ErrorCode, Storage};
use milena_wire::rpc::messages::{InitProducerIdRequest, MetadataRequest};

use crate::client::{Client, batch, sequenced_batch, start, values};
use crate::groups::{commit, committed};

async fn open(directory: &std::path::Path) -> Broker {
    let builder = Broker::builder()
        .storage(Storage::Directory(directory.to_owned()))
        .property("log.segment.bytes", "1024")
        .and_then(|builder| builder.property("num.partitions", "2"))
        .expect("known properties");
    start(builder).await
}

#[tokio::test]
async fn topics_records_producers_and_offsets_survive_a_restart() {
    let directory = tempfile::tempdir().expect("a directory");
    let broker = open(directory.path()).await;
    let mut client = Client::connect(&broker).await;
    client.create_topic("t", 2).await;
    let all = MetadataRequest::default().with_topics(None);
    let before = client.call(12, &all).await;
    let init = InitProducerIdRequest::default().with_transactional_id(None);
    let id = client.call(4, &init).await.producer_id.0;
    for sequence in 0..20 {
        let sent = sequenced_batch(&["some value that fills segments"], id, 0, sequence);
        assert_eq!(client.produce("t", 1, sent).await, (0, i64::from(sequence)));
    }
    assert_eq!(commit(&mut client, 9, None, 17).await, 0);

    // Twice: once from what a stop leaves behind, once from what a stop after that does.
    let mut broker = broker;
    for round in 0..2 {
        broker.stop().await;
        broker = open(directory.path()).await;
        let mut client = Client::connect(&broker).await;
        let after = client.call(12, &all).await;
        assert_eq!(after.cluster_id, before.cluster_id);
        assert_eq!(after.topics[0].topic_id, before.topics[0].topic_id);
        assert_eq!(after.topics[0].partitions.len(), 2);
        assert_eq!(committed(&mut client, 9).await, 17);
        let again = sequenced_batch(&["some value that fills segments"], id, 0, 19 + round);
        assert_eq!(
            client.produce("t", 1, again).await,
            (0, 19 + i64::from(round))
        );
        let next = sequenced_batch(&["next"], id, 0, 20 + round);
        assert_eq!(
            client.produce("t", 1, next).await,
            (0, 20 + i64::from(round))
        );
        let gap = sequenced_batch(&["gap"], id, 0, 90);
        let code = client.produce("t", 1, gap).await.0;
        assert_eq!(code, ErrorCode::OutOfOrderSequenceNumber.code());
        assert!(client.call(4, &init).await.producer_id.0 > id);
        for offset in 0..20 {
            let (code, records) = client.fetch("t", 1, offset).await;
            assert_eq!((code, values(records)[0].0), (0, offset));
        }
    }
}

#[tokio::test]
async fn acknowledgements_can_be_made_to_wait_for_the_disk() {
    let directory = tempfile::tempdir().expect("a directory");
    let builder = Broker::builder()
        .storage(Storage::Directory(directory.path().to_owned()))
        .property("log.flush.interval.messages", "1")
        .expect("a known property");
    let broker = start(builder).await;
    let mut client = Client::connect(&broker).await;
    client.create_topic("t", 1).await;
    for offset in 0..5 {
        assert_eq!(client.produce("t", 0, batch(&["a"])).await, (0, offset));
    }
    let (_, records) = client.fetch("t", 0, 0).await;
    assert_eq!(values(records).len(), 5);
}

#[tokio::test]
async fn a_second_broker_is_kept_out_of_the_directory() {
    let directory = tempfile::tempdir().expect("a directory");
    let first = open(directory.path()).await;
    let builder = Broker::builder().storage(Storage::Directory(directory.path().to_owned()));
    let error = builder.clone().start().await.err().expect("a refusal");
    assert!(
        matches!(error, BrokerError::DirectoryLocked { .. }),
        "{error}"
    );
    first.stop().await;
    builder.start().await.expect("it is free now").stop().await;
}
