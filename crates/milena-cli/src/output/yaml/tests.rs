use serde_json::json;

use super::*;

#[test]
fn nested_values_are_blocks() {
    let value = json!([
        {"name": "orders: \"x\"", "partitions": [{"index": 0, "replicas": [1, 2]}], "config": {}},
        {"name": "-", "error": null, "nested": [[1], []]},
    ]);
    let expected = r#"- "config": {}
  "name": "orders: \"x\""
  "partitions":
    - "index": 0
      "replicas":
        - 1
        - 2
- "error": null
  "name": "-"
  "nested":
    -
      - 1
    - []
"#;
    assert_eq!(document(&value), expected);
    assert_eq!(document(&json!("plain")), "\"plain\"\n");
}
