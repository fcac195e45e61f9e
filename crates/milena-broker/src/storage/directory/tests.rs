use super::*;
use crate::config::topic::TopicConfig;

fn open(path: &Path) -> Result<Opened, BrokerError> {
    DataDirectory::open(path.to_owned(), &BrokerConfig::default())
}

#[test]
fn one_directory_serves_one_broker_at_a_time() {
    let directory = tempfile::tempdir().expect("a directory");
    let first = open(directory.path()).expect("an empty directory");
    let second = open(directory.path()).err().expect("a refusal");
    assert!(
        matches!(second, BrokerError::DirectoryLocked { .. }),
        "{second}"
    );
    let cluster_id = first.cluster_id.clone();
    let Storage::Directory(data) = &first.storage else {
        panic!("it is a directory");
    };
    // As a process has it that is being started.
    let _theirs = data._lock.0.try_clone().expect("a copy");
    drop(first);
    let again = open(directory.path()).expect("our own directory");
    assert_eq!(again.cluster_id, cluster_id);
}

#[test]
fn foreign_and_damaged_directories_are_refused_in_words() {
    let directory = tempfile::tempdir().expect("a directory");
    fs::write(directory.path().join("thesis.txt"), "years of work").expect("a write");
    let error = open(directory.path()).err().expect("a refusal").to_string();
    assert!(
        error.contains("thesis.txt") && error.contains("choose an empty one"),
        "{error}"
    );
    let left = fs::read_dir(directory.path()).expect("a listing").count();
    assert_eq!(left, 1, "nothing of ours was left there");

    for file in ["meta", "topics", "producer-ids"] {
        let directory = tempfile::tempdir().expect("a directory");
        let opened = open(directory.path()).expect("an empty directory");
        opened.storage.save_topics(&[]).expect("a write");
        opened.storage.next_producer_id().expect("an id");
        drop(opened);
        fs::write(directory.path().join(file), "nonsense").expect("a write");
        let error = open(directory.path()).err().expect("a refusal");
        assert!(
            matches!(error, BrokerError::DirectoryCorrupt { .. }),
            "{file}: {error}"
        );
    }
}

#[test]
fn producer_ids_are_never_given_out_twice() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut given = Vec::new();
    for _ in 0..3 {
        let opened = open(directory.path()).expect("a directory of ours");
        for _ in 0..3 {
            given.push(opened.storage.next_producer_id().expect("an id"));
        }
    }
    let mut unique = given.clone();
    unique.dedup();
    assert_eq!(unique.len(), 9);
    assert!(given.is_sorted());
}

#[test]
fn what_an_interrupted_deletion_left_behind_is_removed() {
    let directory = tempfile::tempdir().expect("a directory");
    let opened = open(directory.path()).expect("an empty directory");
    let kept = TopicRecord {
        name: "kept".into(),
        id: Uuid::from_u128(1),
        partitions: 1,
    };
    opened
        .storage
        .open_log(kept.id, 0, settings())
        .expect("a log");
    opened
        .storage
        .open_log(Uuid::from_u128(2), 0, settings())
        .expect("a log");
    opened
        .storage
        .save_topics(std::slice::from_ref(&kept))
        .expect("a write");
    drop(opened);
    let opened = open(directory.path()).expect("a directory of ours");
    assert_eq!(opened.topics, [kept]);
    assert_eq!(
        fs::read_dir(directory.path().join("logs"))
            .expect("a listing")
            .count(),
        1
    );
}

fn settings() -> SegmentSettings {
    SegmentSettings::of(&TopicConfig::default())
}
