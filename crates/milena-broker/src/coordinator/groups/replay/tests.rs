use super::*;
use crate::coordinator::offsets::CommittedOffset;

fn offsets(group: &str, topic: &str, partition: i32, offset: i64) -> GroupRecord {
    let committed = CommittedOffset {
        offset,
        leader_epoch: -1,
        metadata: "".into(),
        committed_ms: offset,
    };
    GroupRecord::Offsets {
        group: group.into(),
        rows: vec![(topic.into(), partition, committed)],
    }
}

fn pending(group: &str, producer_id: i64, topic: &str, offset: i64) -> GroupRecord {
    let GroupRecord::Offsets { group, rows } = offsets(group, topic, 0, offset) else {
        unreachable!("invariant: made above");
    };
    GroupRecord::Pending {
        group,
        producer_id,
        rows,
    }
}

fn settled(group: &str, producer_id: i64, is_committed: bool) -> GroupRecord {
    GroupRecord::Settled {
        group: group.into(),
        producer_id,
        is_committed,
    }
}

/// What the records leave of the offsets, as (group, topic, partition, offset).
fn left(records: &[GroupRecord]) -> Vec<(String, String, i32, i64)> {
    let mut inner = Inner::default();
    for record in records {
        inner.replay(
            &settings(&BrokerConfig::default()),
            record.clone(),
            clock::now(),
        );
    }
    let mut rows = Vec::new();
    for (group, entry) in &inner.groups {
        for (topic, partition, offset) in entry.offsets.iter() {
            rows.push((
                group.to_string(),
                topic.to_string(),
                partition,
                offset.offset,
            ));
        }
    }
    rows.sort();
    rows
}

#[test]
fn later_records_win_and_condensing_changes_nothing() {
    let records = [
        offsets("g", "t", 0, 1),
        offsets("g", "t", 0, 2),
        offsets("g", "u", 0, 3),
        offsets("h", "t", 1, 4),
        offsets("h", "t", 2, 40),
        offsets("gone", "t", 0, 5),
        GroupRecord::TopicForgotten { topic: "u".into() },
        GroupRecord::Removed {
            group: "gone".into(),
        },
        GroupRecord::OffsetsExpired {
            group: "h".into(),
            oldest_ms: 40,
        },
    ];
    let expected = [
        ("g".to_owned(), "t".to_owned(), 0, 2),
        ("h".to_owned(), "t".to_owned(), 2, 40),
    ];
    assert_eq!(left(&records), expected);
    let condensed = condense(&BrokerConfig::default(), &records);
    assert!(condensed.len() < records.len());
    assert_eq!(left(&condensed), expected);
}

#[test]
fn offsets_of_a_transaction_count_once_it_is_committed() {
    let mut records = vec![
        offsets("g", "t", 0, 1),
        pending("g", 1, "t", 5),
        pending("g", 1, "t", 6),
        pending("g", 2, "u", 7),
        pending("g", 3, "v", 8),
        settled("g", 2, false),
        settled("g", 3, true),
    ];
    let row = |topic: &str, offset| ("g".to_owned(), topic.to_owned(), 0, offset);
    assert_eq!(left(&records), [row("t", 1), row("v", 8)]);
    // What is undecided survives condensing.
    records = condense(&BrokerConfig::default(), &records);
    assert_eq!(left(&records), [row("t", 1), row("v", 8)]);
    records.push(settled("g", 1, true));
    records.push(settled("g", 1, true));
    assert_eq!(left(&records), [row("t", 6), row("v", 8)]);
}
