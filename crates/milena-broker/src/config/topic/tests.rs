use super::*;

#[test]
fn the_table_is_sorted_and_its_defaults_are_those_of_the_type() {
    let names: Vec<&str> = TopicProperty::all().iter().map(|one| one.name).collect();
    assert!(names.is_sorted_by(|left, right| left < right), "{names:?}");
    let mut config = TopicConfig {
        segment_bytes: 1,
        batch_bytes_max: 1,
        ..TopicConfig::default()
    };
    for property in TopicProperty::all() {
        property
            .set(&mut config, property.default)
            .unwrap_or_else(|reason| panic!("{}: {reason}", property.name));
    }
    assert_eq!(config, TopicConfig::default());
}

#[test]
fn values_are_checked() {
    for (name, value, is_good) in [
        ("cleanup.policy", "compact, delete", true),
        ("cleanup.policy", "shred", false),
        ("cleanup.policy", "", false),
        ("compression.type", "uncompressed", true),
        ("compression.type", "none", false),
        ("compression.gzip.level", "-1", true),
        ("compression.gzip.level", "0", false),
        ("compression.zstd.level", "22", true),
        ("max.message.bytes", "-1", false),
        ("min.cleanable.dirty.ratio", "1.01", false),
        ("min.insync.replicas", "0", false),
        ("retention.ms", "-1", true),
        ("retention.ms", "-2", false),
        ("segment.ms", "soon", false),
    ] {
        let property = TopicProperty::named(name).unwrap_or_else(|| panic!("{name}"));
        assert_eq!(property.check(value).is_ok(), is_good, "{name}={value}");
    }
}

#[test]
fn hours_become_milliseconds_but_no_limit_stays() {
    for (value, factor, expected) in [
        ("2", 3_600_000, "7200000"),
        ("-1", 60_000, "-1"),
        ("7", 1, "7"),
    ] {
        assert_eq!(in_topic_unit(value, factor), expected);
    }
    let (property, factor) = TopicProperty::behind("log.retention.hours").expect("it is known");
    assert_eq!((property.name, factor), ("retention.ms", 3_600_000));
    assert_eq!(
        TopicProperty::nearest("retention.m").as_deref(),
        Some("retention.ms")
    );
}
