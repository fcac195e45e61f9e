use super::*;

fn settings(text: &str) -> Settings {
    let pairs = text
        .split_whitespace()
        .filter_map(|pair| pair.split_once('='));
    pairs
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

/// `changes`: `+name=value` appends, `-name=value` subtracts, `name=value` sets, `!name` deletes.
fn changed(subject: Subject, before: &str, changes: &str) -> Result<Settings, Refusal> {
    let changes: Vec<(String, Operation)> = changes
        .split_whitespace()
        .map(|change| {
            let (name, value) = change.split_once('=').unwrap_or((change, ""));
            let value = value.to_owned();
            match name.split_at(1) {
                ("+", name) => (name.to_owned(), Operation::Append(value)),
                ("-", name) => (name.to_owned(), Operation::Subtract(value)),
                ("!", name) => (name.to_owned(), Operation::Delete),
                _ => (name.to_owned(), Operation::Set(value)),
            }
        })
        .collect();
    let inherited = |name: &str| (name == "cleanup.policy").then(|| "delete".to_owned());
    apply(subject, &settings(before), &changes, &inherited)
}

#[test]
fn changes_are_applied_in_order() {
    for (before, changes, after) in [
        ("", "retention.ms=5", "retention.ms=5"),
        (
            "retention.ms=5 segment.ms=1",
            "!retention.ms",
            "segment.ms=1",
        ),
        ("", "!retention.ms", ""),
        (
            "",
            "+cleanup.policy=compact",
            "cleanup.policy=delete,compact",
        ),
        (
            "cleanup.policy=compact",
            "+cleanup.policy=compact",
            "cleanup.policy=compact",
        ),
        (
            "cleanup.policy=compact,delete",
            "-cleanup.policy=compact",
            "cleanup.policy=delete",
        ),
    ] {
        let outcome = changed(Subject::Topic, before, changes);
        assert_eq!(outcome, Ok(settings(after)), "{before} | {changes}");
    }
}

#[test]
fn what_cannot_be_changed_says_why() {
    use ErrorCode::{InvalidConfig, InvalidRequest};
    for (subject, changes, code, hint) in [
        (
            Subject::Topic,
            "retention.m=5",
            InvalidConfig,
            "did you mean retention.ms?",
        ),
        (
            Subject::Topic,
            "!zzz",
            InvalidConfig,
            "Unknown topic config name: zzz",
        ),
        (
            Subject::Topic,
            "retention.ms=soon",
            InvalidConfig,
            "Invalid value soon",
        ),
        (Subject::Topic, "+retention.ms=5", InvalidConfig, "not LIST"),
        (
            Subject::Topic,
            "-cleanup.policy=delete",
            InvalidConfig,
            "Invalid value",
        ),
        (
            Subject::Topic,
            "retention.ms=5 retention.ms=6",
            InvalidRequest,
            "twice",
        ),
        (
            Subject::Broker,
            "num.partitions=5",
            InvalidRequest,
            "while the broker runs",
        ),
        (
            Subject::Broker,
            "log.retention.ms=x",
            InvalidRequest,
            "Invalid value x",
        ),
        (
            Subject::Broker,
            "log.retention.m=5",
            InvalidConfig,
            "did you mean log.retention.ms?",
        ),
    ] {
        let refusal = changed(subject, "", changes).expect_err(changes);
        assert_eq!(refusal.code, code, "{changes}: {}", refusal.message);
        assert!(
            refusal.message.contains(hint),
            "{changes}: {}",
            refusal.message
        );
    }
    for (number, value) in [(0, None), (2, None), (9, Some("x"))] {
        let refusal =
            Operation::read(number, "retention.ms", value).expect_err("no such operation");
        assert_eq!(refusal.code, InvalidRequest);
    }
}
