use super::*;
use crate::config::BrokerConfig;

fn entity(pairs: &[(&str, Option<&str>)]) -> Entity {
    let pairs = pairs.iter();
    pairs
        .map(|(kind, name)| ((*kind).to_owned(), name.map(str::to_owned)))
        .collect()
}

#[test]
fn quotas_are_set_found_and_taken_back() {
    let opened = Storage::open(None, &BrokerConfig::default()).expect("memory opens");
    let quotas =
        Quotas::open(Arc::new(opened.storage), &BrokerConfig::default()).expect("it opens");
    let ann = entity(&[("user", Some("ann"))]);
    let both = entity(&[("client-id", None), ("user", Some("ann"))]);
    let rate = |value| [("producer_byte_rate".to_owned(), value)];
    quotas.alter(&ann, &rate(Some(5.0)), false).expect("good");
    quotas.alter(&both, &rate(Some(7.0)), false).expect("good");
    quotas
        .alter(&both, &rate(Some(9.0)), true)
        .expect("good, and only checked");
    let user = |component| BTreeMap::from([("user".to_owned(), component)]);
    let found = |components, strict| -> Vec<f64> {
        let found = quotas.find(&components, strict).into_iter();
        found.flat_map(|(_, values)| values.into_values()).collect()
    };
    assert_eq!(
        found(user(Component::Exact("ann".to_owned())), false),
        [7.0, 5.0]
    );
    assert_eq!(found(user(Component::Any), true), [5.0]);
    assert!(found(user(Component::Default), false).is_empty());
    let bytes = encode(&quotas.lock());
    assert_eq!(decode(&bytes).as_ref(), Some(&*quotas.lock()));
    quotas.alter(&ann, &rate(None), false).expect("good");
    assert!(found(user(Component::Any), true).is_empty());
}

#[test]
fn impossible_quotas_are_refused() {
    for (pairs, key, value) in [
        (vec![], "producer_byte_rate", Some(1.0)),
        (vec![("role", None)], "producer_byte_rate", Some(1.0)),
        (vec![("user", Some(""))], "producer_byte_rate", Some(1.0)),
        (
            vec![("user", None), ("ip", None)],
            "producer_byte_rate",
            Some(1.0),
        ),
        (vec![("user", None)], "connection_creation_rate", Some(1.0)),
        (vec![("user", None)], "beer_rate", Some(1.0)),
        (vec![("user", None)], "producer_byte_rate", Some(-1.0)),
        (vec![("user", None)], "producer_byte_rate", Some(1.5)),
    ] {
        let entity = entity(&pairs);
        let checked = check_entity(&entity).and_then(|()| check_value(&entity, key, value));
        let refusal = checked.expect_err("it is impossible");
        assert_eq!(
            refusal.code,
            ErrorCode::InvalidRequest,
            "{pairs:?} {key} {value:?}"
        );
    }
}
