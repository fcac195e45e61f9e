//! `milena demo`: everything is handled or dead-lettered, and it says so.

use crate::setup::{Stage, milena, ran};

/// The value beside a name in the final table.
fn value<'a>(table: &'a str, name: &str) -> Option<&'a str> {
    let line = table.lines().find(|line| line.contains(name))?;
    line.split(['│', '┆'])
        .map(str::trim)
        .filter(|cell| !cell.is_empty())
        .nth(1)
}

fn check(table: &str, expected: &[(&str, &str)]) {
    for (name, expected) in expected {
        assert_eq!(value(table, name), Some(*expected), "{name}\n{table}");
    }
}

#[test]
fn the_flights_on_the_embedded_broker() {
    let table = ran(milena().arg("demo"), b"").success();
    check(
        &table,
        &[
            ("published", "5000"),
            ("handled", "4899"),
            ("retried", "153"),
            ("dead-lettered", "101"),
            ("lost", "0"),
            ("lag", "0"),
            ("order per key", "held"),
        ],
    );
}

#[test]
fn own_lines_on_a_cluster_that_stays() {
    let stage = Stage::new();
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("events.jsonl");
    let lines: String = (0..250)
        .map(|number| match number % 3 {
            0 => format!("{{\"user\":\"u{}\",\"n\":{number}}}\n", number % 7),
            1 => format!("[{number}]\n"),
            _ => format!("{number}\n"),
        })
        .chain(["this is no JSON\n".to_owned()])
        .collect();
    std::fs::write(&path, lines).expect("written");
    let path = path.to_str().expect("a name");
    let table = stage.output(&[
        "demo",
        "-b",
        &stage.bootstrap,
        "--input",
        path,
        "--key",
        "user",
    ]);
    // Of 251 lines: 3 cut off, 3 with something behind them, 1 that always fails, 1 no JSON.
    check(
        &table,
        &[
            ("published", "251"),
            ("handled", "243"),
            ("dead-lettered", "8"),
            ("lag", "0"),
        ],
    );
    assert_eq!(
        stage.output(&["topic", "list"]),
        "TOPIC  PARTITIONS  REPLICAS\n"
    );
}
