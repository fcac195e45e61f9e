use super::*;
use crate::wire::StrBytes;
use crate::wire::messages::metadata_response::MetadataResponseBroker;
use crate::wire::messages::{BrokerId, TopicName};
use uuid::Uuid;

/// `(leader, epoch)` by partition index.
type Leaders<'a> = &'a [(i32, i32)];

fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

fn topic(name: &str, leaders: Leaders<'_>) -> MetadataResponseTopic {
    let partitions = leaders.iter().enumerate().map(|(index, (leader, epoch))| {
        MetadataResponsePartition::default()
            .with_partition_index(index as i32)
            .with_leader_id(BrokerId(*leader))
            .with_leader_epoch(*epoch)
    });
    MetadataResponseTopic::default()
        .with_name(Some(TopicName(text(name))))
        .with_topic_id(Uuid::from_u128(1))
        .with_partitions(partitions.collect())
}

fn denied(name: &str, code: ErrorCode) -> MetadataResponseTopic {
    topic(name, &[]).with_error_code(code.code())
}

fn response(topics: Vec<MetadataResponseTopic>) -> MetadataResponse {
    let broker = |id, port| {
        MetadataResponseBroker::default()
            .with_node_id(BrokerId(id))
            .with_host(text("localhost"))
            .with_port(port)
    };
    MetadataResponse::default()
        .with_cluster_id(Some(text("cluster")))
        .with_controller_id(BrokerId(1))
        .with_brokers(vec![broker(1, 9092), broker(2, 9093)])
        .with_topics(topics)
}

struct Fixture {
    cache: Cache,
    now: Instant,
}

impl Fixture {
    fn new() -> Self {
        Self {
            cache: Cache::default(),
            now: Instant::now(),
        }
    }

    fn merge(&mut self, topics: Vec<MetadataResponseTopic>) -> Merged {
        self.cache
            .merge(&["orders".into()], response(topics), self.now)
    }

    fn leaders(&self) -> Vec<(i32, i32)> {
        let topic = self
            .cache
            .snapshot()
            .topic("orders")
            .expect("orders is known");
        let id = |leader: Option<NodeId>| leader.map_or(-1, |node| node.0);
        topic
            .partitions
            .iter()
            .map(|p| (id(p.leader), p.leader_epoch))
            .collect()
    }
}

#[test]
fn the_first_answer_is_the_picture() {
    let mut fixture = Fixture::new();
    let merged = fixture.merge(vec![topic("orders", &[(1, 0), (2, 3)])]);
    assert!(merged.is_changed);
    let snapshot = fixture.cache.snapshot();
    assert_eq!(snapshot.version, 1);
    assert_eq!(snapshot.cluster_id.as_deref(), Some("cluster"));
    assert_eq!(snapshot.controller, Some(NodeId(1)));
    assert_eq!(snapshot.brokers[&NodeId(2)].to_string(), "localhost:9093");
    assert_eq!(snapshot.leader("orders", 1), Some(NodeId(2)));
    assert_eq!(snapshot.leader("orders", 2), None);
}

#[test]
fn an_answer_without_news_changes_nothing() {
    let mut fixture = Fixture::new();
    fixture.merge(vec![topic("orders", &[(1, 0)])]);
    let before = Arc::clone(&fixture.cache.snapshot().topics["orders"]);
    let merged = fixture.merge(vec![topic("orders", &[(1, 0)])]);
    assert!(!merged.is_changed);
    assert_eq!(fixture.cache.snapshot().version, 1);
    assert!(Arc::ptr_eq(
        &before,
        &fixture.cache.snapshot().topics["orders"]
    ));
}

#[test]
fn pitfall_03_a_topic_missing_from_one_answer_stays_as_it_was() {
    for answer in [
        vec![],
        vec![denied("orders", ErrorCode::UnknownTopicOrPartition)],
        vec![denied("orders", ErrorCode::LeaderNotAvailable)],
    ] {
        let mut fixture = Fixture::new();
        fixture.merge(vec![topic("orders", &[(1, 5), (2, 7)])]);
        let before = Arc::clone(&fixture.cache.snapshot().topics["orders"]);
        fixture.merge(answer);
        assert!(Arc::ptr_eq(
            &before,
            &fixture.cache.snapshot().topics["orders"]
        ));
        assert!(fixture.cache.snapshot().absent.contains_key("orders"));
        assert!(fixture.cache.snapshot().present_topic("orders").is_none());
        fixture.merge(vec![topic("orders", &[(1, 5), (2, 7)])]);
        assert!(Arc::ptr_eq(
            &before,
            &fixture.cache.snapshot().topics["orders"]
        ));
        assert!(fixture.cache.snapshot().present_topic("orders").is_some());
    }
}

#[test]
fn a_topic_denied_for_long_is_gone() {
    let mut fixture = Fixture::new();
    fixture.merge(vec![topic("orders", &[(1, 5)])]);
    fixture.merge(vec![]);
    fixture.now += TOPIC_GONE_AFTER / 2;
    assert_eq!(fixture.merge(vec![]).gone, []);
    fixture.now += TOPIC_GONE_AFTER / 2;
    assert_eq!(fixture.merge(vec![]).gone, ["orders".into()]);
    assert!(fixture.cache.snapshot().topic("orders").is_none());
}

#[test]
fn topics_that_were_not_asked_for_are_left_alone() {
    let mut fixture = Fixture::new();
    fixture.merge(vec![topic("orders", &[(1, 5)])]);
    fixture.cache.merge(
        &["other".into()],
        response(vec![topic("other", &[(2, 0)])]),
        fixture.now,
    );
    assert_eq!(fixture.leaders(), [(1, 5)]);
    assert!(fixture.cache.snapshot().absent.is_empty());
}

#[test]
fn pitfall_11_only_a_strictly_older_epoch_is_stale() {
    fn check(known: (i32, i32), update: (i32, i32), expected: (i32, i32)) {
        let mut fixture = Fixture::new();
        fixture.merge(vec![topic("orders", &[known])]);
        fixture.merge(vec![topic("orders", &[update])]);
        assert_eq!(fixture.leaders(), [expected], "{known:?} then {update:?}");
    }
    check((1, 5), (2, 6), (2, 6));
    check((1, 5), (2, 4), (1, 5));
    check((1, 5), (2, 5), (2, 5));
    check((1, 5), (2, -1), (2, -1));
    check((1, -1), (2, 0), (2, 0));
    check((1, -1), (2, -1), (2, -1));
    check((1, 5), (-1, 5), (-1, 5));
}

#[test]
fn a_topic_created_again_starts_over() {
    let mut fixture = Fixture::new();
    fixture.merge(vec![topic("orders", &[(1, 5), (1, 5), (1, 5)])]);
    fixture.merge(vec![
        topic("orders", &[(2, 0)]).with_topic_id(Uuid::from_u128(2)),
    ]);
    assert_eq!(fixture.leaders(), [(2, 0)]);
}

#[test]
fn partitions_do_not_vanish_or_leave_gaps() {
    let mut fixture = Fixture::new();
    fixture.merge(vec![topic("orders", &[(1, 5), (2, 6)])]);
    fixture.merge(vec![topic("orders", &[(1, 5)])]);
    assert_eq!(fixture.leaders(), [(1, 5), (2, 6)]);
    let mut grown = topic("orders", &[(1, 5), (2, 6), (1, 0), (2, 0)]);
    grown.partitions.remove(2);
    grown.partitions.reverse();
    fixture.merge(vec![grown]);
    assert_eq!(fixture.leaders(), [(1, 5), (2, 6), (-1, -1), (2, 0)]);
}

#[test]
fn impossible_partitions_are_not_believed() {
    let mut fixture = Fixture::new();
    let mut crafted = topic("orders", &[(1, 0), (1, 0), (1, 0)]);
    crafted.partitions[1].partition_index = -7;
    crafted.partitions[2].partition_index = i32::MAX;
    fixture.merge(vec![crafted]);
    assert_eq!(fixture.leaders(), [(1, 0)]);
}

#[test]
fn an_answer_without_brokers_does_not_make_the_cluster_empty() {
    let mut fixture = Fixture::new();
    fixture.merge(vec![]);
    fixture
        .cache
        .merge(&[], MetadataResponse::default(), fixture.now);
    assert_eq!(fixture.cache.snapshot().brokers.len(), 2);
}

#[test]
fn a_coordinator_is_a_broker_worth_knowing() {
    let mut fixture = Fixture::new();
    fixture.merge(vec![]);
    let address = BrokerAddress {
        host: "localhost".to_owned(),
        port: 9094,
    };
    assert!(fixture.cache.learn_broker(NodeId(3), address.clone()));
    assert!(!fixture.cache.learn_broker(NodeId(3), address));
    assert_eq!(fixture.cache.snapshot().version, 2);
}

/// What an answer says of partitions: index, leader, epoch; node 3 can be reached.
fn named(leaders: &[(i32, i32, i32)]) -> NamedLeaders {
    let mut named = NamedLeaders::default();
    for (partition, leader, epoch) in leaders {
        named.name(TopicPartition::new("orders", *partition), *leader, *epoch);
    }
    named.reach(3, "elsewhere", 9094);
    named
}

#[test]
fn a_leader_named_elsewhere_counts_if_it_is_newer_and_within_reach() {
    let mut fixture = Fixture::new();
    fixture.merge(vec![topic("orders", &[(1, 5), (1, 5), (1, 5), (1, 5)])]);
    let version = fixture.cache.snapshot().version;
    let named = named(&[
        (0, 3, 6),
        // Not newer: a broker that was asked late, or that has not heard yet.
        (1, 2, 5),
        (1, 2, 4),
        // Nobody says where node 9 is.
        (2, 9, 6),
        // The same node took over again.
        (3, 1, 6),
        // No such partition, no leader.
        (7, 3, 6),
        (0, -1, 9),
    ]);
    let learned = fixture.cache.learn_leaders(&named);
    let learned: Vec<i32> = learned.iter().map(|one| one.partition).collect();
    assert_eq!(learned, [0, 3]);
    assert_eq!(fixture.leaders(), [(3, 6), (1, 5), (1, 5), (1, 6)]);
    let snapshot = fixture.cache.snapshot();
    assert_eq!(snapshot.version, version + 1);
    assert_eq!(snapshot.brokers[&NodeId(3)].host, "elsewhere");
    assert_eq!(fixture.cache.learn_leaders(&named), [], "known by now");
    // An older answer to a metadata request does not take it back.
    fixture.merge(vec![topic("orders", &[(1, 5), (1, 5), (1, 5), (1, 5)])]);
    assert_eq!(fixture.leaders()[0], (3, 6));
}
