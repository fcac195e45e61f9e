use milena_wire::batch::{BatchEncoder, BatchStamp, RecordData};

use super::*;

/// A batch at `base_offset` of `key=value` records; `key` alone is a tombstone, `=value` has no key.
pub(super) fn batch(base_offset: i64, records: &[&str], codec: Compression) -> RawBatch {
    let mut encoder = BatchEncoder::with_capacity(256);
    for (record, timestamp) in records.iter().zip(1_000..) {
        let (key, value) = match record.split_once('=') {
            Some((key, value)) => (key, Some(value)),
            None => (*record, None),
        };
        let record = RecordData {
            timestamp,
            key: Some(key.as_bytes()).filter(|key| !key.is_empty()),
            value: value.map(str::as_bytes),
            headers: &[],
        };
        encoder.append(&record).expect("a small record");
    }
    let bytes = encoder
        .finish(BatchStamp::default(), codec, None)
        .expect("a batch");
    let mut bytes = bytes.to_vec();
    milena_wire::batch::patch_base_offset(&mut bytes, base_offset).expect("a batch");
    RawBatch::parse(bytes.into()).expect("a batch")
}

fn offsets(batch: &RawBatch) -> Vec<i64> {
    batch.verify_crc().expect("an intact batch");
    let opened = batch.open(1 << 20).expect("it opens");
    let records = opened.records();
    records
        .map(|record| record.expect("a record").offset)
        .collect()
}

#[test]
fn the_last_record_of_each_key_stays_where_it_is() {
    for codec in [Compression::None, Compression::Zstd] {
        let old = batch(0, &["a=1", "b=1", "c=1", "=free"], codec);
        let new = batch(4, &["a=2", "b"], codec);
        let mut survey = Survey::default();
        for batch in [&old, &new] {
            assert!(survey.note(batch).expect("it can be read"));
        }
        for (tombstones_until, expected) in [(0, vec![4, 5]), (6, vec![4])] {
            let rules = Rules {
                survey: &survey,
                tombstones_until,
            };
            let Outcome::Changed(kept) = compact(old.clone(), rules, false).expect("good") else {
                panic!("two records go");
            };
            assert_eq!(offsets(&kept), [2, 3]);
            assert_eq!(kept.header.last_offset(), 3);
            assert_eq!(kept.header.max_timestamp, 1_003);
            match compact(new.clone(), rules, false).expect("good") {
                Outcome::Same(kept) | Outcome::Changed(kept) => {
                    assert_eq!(offsets(&kept), expected)
                }
                Outcome::Gone => panic!("a=2 stays"),
            }
        }
    }
}

#[test]
fn pitfall_23_an_emptied_batch_keeps_its_place_only_for_its_producer() {
    let old = batch(0, &["a=1"], Compression::Gzip);
    let mut survey = Survey::default();
    survey
        .note(&batch(1, &["a=2"], Compression::None))
        .expect("good");
    let rules = Rules {
        survey: &survey,
        tombstones_until: 0,
    };
    let gone = compact(old.clone(), rules, false).expect("good");
    assert!(matches!(gone, Outcome::Gone));
    let Outcome::Changed(empty) = compact(old, rules, true).expect("good") else {
        panic!("its header stays");
    };
    assert!(offsets(&empty).is_empty());
    assert_eq!(empty.header.next_offset(), 1);
    let again = compact(empty, rules, true).expect("good");
    assert!(matches!(again, Outcome::Same(_)));
}

#[test]
fn a_log_is_due_when_enough_is_new_or_something_is_too_old() {
    let part = |end_offset, bytes, newest_timestamp| PartSize {
        end_offset,
        bytes,
        newest_timestamp,
    };
    let parts = [
        part(10, 100, 1_000),
        part(20, 100, 2_000),
        part(30, 50, 3_000),
    ];
    let default = TopicConfig::default();
    let lagging = TopicConfig {
        compaction_lag_min_ms: 500,
        dirty_ratio_min: 0.0,
        ..default.clone()
    };
    let hurried = TopicConfig {
        compaction_lag_max_ms: 100,
        ..default.clone()
    };
    for (config, clean_until, expected) in [
        (&default, 0, Some(3)),
        (&default, 10, Some(3)),
        (&default, 20, None),
        (&default, 30, None),
        (&lagging, 10, Some(2)),
        (&lagging, 20, None),
        (&hurried, 20, Some(3)),
    ] {
        assert_eq!(
            due(&parts, clean_until, config, 3_200),
            expected,
            "{clean_until}"
        );
    }
}

#[test]
fn tombstones_are_spent_some_time_after_the_pass_that_saw_them() {
    let mut progress = Progress::default();
    progress.passed(10, 1_000);
    progress.passed(10, 1_500);
    progress.passed(20, 2_000);
    assert_eq!(progress.clean_until(), 20);
    for (now_ms, expected) in [(1_050, 0), (1_100, 10), (2_099, 10), (2_100, 20)] {
        assert_eq!(progress.tombstones_until(now_ms, 100), expected, "{now_ms}");
    }
    assert_eq!(Progress::decode(&progress.encode()), Some(progress));
}
