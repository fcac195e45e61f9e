//! Tests of what a named leader makes unnecessary.

use tokio::time::Instant;

use super::*;
use crate::config::ClientConfig;
use crate::wire::StrBytes;
use crate::wire::messages::metadata_response::{
    MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
};
use crate::wire::messages::{BrokerId, MetadataResponse, TopicName};

const ASKED: NodeId = NodeId(1);

fn name(partition: i32) -> TopicPartition {
    TopicPartition::new("t", partition)
}

/// Two partitions of `t`, led by the node that is asked, since epoch 5.
fn metadata() -> Metadata {
    let partition = |index| {
        MetadataResponsePartition::default()
            .with_partition_index(index)
            .with_leader_id(BrokerId(ASKED.0))
            .with_leader_epoch(5)
    };
    let topic = MetadataResponseTopic::default()
        .with_name(Some(TopicName(StrBytes::from_static_str("t"))))
        .with_partitions(vec![partition(0), partition(1)]);
    let broker = |id| MetadataResponseBroker::default().with_node_id(BrokerId(id));
    let response = MetadataResponse::default()
        .with_brokers(vec![broker(1), broker(2)])
        .with_topics(vec![topic]);
    let metadata = Metadata::new(&ClientConfig::new("localhost:9092"));
    let mut state = metadata.lock();
    state.cache.merge(&["t".into()], response, Instant::now());
    metadata.publish(&state);
    drop(state);
    metadata
}

/// Whether a refresh was asked for after partitions turned out to be stale, with these leaders
/// named: partition, leader, epoch.
fn refreshes(metadata: &Metadata, named: &[(i32, i32, i32)], stale: &[i32]) -> bool {
    let mut leaders = NamedLeaders::default();
    for (partition, leader, epoch) in named {
        leaders.name(name(*partition), *leader, *epoch);
    }
    let stale: Vec<TopicPartition> = stale.iter().map(|index| name(*index)).collect();
    metadata.learn_leaders(ASKED, &leaders, &stale);
    let is_due = metadata.lock().schedule.due(Instant::now()).is_some();
    metadata.lock().schedule.started();
    is_due
}

#[test]
fn a_named_leader_explains_what_is_stale() {
    let metadata = metadata();
    let version = metadata.snapshot().version;
    assert!(!refreshes(&metadata, &[(0, 2, 6)], &[0]));
    let snapshot = metadata.snapshot();
    assert_eq!(snapshot.leader("t", 0), Some(NodeId(2)));
    assert_eq!(snapshot.leader_epoch(&name(0)), 6);
    assert_eq!(snapshot.version, version + 1);
    assert_eq!(*metadata.subscribe().borrow(), version + 1, "announced");
    // A second request was on its way to the former leader.
    assert!(!refreshes(&metadata, &[(0, 2, 6)], &[0]));
}

#[test]
fn what_is_stale_for_another_reason_is_looked_up() {
    for (named, stale) in [
        (&[][..], &[0][..]),
        (&[(0, 2, 6)], &[0, 1]),
        // It knows no better than we do.
        (&[(0, 1, 5)], &[0]),
        (&[(0, 2, 4)], &[0]),
        // Nobody knows where that is.
        (&[(0, 9, 6)], &[0]),
    ] {
        let metadata = metadata();
        assert!(refreshes(&metadata, named, stale), "{named:?} of {stale:?}");
        assert!(!refreshes(&metadata, named, &[]), "nothing is stale");
    }
}
