use super::*;

fn update(name: &str, level: i16, may_fall: bool) -> Update {
    Update {
        name: name.to_owned(),
        level,
        may_fall,
    }
}

fn features() -> Features {
    let config = BrokerConfig::default();
    let opened = Storage::open(None, &config).expect("memory opens");
    Features::open(Arc::new(opened.storage), &config).expect("it opens")
}

#[test]
fn levels_change_all_or_none() {
    let features = features();
    let told = || (features.told().0[1].level, features.told().1);
    assert_eq!(told(), (2, 0));
    for (updates, code) in [
        (vec![update("transaction.version", 1, false)], 95),
        (vec![update("transaction.version", 3, true)], 95),
        (vec![update("transaction.version", -1, true)], 95),
        (vec![update("kraft.version", 1, true)], 95),
        (vec![update("group.version", 0, true)], 96),
        (vec![update("transaction.version", 1, true); 2], 42),
        (
            vec![
                update("transaction.version", 1, true),
                update("nonsense", 1, true),
            ],
            95,
        ),
    ] {
        let refusal = features.update(&updates, false).expect_err("it is wrong");
        assert_eq!(refusal.code.code(), code, "{updates:?}");
        assert_eq!(told(), (2, 0), "{updates:?}");
    }
    let lower = [
        update("transaction.version", 1, true),
        update("group.version", 1, false),
    ];
    features.update(&lower, true).expect("good, only checked");
    assert_eq!(told(), (2, 0));
    features.update(&lower, false).expect("good");
    features.update(&lower, false).expect("nothing to change");
    let higher = |may_fall| [update("transaction.version", 2, may_fall)];
    features
        .update(&higher(true), false)
        .expect_err("that is up");
    assert_eq!(told(), (1, 1));
    let written = *features.lock();
    assert_eq!(decode(&encode(written)), Some(written));
    assert_eq!(decode(&[0; 11]), None);
}
