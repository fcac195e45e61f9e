//! `milena topic` and `milena group`.

use serde_json::Value;

use crate::setup::Stage;

fn json(text: &str) -> Value {
    serde_json::from_str(text).expect("JSON")
}

#[test]
fn topics_come_and_go() {
    let stage = Stage::new();
    let created = stage.output(&["topic", "create", "orders", "--partitions", "3"]);
    assert_eq!(created, "created orders with 3 partitions\n");
    assert_eq!(
        stage.output(&["topic", "list"]),
        "TOPIC   PARTITIONS  REPLICAS\norders  3           1\n"
    );
    let again = stage.run(&["topic", "create", "orders"]);
    assert_eq!(again.code, Some(1));
    assert!(
        again.stderr.contains("TOPIC_ALREADY_EXISTS"),
        "{}",
        again.stderr
    );
    let again = stage.output(&["topic", "create", "orders", "--if-not-exists"]);
    assert_eq!(again, "orders exists\n");
    let described = json(&stage.output(&["topic", "describe", "orders", "-o", "json"]));
    assert_eq!(described[0]["partitions"].as_array().map(Vec::len), Some(3));
    assert_eq!(described[0]["partitions"][2]["end_offset"], 0);
    let planned = stage.run(&["topic", "delete", "orders"]);
    assert_eq!(planned.code, Some(2));
    assert_eq!(planned.stdout, "would delete orders with 3 partitions\n");
    assert_eq!(
        planned.stderr,
        "error: nothing was deleted; add --yes to delete for good\n"
    );
    assert_eq!(
        stage.output(&["topic", "delete", "orders", "--yes"]),
        "deleted orders\n"
    );
    assert_eq!(stage.output(&["topic", "list", "-o", "yaml"]), "[]\n");
    let gone = stage.run(&["topic", "describe", "orders"]);
    assert_eq!(gone.code, Some(1));
    assert!(
        gone.stderr.contains("UNKNOWN_TOPIC_OR_PARTITION"),
        "{}",
        gone.stderr
    );
}

#[test]
fn a_group_goes_on_where_it_was() {
    let stage = Stage::new();
    stage.produce(&["-t", "orders", "-p", "0"], b"1\n2\n");
    let consume = ["consume", "-t", "orders", "-g", "billing", "-e"];
    assert_eq!(stage.output(&consume), "1\n2\n");
    stage.produce(&["-t", "orders", "-p", "0"], b"3\n");
    let described = json(&stage.output(&["group", "describe", "billing", "-o", "json"]));
    assert_eq!(described["lag"], 1);
    assert_eq!(described["state"], "Empty");
    assert_eq!(stage.output(&consume), "3\n");
    let described = json(&stage.output(&["group", "describe", "billing", "-o", "json"]));
    assert_eq!(described["lag"], 0);
    assert_eq!(
        stage.output(&["group", "list"]),
        "GROUP    STATE\nbilling  Empty\n"
    );
    let unknown = stage.run(&["group", "describe", "nobody"]);
    assert_eq!(unknown.code, Some(1), "{unknown:?}");
}
