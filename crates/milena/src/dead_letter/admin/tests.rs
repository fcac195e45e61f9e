use super::is_dead_letter_topic;

#[test]
fn dead_letter_topics_are_known_by_name() {
    for (name, expected) in [
        ("orders.dlq", true),
        ("orders-dlq", true),
        ("orders.DLT", true),
        ("orders-retry-dlt", true),
        ("dlq.billing", true),
        ("dead-letter-topic-orders", true),
        ("wolverine-dead-letter-queue", true),
        ("orders.poison", true),
        ("orders.dlq.audit", false),
        ("orders", false),
        ("mudlqx", false),
    ] {
        assert_eq!(is_dead_letter_topic(name), expected, "{name}");
    }
}
