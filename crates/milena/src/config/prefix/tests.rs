use super::*;

#[test]
fn names_are_the_same_there_and_back() {
    for (prefix, cluster, own) in [
        ("", "orders", Some("orders")),
        ("staging.", "staging.orders", Some("orders")),
        ("staging.", "staging.staging.orders", Some("staging.orders")),
        ("staging.", "orders", None),
        ("staging.", "staging.", None),
    ] {
        let prefix = TopicPrefix::new(prefix);
        assert_eq!(prefix.take_off(cluster), own);
        assert_eq!(prefix.shown(cluster), own.unwrap_or(cluster));
        if let Some(own) = own {
            assert_eq!(prefix.put_on(own), cluster);
        }
    }
}
