use super::*;
use crate::config;

fn settings(pairs: &[(&str, &str)]) -> Settings {
    let pairs = pairs.iter();
    pairs
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

fn store(given: &[(&str, &str)]) -> ConfigStore {
    let mut config = BrokerConfig::default();
    for (name, value) in given {
        config::apply(&mut config, name, value).expect("a good value");
    }
    let opened = Storage::open(None, &config).expect("memory opens");
    ConfigStore::open(Arc::new(opened.storage), &config).expect("it opens")
}

fn set(store: &ConfigStore, scope: Scope, pairs: &[(&str, &str)]) {
    let outcome = store.change(scope, false, |_, _| Ok(settings(pairs)));
    outcome.expect("memory takes everything");
}

#[test]
fn the_nearest_layer_counts() {
    let store = store(&[("log.retention.hours", "1"), ("message.max.bytes", "500")]);
    let topic = Uuid::new_v4();
    let retention = || store.effective(topic).retention_ms;
    assert_eq!(retention(), Some(3_600_000));
    assert_eq!(store.effective(topic).batch_bytes_max, 500);
    set(&store, Scope::Cluster, &[("log.retention.ms", "30")]);
    assert_eq!(retention(), Some(30));
    set(&store, Scope::Broker, &[("log.retention.minutes", "2")]);
    assert_eq!(retention(), Some(120_000));
    set(&store, Scope::Topic(topic), &[("retention.ms", "-1")]);
    assert_eq!(retention(), None);
    let property = TopicProperty::named("retention.ms").expect("it is known");
    let synonyms = store.topic_synonyms(property, topic);
    let told: Vec<_> = synonyms
        .iter()
        .map(|one| (one.name, one.value.as_str(), one.source))
        .collect();
    assert_eq!(
        told,
        [
            ("retention.ms", "-1", Source::Topic),
            ("log.retention.minutes", "2", Source::Broker),
            ("log.retention.ms", "30", Source::Cluster),
            ("log.retention.hours", "1", Source::Static),
            ("log.retention.ms", "-1", Source::Default),
        ]
    );
    store.forget_topic(topic);
    assert_eq!(retention(), Some(120_000));
}

#[test]
fn a_check_changes_nothing_and_a_refusal_neither() {
    let store = store(&[]);
    let topic = Uuid::new_v4();
    let checked = store.change(Scope::Topic(topic), true, |_, _| {
        Ok(settings(&[("retention.ms", "1")]))
    });
    assert!(checked.is_ok());
    let refused = store.change(Scope::Topic(topic), false, |_, inherited| {
        assert_eq!(inherited("cleanup.policy").as_deref(), Some("delete"));
        Err(Refusal::new(ErrorCode::InvalidConfig, "no"))
    });
    assert!(refused.is_err());
    assert_eq!(store.effective(topic), TopicConfig::default());
}

#[test]
fn what_is_written_is_read() {
    let dynamic = Dynamic {
        cluster: settings(&[("log.retention.ms", "30")]),
        broker: settings(&[("message.max.bytes", "1000"), ("log.roll.hours", "1")]),
        topics: HashMap::from([(Uuid::new_v4(), settings(&[("cleanup.policy", "compact")]))]),
    };
    let mut bytes = encode(&dynamic);
    assert_eq!(decode(&bytes), Some(dynamic));
    bytes.push(0);
    assert_eq!(decode(&bytes), None);
    assert_eq!(decode(&bytes[..9]), None);
}
