use super::*;

#[test]
fn a_journal_gives_back_what_was_appended_and_cuts_off_a_torn_end() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("groups");
    let (mut journal, payloads) = Journal::open(&path).expect("a journal");
    assert!(payloads.is_empty());
    journal.append(b"one").expect("an append");
    journal.append(b"two").expect("an append");
    drop(journal);
    let whole = fs::read(&path).expect("a file");
    for torn in [&b"\0"[..], &[0; 64], &frame(b"three").expect("small")[..12]] {
        let mut bytes = whole.clone();
        bytes.extend_from_slice(torn);
        fs::write(&path, bytes).expect("a write");
        let (mut journal, payloads) = Journal::open(&path).expect("a journal");
        assert_eq!(payloads, [b"one".to_vec(), b"two".to_vec()]);
        journal.append(b"four").expect("an append");
        drop(journal);
        let (_, payloads) = Journal::open(&path).expect("a journal");
        assert_eq!(payloads.last().map(Vec::as_slice), Some(&b"four"[..]));
    }
}

#[test]
fn a_replaced_journal_holds_only_the_replacement() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("groups");
    let (mut journal, _) = Journal::open(&path).expect("a journal");
    journal.append(b"old").expect("an append");
    journal.replace(&[b"new".to_vec()]).expect("a replacement");
    journal.append(b"newer").expect("an append");
    let (_, payloads) = Journal::open(&path).expect("a journal");
    assert_eq!(payloads, [b"new".to_vec(), b"newer".to_vec()]);
}
