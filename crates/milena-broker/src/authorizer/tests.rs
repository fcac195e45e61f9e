use super::*;
use acl::{operation, pattern, permission};

#[test]
fn what_is_written_is_read() {
    let entry = |name: &str, permission| Acl {
        resource_type: resource::GROUP,
        resource_name: name.to_owned(),
        pattern_type: pattern::PREFIXED,
        principal: "User:ann".to_owned(),
        host: "*".to_owned(),
        operation: operation::READ,
        permission,
    };
    let entries: BTreeSet<Acl> =
        [entry("a", permission::ALLOW), entry("b", permission::DENY)].into();
    let bytes = encode(&entries);
    assert_eq!(decode(&bytes), Some(entries));
    assert_eq!(decode(&bytes[..bytes.len() - 1]), None);
}
