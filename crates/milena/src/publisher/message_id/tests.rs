use super::*;

#[test]
fn ids_are_random_uuids_and_differ() {
    let (one, other) = (MessageIds::new(), MessageIds::new());
    let ids: std::collections::BTreeSet<Uuid> =
        (0..1000).flat_map(|_| [one.next(), other.next()]).collect();
    assert_eq!(ids.len(), 2000);
    assert!(ids.iter().all(|id| id.get_version_num() == 4));
}
