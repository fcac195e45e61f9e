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
