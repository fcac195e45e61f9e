use std::collections::VecDeque;
use std::fs;
use std::path::Path;

use bytes::Bytes;
use proptest::prelude::*;
use tempfile::TempDir;

use super::frame::{FILE_HEADER, FRAME_BYTES};
use super::{Batch, Lane, Spool, SpoolError, SpoolSync, Store, Stored, decode, encode};
use crate::publisher::outgoing::Metadata;
use crate::publisher::{MessageId, Outgoing};

fn directory() -> TempDir {
    tempfile::tempdir().expect("a directory")
}

fn open(directory: &TempDir) -> Store {
    Store::open(Spool::at(directory).sync(SpoolSync::Never)).expect("a spool")
}

/// A message of a batch.
struct Body {
    lane: Lane,
    bytes: Vec<u8>,
}

fn failed(number: u64, text: &str) -> Body {
    Body {
        lane: Lane::Failed { number },
        bytes: text.as_bytes().to_vec(),
    }
}

fn accepted(text: &str) -> Body {
    Body {
        lane: Lane::Accepted,
        bytes: text.as_bytes().to_vec(),
    }
}

fn try_append(store: &mut Store, bodies: &[Body]) -> Vec<Result<(), SpoolError>> {
    let mut batch = Batch::default();
    for body in bodies {
        batch.push(body.lane, |bytes| bytes.extend_from_slice(&body.bytes));
    }
    store.append(&mut batch)
}

fn append(store: &mut Store, bodies: &[Body]) {
    for outcome in try_append(store, bodies) {
        outcome.expect("written");
    }
}

fn encoded(message: &Outgoing, id: &MessageId, attempts: u32, spooled_at: i64) -> Bytes {
    let mut bytes = Vec::new();
    encode(&mut bytes, message, id, attempts, spooled_at);
    bytes.into()
}

fn texts(stored: &[Stored]) -> Vec<String> {
    let text = |stored: &Stored| String::from_utf8_lossy(&stored.bytes).into_owned();
    stored.iter().map(text).collect()
}

/// All that is left, in the order of replay.
fn drain(store: &mut Store) -> Vec<String> {
    let mut all = Vec::new();
    loop {
        let read = store.read(3, 1 << 20).expect("read");
        if read.is_empty() {
            return all;
        }
        all.extend(texts(&read));
        store.advance(read.len()).expect("advanced");
    }
}

fn message() -> impl Strategy<Value = Outgoing> {
    let bytes =
        || prop::option::of(prop::collection::vec(any::<u8>(), 0..40).prop_map(Bytes::from));
    let headers = prop::collection::vec((".{0,8}", bytes()), 0..4);
    let metadata = prop::collection::vec((".{0,8}", ".{0,8}"), 0..3);
    let place = (prop::option::of(0..100_i32), any::<i64>());
    (".{1,20}", place, bytes(), bytes(), headers, metadata).prop_map(
        |(topic, (partition, timestamp), key, value, headers, metadata)| Outgoing {
            topic: topic.into(),
            partition,
            timestamp: Some(timestamp),
            key,
            value,
            headers: headers.into(),
            metadata: (!metadata.is_empty()).then(|| Box::new(Metadata(metadata))),
        },
    )
}

proptest! {
    #[test]
    fn a_message_comes_back_as_it_was(message in message(), attempts: u32, at: i64) {
        let id = MessageId::made(uuid::Uuid::new_v4().into());
        let entry = decode(encoded(&message, &id, attempts, at)).expect("an entry");
        prop_assert_eq!(&entry.message, &message);
        prop_assert_eq!((entry.id, entry.attempts, entry.spooled_at), (id, attempts, at));
    }

    #[test]
    fn bytes_that_are_no_message_are_refused(mut bytes in prop::collection::vec(any::<u8>(), 0..80)) {
        decode(bytes.clone().into());
        if let Some(version) = bytes.first_mut() {
            *version = 1;
        }
        decode(bytes.into());
    }

    /// Against a queue in memory: whatever is written, read, noted and opened again, the order
    /// is that of the numbers, then that of writing, and nothing is missing.
    #[test]
    fn the_files_are_a_queue(actions in prop::collection::vec((0..6_u8, 1..5_usize), 1..60)) {
        let directory = directory();
        let mut store = open(&directory);
        let (mut first, mut then) = (Vec::<(u64, String)>::new(), VecDeque::<String>::new());
        let (mut count, mut is_frozen) = (0_u64, false);
        for (action, amount) in actions {
            match action {
                0 => {
                    // Failures come in any order; of those of one run, the replay sorts them.
                    let base = store.first_number() + 1000 * count;
                    let numbers: Vec<u64> = (0..amount as u64).map(|one| base + 100 - one).collect();
                    let text = |number: &u64| format!("f{number}");
                    let bodies: Vec<Body> =
                        numbers.iter().map(|number| failed(*number, &text(number))).collect();
                    append(&mut store, &bodies);
                    if is_frozen {
                        then.extend(numbers.iter().map(text));
                    } else {
                        first.extend(numbers.iter().map(|number| (*number, text(number))));
                    }
                    count += 1;
                }
                1 | 2 => {
                    let texts: Vec<String> =
                        (0..amount).map(|one| format!("a{}", count + one as u64)).collect();
                    let bodies: Vec<Body> = texts.iter().map(|text| accepted(text)).collect();
                    append(&mut store, &bodies);
                    then.extend(texts);
                    count += amount as u64;
                }
                3 | 4 => {
                    first.sort();
                    let read = store.read(amount, 1 << 20).unwrap();
                    is_frozen |= !first.is_empty();
                    let expected: Vec<String> = if first.is_empty() {
                        then.iter().take(amount).cloned().collect()
                    } else {
                        first.iter().take(amount).map(|(_, text)| text.clone()).collect()
                    };
                    prop_assert_eq!(texts(&read), &expected[..]);
                    let done = if action == 3 { read.len() } else { read.len() / 2 };
                    store.advance(done).unwrap();
                    if first.is_empty() {
                        then.drain(..done);
                    } else {
                        first.drain(..done);
                    }
                    is_frozen &= !(first.is_empty() && then.is_empty() && done > 0);
                }
                _ => {
                    drop(store);
                    store = open(&directory);
                    prop_assert_eq!(store.damaged_bytes(), 0);
                    is_frozen = !first.is_empty();
                }
            }
            prop_assert_eq!(store.len(), (first.len() + then.len()) as u64);
        }
        first.sort();
        let expected: Vec<String> =
            first.into_iter().map(|(_, text)| text).chain(then).collect();
        prop_assert_eq!(drain(&mut store), expected);
    }
}

#[test]
fn a_message_without_a_time_gets_that_of_its_spooling() {
    let id = MessageId::given(b"7");
    let message = Outgoing::to("orders").id("7");
    let entry = decode(encoded(&message, &id, 2, 1234)).expect("an entry");
    assert_eq!(entry.message.timestamp, Some(1234));
    assert_eq!(entry.id, id);
}

#[test]
fn what_had_been_taken_comes_before_what_came_later() {
    let directory = directory();
    let mut store = open(&directory);
    append(
        &mut store,
        &[accepted("new 1"), failed(7, "old 7"), accepted("new 2")],
    );
    append(&mut store, &[failed(3, "old 3"), failed(5, "old 5")]);
    let read = store.read(2, 1 << 20).unwrap();
    assert_eq!(texts(&read), ["old 3", "old 5"]);
    // Too late for its place.
    append(&mut store, &[failed(4, "old 4")]);
    store.advance(1).unwrap();
    drop(store);
    let mut store = open(&directory);
    assert!(store.first_number() > 7);
    let expected = ["old 5", "old 7", "new 1", "new 2", "old 4"];
    assert_eq!(drain(&mut store), expected);
    assert_eq!(store.len(), 0);
    drop(store);
    assert_eq!(drain(&mut open(&directory)), Vec::<String>::new());
}

fn file(directory: &TempDir, prefix: &str) -> std::path::PathBuf {
    let files = fs::read_dir(directory).expect("a directory");
    let mut paths: Vec<_> = files.map(|file| file.expect("a file").path()).collect();
    paths.sort();
    let is_it = |path: &&std::path::PathBuf| {
        let name = path.file_name().and_then(|name| name.to_str());
        name.is_some_and(|name| name.starts_with(prefix) && name.ends_with(".spool"))
    };
    paths.iter().find(is_it).expect("the file").clone()
}

fn cut(path: &Path, bytes: u64) {
    let file = fs::OpenOptions::new().write(true).open(path).expect("open");
    file.set_len(bytes).expect("cut");
}

/// A batch is one write: wherever that was interrupted, the messages that are whole are there.
#[test]
fn a_torn_batch_costs_what_is_not_whole() {
    let texts = ["one", "two", "three"];
    let bytes = texts.map(|text| FRAME_BYTES + text.len());
    for (lane, prefix) in [
        (Lane::Accepted, "accepted"),
        (Lane::Failed { number: 1 }, "failed"),
    ] {
        for torn in 0..bytes.iter().sum() {
            let body = |text: &&str| Body {
                lane,
                bytes: text.as_bytes().to_vec(),
            };
            let directory = directory();
            let mut store = open(&directory);
            append(&mut store, &texts.each_ref().map(body));
            drop(store);
            let path = file(&directory, prefix);
            cut(&path, (FILE_HEADER.len() + torn) as u64);
            let mut store = open(&directory);
            let (mut whole, mut end) = (Vec::new(), 0);
            for (text, bytes) in texts.iter().zip(bytes) {
                if end + bytes <= torn {
                    end += bytes;
                    whole.push(*text);
                }
            }
            assert_eq!(store.damaged_bytes(), (torn - end) as u64);
            append(&mut store, &[accepted("four")]);
            whole.push("four");
            assert_eq!(drain(&mut store), whole, "{prefix} torn at {torn}");
            let copied = fs::read(path.with_extension("damaged"));
            let copied = copied.map_or(0, |copy| copy.len());
            assert_eq!(copied, torn - end, "{prefix} torn at {torn}");
        }
    }
}

/// A batch goes on in a second file, which cannot be made: what the first one took is there,
/// and everybody else hears that they are not.
#[test]
fn of_a_batch_that_is_written_in_part_each_message_hears_its_own() {
    let directory = directory();
    let spool = || Spool::at(&directory).bytes_max(0).sync(SpoolSync::Always);
    let mut store = Store::open(spool()).unwrap();
    let text = |number: usize| format!("{number:010000}");
    let bodies: Vec<Body> = (0..20).map(|number| accepted(&text(number))).collect();
    // Six of 10 KB fit into a file of 64 KiB.
    let second = directory.path().join(format!("accepted-{:020}.spool", 6));
    fs::create_dir(&second).unwrap();
    let outcomes = try_append(&mut store, &bodies);
    for (number, outcome) in outcomes.iter().enumerate() {
        match outcome {
            Ok(()) => assert!(number < 6, "{number}"),
            Err(error) => assert!(
                number >= 6 && matches!(error, SpoolError::Io { .. }),
                "{number}: {error}"
            ),
        }
    }
    assert_eq!((outcomes.len(), store.len()), (20, 6));
    fs::remove_dir(&second).unwrap();
    append(&mut store, &bodies[6..]);
    drop(store);
    let mut store = Store::open(spool()).unwrap();
    assert_eq!(store.damaged_bytes(), 0);
    let expected: Vec<String> = (0..20).map(text).collect();
    assert_eq!(drain(&mut store), expected);
}

/// A file that may not grow stands for a full disk: the same test again, in a process with that
/// limit.
#[cfg(unix)]
#[test]
fn a_full_disk_keeps_what_it_took_and_no_part_of_a_message() {
    const VARIABLE: &str = "MILENA_TEST_SPOOL_FULL";
    const NAME: &str =
        "publisher::spool::tests::a_full_disk_keeps_what_it_took_and_no_part_of_a_message";
    let bodies = ["one", "two", "three"].map(|text| accepted(&text.repeat(20_000)));
    if let Some(directory) = std::env::var_os(VARIABLE) {
        let mut store = Store::open(Spool::at(directory)).unwrap();
        let outcomes = try_append(&mut store, &bodies);
        assert!(outcomes[0].is_ok(), "{outcomes:?}");
        for outcome in &outcomes[1..] {
            assert!(matches!(outcome, Err(SpoolError::Io { .. })), "{outcome:?}");
        }
        // What is small enough is taken although others were not.
        append(&mut store, &[accepted("small")]);
        assert_eq!(store.len(), 2);
        return;
    }
    let directory = directory();
    // Blocks of 512 bytes: 100,000, after 60,000 of the first message.
    let limited = "trap '' XFSZ; ulimit -f 195; exec \"$0\" --exact \"$1\"";
    let mut command = std::process::Command::new("/bin/sh");
    command.args(["-c", limited]);
    let status = command
        .arg(std::env::current_exe().unwrap())
        .arg(NAME)
        .env(VARIABLE, directory.path())
        .stdout(std::process::Stdio::null())
        .status()
        .expect("a shell");
    assert!(status.success(), "{status}");
    let mut store = open(&directory);
    assert_eq!((store.len(), store.damaged_bytes()), (2, 0));
    assert_eq!(
        drain(&mut store),
        ["one".repeat(20_000), "small".to_owned()]
    );
}

/// Of three entries one is damaged, somewhere but in its length: the others are there.
#[test]
fn a_damaged_entry_costs_itself() {
    for prefix in ["accepted", "failed"] {
        let frame = FRAME_BYTES + "one".len();
        for damaged in 0..3 {
            for at in 4..frame {
                let directory = directory();
                let mut store = open(&directory);
                let body = |number: u64, text: &str| match prefix {
                    "failed" => failed(number, text),
                    _ => accepted(text),
                };
                let bodies = [body(1, "one"), body(2, "two"), body(3, "six")];
                append(&mut store, &bodies);
                drop(store);
                let path = file(&directory, prefix);
                let mut bytes = fs::read(&path).unwrap();
                bytes[FILE_HEADER.len() + damaged * frame + at] ^= 0x40;
                fs::write(&path, bytes).unwrap();
                let mut store = open(&directory);
                assert_eq!(store.damaged_bytes(), frame as u64);
                let mut expected = vec!["one", "two", "six"];
                expected.remove(damaged);
                assert_eq!(drain(&mut store), expected, "{prefix} {damaged} {at}");
            }
        }
    }
}

/// Damage that comes while the spool is open.
#[test]
fn damage_is_noticed_when_it_is_read() {
    let directory = directory();
    let mut store = open(&directory);
    append(
        &mut store,
        &[accepted("one"), accepted("two"), accepted("six")],
    );
    let path = file(&directory, "accepted");
    let mut bytes = fs::read(&path).unwrap();
    bytes[FILE_HEADER.len() + FRAME_BYTES] ^= 1;
    fs::write(&path, bytes).unwrap();
    assert_eq!(drain(&mut store), ["two", "six"]);
    assert_eq!(store.len(), 0);
}

#[test]
fn a_file_of_something_else_is_left_alone() {
    let directory = directory();
    let path = directory.path().join("failed.spool");
    fs::write(&path, "a poem of mine, longer than a header").unwrap();
    let refused = Store::open(Spool::at(&directory)).unwrap_err();
    assert!(matches!(refused, SpoolError::Format { .. }), "{refused}");
    assert!(fs::read_to_string(&path).unwrap().starts_with("a poem"));
}

#[test]
fn a_lost_position_repeats_and_loses_nothing() {
    let directory = directory();
    let mut store = open(&directory);
    append(&mut store, &[accepted("one"), accepted("two")]);
    store.read(1, 1 << 20).unwrap();
    store.advance(1).unwrap();
    drop(store);
    fs::write(directory.path().join("position"), [0xff; 56]).unwrap();
    assert_eq!(drain(&mut open(&directory)), ["one", "two"]);
}

#[test]
fn two_publishers_cannot_share_a_directory() {
    let directory = directory();
    let store = open(&directory);
    let refused = Store::open(Spool::at(&directory)).unwrap_err();
    assert!(matches!(refused, SpoolError::InUse { .. }), "{refused}");
    drop(store);
    open(&directory);
}

/// The limit holds for all files, new messages meet it first, and replaying gives space back
/// file by file.
#[test]
fn a_full_spool_refuses_and_gives_back() {
    let directory = directory();
    let spool = Spool::at(&directory).bytes_max(0).sync(SpoolSync::Always);
    let mut store = Store::open(spool).unwrap();
    let text = "x".repeat(10_000);
    let mut count = 0;
    let refused = loop {
        match try_append(&mut store, &[accepted(&text)]).remove(0) {
            Ok(()) => count += 1,
            Err(error) => break error,
        }
    };
    assert!(matches!(refused, SpoolError::Full { .. }), "{refused}");
    assert!(refused.to_string().contains("1048576 bytes"), "{refused}");
    let before = store.bytes();
    assert!(
        before <= (1 << 20) * 7 / 8 && count > 80,
        "{count} {before}"
    );
    append(&mut store, &[failed(1, &text)]);
    let mut read = store.read(1, 1).unwrap();
    for _ in 0..=count / 2 {
        store.advance(read.len()).unwrap();
        read = store.read(1, 1).unwrap();
    }
    assert!(store.bytes() < before, "{}", store.bytes());
    append(&mut store, &[accepted(&text)]);
    assert_eq!(drain(&mut store).len(), count - count / 2 + 1);
    assert_eq!(store.bytes(), FILE_HEADER.len() as u64);
}

/// Whoever was told that a message is not in the spool keeps it: it must not come from there too.
#[test]
fn what_could_not_be_synced_is_not_replayed() {
    let parent = directory();
    let (place, aside) = (parent.path().join("spool"), parent.path().join("aside"));
    let open = || Store::open(Spool::at(&place).sync(SpoolSync::Always)).expect("a spool");
    for lane in [Lane::Accepted, Lane::Failed { number: 7 }] {
        let body = |text: &str| Body {
            lane,
            bytes: text.as_bytes().to_vec(),
        };
        let mut store = open();
        append(&mut store, &[body("one")]);
        // The names of its files cannot be synced while the directory is elsewhere.
        fs::rename(&place, &aside).unwrap();
        for outcome in try_append(&mut store, &[body("lost"), body("too")]) {
            assert!(matches!(outcome, Err(SpoolError::Io { .. })), "{outcome:?}");
        }
        assert!(store.sync().is_err(), "what is not synced stays so");
        fs::rename(&aside, &place).unwrap();
        assert_eq!(store.len(), 1, "{lane:?}");
        drop(store);
        let mut store = open();
        append(&mut store, &[body("two")]);
        assert_eq!(drain(&mut store), ["one", "two"], "{lane:?}");
    }
}
