use super::*;
use crate::authorizer::acl::{WILDCARD, operation, pattern, resource};

fn entry(name: &str, pattern_type: i8, who: &str, operation: i8, permission: i8) -> Acl {
    Acl {
        resource_type: resource::TOPIC,
        resource_name: name.to_owned(),
        pattern_type,
        principal: format!("User:{who}"),
        host: WILDCARD.to_owned(),
        operation,
        permission,
    }
}

#[test]
fn deny_beats_allow_and_what_is_allowed_may_be_seen() {
    use operation::{ALL, ALTER, DESCRIBE, READ, WRITE};
    use pattern::{LITERAL, PREFIXED};
    use permission::{ALLOW, DENY};
    let entries = [
        entry("orders", LITERAL, "ann", READ, ALLOW),
        entry("ord", PREFIXED, "bob", ALL, ALLOW),
        entry("orders", LITERAL, "bob", WRITE, DENY),
        entry("open", LITERAL, "*", WRITE, ALLOW),
    ];
    for (who, operation, name, if_none, expected) in [
        ("ann", READ, "orders", false, true),
        ("ann", DESCRIBE, "orders", false, true),
        ("ann", WRITE, "orders", false, false),
        ("ann", WRITE, "orders", true, false),
        ("bob", READ, "orders", false, true),
        ("bob", WRITE, "orders", false, false),
        ("bob", WRITE, "ordinary", false, true),
        ("cid", WRITE, "open", false, true),
        ("cid", ALTER, "open", false, false),
        ("cid", READ, "unspoken", false, false),
        ("cid", READ, "unspoken", true, true),
    ] {
        let wish = Wish {
            principal: &format!("User:{who}"),
            host: "127.0.0.1",
            operation,
            resource_type: resource::TOPIC,
            resource_name: name,
        };
        assert_eq!(
            decide(entries.iter(), wish, if_none),
            expected,
            "{who} {operation} {name}"
        );
    }
}

#[test]
fn an_address_narrows_an_entry() {
    let mut only_here = entry(
        "orders",
        pattern::LITERAL,
        "ann",
        operation::READ,
        permission::ALLOW,
    );
    only_here.host = "10.0.0.1".to_owned();
    for (host, expected) in [("10.0.0.1", true), ("10.0.0.2", false)] {
        let wish = Wish {
            principal: "User:ann",
            host,
            operation: operation::READ,
            resource_type: resource::TOPIC,
            resource_name: "orders",
        };
        assert_eq!(
            decide([&only_here].into_iter(), wish, false),
            expected,
            "{host}"
        );
    }
}
