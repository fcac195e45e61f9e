use super::*;

fn acl(name: &str, pattern_type: i8) -> Acl {
    Acl {
        resource_type: resource::TOPIC,
        resource_name: name.to_owned(),
        pattern_type,
        principal: "User:ann".to_owned(),
        host: WILDCARD.to_owned(),
        operation: operation::READ,
        permission: permission::ALLOW,
    }
}

#[test]
fn names_are_matched_literally_by_prefix_or_by_wildcard() {
    use pattern::{LITERAL, MATCH, PREFIXED};
    let entries = [
        acl("orders", LITERAL),
        acl("ord", PREFIXED),
        acl(WILDCARD, LITERAL),
        acl("bills", LITERAL),
    ];
    for (name, pattern_type, expected) in [
        (Some("orders"), MATCH, vec![0, 1, 2]),
        (Some("orders"), LITERAL, vec![0]),
        (Some("orders"), ANY, vec![0]),
        (Some("ord"), PREFIXED, vec![1]),
        (Some(WILDCARD), LITERAL, vec![2]),
        (None, LITERAL, vec![0, 2, 3]),
        (None, ANY, vec![0, 1, 2, 3]),
    ] {
        let filter = AclFilter {
            resource_type: ANY,
            resource_name: name.map(str::to_owned),
            pattern_type,
            principal: None,
            host: None,
            operation: ANY,
            permission: ANY,
        };
        filter.check().expect("a good filter");
        let matching = (0..entries.len()).filter(|index| filter.matches(&entries[*index]));
        assert_eq!(
            matching.collect::<Vec<_>>(),
            expected,
            "{name:?} {pattern_type}"
        );
    }
}

#[test]
fn impossible_entries_are_refused() {
    let good = acl("orders", pattern::LITERAL);
    good.check().expect("a good entry");
    let changed = |change: fn(&mut Acl)| {
        let mut acl = good.clone();
        change(&mut acl);
        acl.check()
    };
    for refused in [
        changed(|acl| acl.resource_type = ANY),
        changed(|acl| acl.pattern_type = pattern::MATCH),
        changed(|acl| acl.operation = ANY),
        changed(|acl| acl.permission = ANY),
        changed(|acl| acl.resource_name.clear()),
        changed(|acl| acl.resource_type = resource::CLUSTER),
        changed(|acl| acl.principal = "ann".to_owned()),
    ] {
        let refusal = refused.expect_err("it is impossible");
        assert_eq!(refusal.code, ErrorCode::InvalidRequest);
    }
}
