use milena_wire::batch::{BatchStamp, RawBatch};

use super::*;
use crate::coordinator::group::Credentials;
use crate::coordinator::offsets::CommittedOffset;
use crate::log::testing::sequenced;
use crate::{Broker, Storage as Kind};

#[test]
fn the_earliest_deadline_of_an_id_counts() {
    let now = clock::now();
    let at = |seconds| now + Duration::from_secs(seconds);
    let (one, two): (Arc<str>, Arc<str>) = ("one".into(), "two".into());
    let mut schedule = Schedule::default();
    assert!(schedule.add(&one, at(10)));
    assert!(!schedule.add(&one, at(20)));
    assert!(!schedule.add(&two, at(15)));
    assert!(schedule.add(&two, at(5)));
    assert_eq!(schedule.take_due(at(4)), Err(at(5)));
    assert_eq!(schedule.take_due(at(30)), Ok(two));
    assert_eq!(schedule.take_due(at(30)), Ok(one.clone()));
    assert!(schedule.take_due(at(30)).is_err());
    schedule.add(&one, at(10));
    schedule.forget(&one);
    assert!(schedule.take_due(at(30)).is_err());
}

async fn open(directory: &std::path::Path) -> Broker {
    let builder = Broker::builder().storage(Kind::Directory(directory.to_owned()));
    builder.start().await.expect("the broker starts")
}

/// A record and an offset in a transaction, of which the end is decided and nobody told: the
/// broker dies there.
fn decide(node: &Node, end: TransactionEnd) {
    let request = InitRequest {
        timeout_ms: 60_000,
        current: None,
    };
    let who = node
        .transactions
        .init(node, "id", request)
        .expect("an identity");
    let topic = node
        .topics
        .create("t", 1, BTreeMap::new())
        .expect("a topic");
    let partition = topic.partition(0).expect("a partition");
    let stamp = BatchStamp {
        producer_id: who.id,
        producer_epoch: who.epoch,
        base_sequence: 0,
        is_transactional: true,
    };
    let batch = RawBatch::parse(sequenced(0, 1, &["value"], stamp).bytes).expect("a batch");
    let stamp = Stamp {
        timestamp_type: TimestampType::CreateTime,
        now_ms: 1,
    };
    let name = (Arc::from("t"), 0);
    let what = Addition::Partition(&name);
    let write = || partition.log.append(&batch, stamp);
    let written = node
        .transactions
        .write_within("id", who, what, Registration::Implicit, write);
    assert!(written.expect("part of the transaction").is_ok());
    let group: Arc<str> = Arc::from("g");
    let offset = CommittedOffset {
        offset: 5,
        leader_epoch: -1,
        metadata: "".into(),
        committed_ms: i64::MAX,
    };
    let nobody = Credentials {
        member_id: "",
        instance_id: None,
        generation: -1,
    };
    let rows = vec![(name.0.clone(), 0, offset)];
    let store = || node.groups.commit_pending(&group, nobody, who.id, rows);
    node.transactions
        .commit_offsets("id", who, &group, Registration::Implicit, store)
        .expect("part of the transaction");

    let mut decided = node
        .transactions
        .inspect("id", Transaction::clone)
        .expect("it is known");
    let protocol = Protocol::V2;
    decided
        .end(EndRequest { who, end, protocol }, || Ok(0), 1)
        .expect("it is ongoing");
    let record = TransactionRecord {
        id: Arc::from("id"),
        transaction: Some(decided),
    };
    node.storage.save_transaction(&record).expect("a disk");
}

#[tokio::test]
async fn what_was_decided_before_a_crash_is_made_known_after_it() {
    for end in [TransactionEnd::Commit, TransactionEnd::Abort] {
        let directory = tempfile::tempdir().expect("a directory");
        let broker = open(directory.path()).await;
        decide(broker.node(), end);
        broker.stop().await;
        // Twice: what is made known once stays as it is.
        for _ in 0..2 {
            let broker = open(directory.path()).await;
            let node = broker.node();
            let state = node.transactions.inspect("id", |known| known.state);
            assert_eq!(state, Some(State::Complete(end)));
            let topic = node.topics.by_name("t").expect("a topic");
            let offsets = topic.partition(0).expect("a partition").log.offsets();
            assert_eq!((offsets.last_stable, offsets.end), (2, 2));
            let committed = node.groups.inspect("g", |_, offsets| {
                offsets.committed("t", 0).map(|committed| committed.offset)
            });
            let expected = (end == TransactionEnd::Commit).then_some(5);
            assert_eq!(committed, Some(expected));
            broker.stop().await;
        }
    }
}
