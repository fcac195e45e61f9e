use super::*;

fn entry(offset: i64, position: u64, newest_before: i64) -> IndexEntry {
    IndexEntry {
        offset,
        position,
        newest_before,
    }
}

#[test]
fn an_index_survives_its_file_and_leads_to_the_entry_in_front() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("0.index");
    let mut index = SparseIndex::default();
    for one in [entry(10, 100, 5), entry(20, 200, 50), entry(30, 300, 50)] {
        index.push(one);
        append(&path, &index.take_unsaved()).expect("a write");
    }
    let loaded = SparseIndex::load(&path, u64::MAX).expect("a read");
    for (offset, position) in [(9, 0), (10, 100), (19, 100), (99, 300)] {
        assert_eq!(loaded.position_of(offset), position);
    }
    for (timestamp, position) in [(5, 0), (6, 100), (50, 100), (51, 300)] {
        assert_eq!(loaded.position_of_time(timestamp), position);
    }
}

#[test]
fn what_makes_no_sense_is_dropped_from_the_file() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("0.index");
    let mut index = SparseIndex::default();
    index.push(entry(10, 100, 5));
    index.push(entry(20, 200, 5));
    let mut bytes = index.take_unsaved();
    bytes.extend_from_slice(&[0; 30]);
    append(&path, &bytes).expect("a write");
    for (until, last) in [
        (u64::MAX, Some(entry(20, 200, 5))),
        (200, Some(entry(10, 100, 5))),
    ] {
        assert_eq!(
            SparseIndex::load(&path, until).expect("a read").last(),
            last
        );
    }
    assert_eq!(std::fs::metadata(&path).expect("a file").len(), 24);
}
