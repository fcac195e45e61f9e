use proptest::prelude::*;
use uuid::Variant;

use super::*;

#[test]
fn ids_are_random_uuids_and_differ() {
    let thousand = || (0..1000).map(|_| next().into()).collect::<Vec<Uuid>>();
    let others = std::thread::spawn(thousand);
    let mut ids = std::collections::BTreeSet::from_iter(thousand());
    ids.extend(others.join().unwrap());
    assert_eq!(ids.len(), 2000);
    let is_random = |id: &Uuid| (id.get_version_num(), id.get_variant()) == (4, Variant::RFC4122);
    assert!(ids.iter().all(is_random));
}

proptest! {
    #[test]
    fn the_text_of_an_id_is_that_of_its_uuid(number: u128) {
        let uuid = Uuid::from_u128(number);
        let (id, expected) = (MadeId::from(uuid), uuid.hyphenated().to_string());
        prop_assert_eq!(&id.text()[..], expected.as_bytes());
        prop_assert_eq!(Uuid::from(id), uuid);
        prop_assert_eq!(MessageId::of_text(expected.as_bytes()), Some(MessageId::made(id)));
    }
}
