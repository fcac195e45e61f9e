//! `milena topic` and `milena group`, on whatever broker.

use serde_json::Value;

use crate::setup::Stage;

fn json(text: &str) -> Value {
    serde_json::from_str(text).expect("JSON")
}

#[test]
fn topics_come_and_go() {
    let stage = Stage::anywhere();
    let orders = stage.name("orders");
    let created = stage.output(&["topic", "create", &orders, "--partitions", "3"]);
    assert_eq!(created, format!("created {orders} with 3 partitions\n"));
    let list = stage.until(&["topic", "list"], |list| list.stdout.contains(&orders));
    let list = list.success();
    assert!(list.starts_with("TOPIC "), "{list}");
    assert_eq!(stage.own_lines(&list), [format!("{orders} 3 1")]);
    let again = stage.run(&["topic", "create", &orders]);
    assert_eq!(again.code, Some(1));
    assert!(
        again.stderr.contains("TOPIC_ALREADY_EXISTS"),
        "{}",
        again.stderr
    );
    let again = stage.output(&["topic", "create", &orders, "--if-not-exists"]);
    assert_eq!(again, format!("{orders} exists\n"));
    let described = json(&stage.output(&["topic", "describe", &orders, "-o", "json"]));
    assert_eq!(described[0]["partitions"].as_array().map(Vec::len), Some(3));
    assert_eq!(described[0]["partitions"][2]["end_offset"], 0);
    let planned = stage.run(&["topic", "delete", &orders]);
    assert_eq!(planned.code, Some(2));
    let plan = format!("would delete {orders} with 3 partitions\n");
    assert_eq!(planned.stdout, plan);
    assert_eq!(
        planned.stderr,
        "error: nothing was deleted; add --yes to delete for good\n"
    );
    assert_eq!(
        stage.output(&["topic", "delete", &orders, "--yes"]),
        format!("deleted {orders}\n")
    );
    let list = ["topic", "list", "-o", "yaml"];
    let list = stage.until(&list, |list| !list.stdout.contains(&orders));
    list.success();
    let gone = stage.run(&["topic", "describe", &orders]);
    assert_eq!(gone.code, Some(1));
    assert!(
        gone.stderr.contains("UNKNOWN_TOPIC_OR_PARTITION"),
        "{}",
        gone.stderr
    );
}

#[test]
fn a_group_goes_on_where_it_was() {
    let stage = Stage::anywhere();
    let (orders, billing) = (stage.name("orders"), stage.name("billing"));
    stage.produce(&["-t", &orders, "-p", "0"], b"1\n2\n");
    let consume = ["consume", "-t", &orders, "-g", &billing, "-e"];
    assert_eq!(stage.output(&consume), "1\n2\n");
    stage.produce(&["-t", &orders, "-p", "0"], b"3\n");
    let described = json(&stage.output(&["group", "describe", &billing, "-o", "json"]));
    assert_eq!(described["lag"], 1);
    assert_eq!(described["state"], "Empty");
    assert_eq!(stage.output(&consume), "3\n");
    let described = json(&stage.output(&["group", "describe", &billing, "-o", "json"]));
    assert_eq!(described["lag"], 0);
    let list = stage.output(&["group", "list"]);
    assert!(list.starts_with("GROUP "), "{list}");
    assert_eq!(stage.own_lines(&list), [format!("{billing} Empty")]);
    let unknown = stage.run(&["group", "describe", &stage.name("nobody")]);
    assert_eq!(unknown.code, Some(1), "{unknown:?}");
}
