//! `milena topic config`, `broker config`, `records`, `log-dir`, `reassign` and `topic add-partitions`.

use serde_json::Value;

use crate::setup::Stage;

fn json(text: &str) -> Value {
    serde_json::from_str(text).expect("JSON")
}

#[test]
fn settings_are_changed_and_shown() {
    let stage = Stage::new();
    stage.output(&["topic", "create", "orders", "--config", "retention.ms=1000"]);
    let describe = ["topic", "config", "describe", "orders", "-o", "json"];
    let described = json(&stage.output(&describe));
    let own = described[0]["configs"].as_array().expect("a list");
    assert_eq!(own.len(), 1, "{own:?}");
    assert_eq!(own[0]["name"], "retention.ms");
    assert_eq!(own[0]["source"], "topic");
    let alter = ["topic", "config", "alter", "orders"];
    let change = [
        "--unset",
        "retention.ms",
        "--set",
        "segment.bytes=2000000",
        "--append",
        "cleanup.policy=compact",
    ];
    let all = [&alter[..], &change[..], &["--dry-run"]].concat();
    assert_eq!(stage.output(&all), "can change topic orders\n");
    assert_eq!(json(&stage.output(&describe)), described);
    let all = [&alter[..], &change[..]].concat();
    assert_eq!(stage.output(&all), "changed topic orders\n");
    let table = stage.output(&["topic", "config", "describe", "orders"]);
    assert!(table.contains("delete,compact"), "{table}");
    assert!(table.contains("segment.bytes"), "{table}");
    assert!(!table.contains("retention.ms"), "{table}");

    let wrong = stage.run(&[&alter[..], &["--set", "retention.m=1"]].concat());
    assert_eq!(wrong.code, Some(1));
    assert!(
        wrong.stderr.contains("did you mean retention.ms?"),
        "{}",
        wrong.stderr
    );
    assert_eq!(stage.run(&alter).code, Some(2));
    for nobody in ["topic", "broker"] {
        assert_eq!(stage.run(&[nobody, "config", "describe"]).code, Some(2));
    }
    let broker = stage.output(&["broker", "config", "describe", "1"]);
    assert!(broker.contains("num.partitions"), "{broker}");
    let alter = ["broker", "config", "alter", "--defaults"];
    let set = [&alter[..], &["--set", "log.retention.ms=5000"]].concat();
    assert_eq!(stage.output(&set), "changed all brokers\n");
    let defaults = stage.output(&["broker", "config", "describe", "--defaults"]);
    assert!(defaults.contains("log.retention.ms"), "{defaults}");
    let both = stage.run(&[
        "broker",
        "--listen",
        "127.0.0.1:0",
        "config",
        "describe",
        "1",
    ]);
    assert_eq!(both.code, Some(2), "{both:?}");
}

#[test]
fn records_go_only_when_told_so() {
    let stage = Stage::new();
    stage.produce(&["-t", "orders", "-p", "0"], b"1\n2\n3\n");
    let delete = ["records", "delete", "orders:0", "--before", "2"];
    let planned = stage.run(&delete);
    assert_eq!(planned.code, Some(2));
    assert_eq!(
        planned.stdout,
        "would delete up to 2 records of orders-0, before offset 2\n"
    );
    let done = stage.output(&[&delete[..], &["--yes"]].concat());
    assert_eq!(done, "orders-0 starts at offset 2\n");
    let beyond = stage.run(&["records", "delete", "orders:0", "--before", "9", "--yes"]);
    assert_eq!(beyond.code, Some(1));
    assert!(
        beyond.stderr.contains("OFFSET_OUT_OF_RANGE"),
        "{}",
        beyond.stderr
    );
    assert_eq!(stage.run(&["records", "delete", "orders"]).code, Some(2));
    let directories = json(&stage.output(&["log-dir", "describe", "-o", "json"]));
    assert_eq!(directories[0]["replicas"].as_array().map(Vec::len), Some(2));
}

#[test]
fn partitions_are_added_and_stay_where_they_are() {
    let stage = Stage::new();
    stage.output(&["topic", "create", "orders"]);
    let grown = stage.output(&["topic", "add-partitions", "orders", "--total", "5"]);
    assert_eq!(grown, "orders has 5 partitions\n");
    let planned = stage.run(&["reassign", "start", "orders:0", "--to", "1"]);
    assert_eq!(planned.code, Some(2));
    assert_eq!(planned.stdout, "would move orders-0 from [1] to [1]\n");
    let started = stage.output(&["reassign", "start", "orders:0", "--to", "1", "--yes"]);
    assert_eq!(started, "moving orders-0\n");
    assert_eq!(stage.output(&["reassign", "list", "-o", "yaml"]), "[]\n");
    let cancelled = stage.run(&["reassign", "cancel", "orders:0"]);
    assert!(
        cancelled.stderr.contains("NO_REASSIGNMENT_IN_PROGRESS"),
        "{}",
        cancelled.stderr
    );
    let elected = stage.output(&["reassign", "elect", "orders:0"]);
    assert_eq!(elected, "orders-0 is led by its preferred leader\n");
}

#[test]
fn quotas_and_access_control_are_shown_as_they_are_set() {
    let stage = Stage::new();
    let alter = ["quota", "alter", "--user", "ann"];
    let set = [&alter[..], &["--set", "producer_byte_rate=5000"]].concat();
    assert_eq!(stage.output(&set), "changed the quotas\n");
    assert_eq!(
        stage.output(&["quota", "list"]),
        "ENTITY    QUOTA               VALUE\nUser ann  producer_byte_rate  5000\n"
    );
    let unset = [&alter[..], &["--unset", "producer_byte_rate"]].concat();
    stage.output(&unset);
    assert_eq!(stage.output(&["quota", "list", "-o", "yaml"]), "[]\n");
    assert_eq!(stage.run(&["quota", "alter", "--set", "x=1"]).code, Some(2));

    // This broker has no authorizer.
    let create = ["acl", "create", "-t", "orders", "--principal", "User:ann"];
    let create = [&create[..], &["--operation", "read,write"]].concat();
    let refused = stage.run(&create);
    assert_eq!(refused.code, Some(1));
    assert!(
        refused.stderr.contains("SECURITY_DISABLED"),
        "{}",
        refused.stderr
    );
    assert_eq!(stage.run(&["acl", "delete", "--yes"]).code, Some(2));
}

#[test]
fn passwords_are_read_from_standard_input_and_never_shown() {
    let stage = Stage::new();
    let set = ["user", "set-password", "ann"];
    let done = stage.run_with_input(&set, b"secret\n").success();
    assert_eq!(done, "set the password of ann\n");
    assert_eq!(
        stage.output(&["user", "list"]),
        "USER  MECHANISM      ITERATIONS\nann   SCRAM-SHA-512  4096\n"
    );
    assert_eq!(stage.run(&set).code, Some(2));
    let planned = stage.run(&["user", "delete", "ann"]);
    assert_eq!(planned.code, Some(2));
    assert_eq!(
        planned.stdout,
        "would delete the SCRAM-SHA-512 password of ann\n"
    );
    let deleted = stage.output(&["user", "delete", "ann", "--yes"]);
    assert_eq!(deleted, "deleted the password of ann\n");
    let again = stage.run(&["user", "delete", "ann", "--yes"]);
    assert_eq!(again.code, Some(1));
    assert!(
        again.stderr.contains("RESOURCE_NOT_FOUND"),
        "{}",
        again.stderr
    );
}
