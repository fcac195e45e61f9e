//! Tests of `properties`.

use super::*;

fn check(version: &str, nodes: u16, expected: &[&str], absent: &[&str]) {
    let all: Vec<NodeAddress> = (1..=nodes)
        .map(|id| NodeAddress {
            id,
            broker_port: 9091 + id,
            controller_port: 19091 + id,
        })
        .collect();
    let extra = ["num.partitions=7".to_owned()];
    let text = server_properties(version, all[0], &all, Path::new("/data/1"), &extra);
    let lines: Vec<&str> = text.lines().collect();
    for line in expected {
        assert!(lines.contains(line), "{line} is missing in\n{text}");
    }
    for name in absent {
        assert!(!text.contains(name), "{name} is in\n{text}");
    }
    assert_eq!(lines.last(), Some(&"num.partitions=7"));
}

#[test]
fn one_node_of_kafka_4_needs_no_replicas() {
    check(
        "4.3.1",
        1,
        &[
            "node.id=1",
            "listeners=PLAINTEXT://127.0.0.1:9092,CONTROLLER://127.0.0.1:19092",
            "controller.quorum.voters=1@127.0.0.1:19092",
            "offsets.topic.replication.factor=1",
            "share.coordinator.state.topic.replication.factor=1",
            "log.dirs=/data/1",
        ],
        &["rebalance.protocols"],
    );
}

#[test]
fn three_nodes_of_kafka_3_replicate_and_speak_both_group_protocols() {
    check(
        "3.9.2",
        3,
        &[
            "controller.quorum.voters=1@127.0.0.1:19092,2@127.0.0.1:19093,3@127.0.0.1:19094",
            "offsets.topic.replication.factor=3",
            "min.insync.replicas=2",
            "broker.rack=rack-1",
            "group.coordinator.rebalance.protocols=classic,consumer",
        ],
        &["share.coordinator"],
    );
}
