use super::*;
use crate::message::Message;

fn letter(offset: i64, headers: &[(&str, &str)]) -> DeadLetter {
    let headers = headers
        .iter()
        .map(|(name, value)| (*name, value.as_bytes().to_vec()));
    let message = Message::new("orders.dlq").with_headers(headers.collect());
    DeadLetter::read(&message.with_offset(offset))
}

fn summary(letters: &[DeadLetter]) -> Summary {
    let mut counting = Counting::default();
    for letter in letters {
        counting.add(letter, letter.offset == 0);
    }
    counting.finish("orders.dlq")
}

#[test]
fn the_latest_of_a_group_is_its_example() {
    let at = |offset, day| {
        let failed = format!("2023-11-{day}T00:00:00Z");
        letter(
            offset,
            &[
                ("milena-failure-code", "json"),
                ("milena-failed-last", &failed),
            ],
        )
    };
    let summary = summary(&[at(0, 14), at(1, 16), at(2, 15), letter(3, &[])]);
    assert_eq!((summary.letters, summary.open), (4, 3));
    assert_eq!(summary.groups.len(), 2);
    let group = &summary.groups[0];
    assert_eq!((group.letters, group.open, group.example.offset), (3, 2, 1));
    assert_eq!(group.last - group.first, 2 * 24 * 3600 * 1000);
}

/// A stack trace in the message, as large as the record may be.
#[test]
fn examples_are_small() {
    let message = "x".repeat(1 << 20);
    let headers = [("reason_poisoned", message.as_str())];
    let example = &summary(&[letter(0, &headers)]).groups[0].example;
    let kept = example.failure.message.as_deref().map(str::len);
    assert_eq!(kept, Some(MESSAGE_BYTES_MAX));
}
