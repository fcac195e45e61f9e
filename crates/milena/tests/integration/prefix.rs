//! Looking after topics and dead letters under the names that a program gives them, with a prefix
//! of their own and without.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use milena::client::producer::ProducerConfig;
use milena::dead_letter::{DeadLetterAdmin, DeadLetterError, Filter, PurgeBefore};
use milena::{
    Config, DeadLetterHandler, FailureDetails, Message, Publisher, TopicAdmin, TopicPartition,
};

use crate::setup::{Bench, until_some};

/// What stands before a test's own prefix, if any: applications of one cluster beside each other.
const PREFIXES: [&str; 2] = ["", "staging."];

fn config(bench: &Bench, prefix: &str) -> Config {
    let config = bench.builder().topic_prefix(bench.name(prefix));
    config.build().expect("a config")
}

#[tokio::test(flavor = "multi_thread")]
async fn topics_are_administered_by_their_own_names() {
    for prefix in PREFIXES {
        let bench = Bench::new().await;
        let topics = TopicAdmin::new(&config(&bench, prefix)).unwrap();
        bench.create("elsewhere", 1).await;
        let created = topics.create("orders", |topic| {
            topic.partitions(2).config("retention.ms", "60000")
        });
        assert_eq!(created.await.unwrap().partitions, Some(2));
        let again = topics.create("orders", |topic| topic).await.unwrap_err();
        assert!(again.to_string().contains("already exists"), "{again}");

        let own = format!("{prefix}orders");
        let cluster = bench.name(&own);
        // The broker hears of what was made and changed a moment later.
        let described = until_some("the topic is known", async || {
            Box::pin(topics.describe("orders")).await.ok()
        })
        .await;
        let known = bench.admin.describe_topics(&[&cluster]).await.unwrap();
        assert_eq!(known[0].1.as_ref().unwrap().partitions.len(), 2);
        assert_eq!(
            (described.name.as_str(), described.partitions.len()),
            ("orders", 2)
        );
        let listed = topics.list().await.unwrap();
        let names: Vec<&str> = listed.iter().map(|topic| topic.name.as_str()).collect();
        let expected = if prefix.is_empty() {
            vec!["elsewhere", "orders"]
        } else {
            vec!["orders"]
        };
        assert_eq!(names, expected);

        let changed = topics.alter_configs("orders", |change| {
            change
                .set("retention.ms", "120000")
                .set("max.message.bytes", "2000")
        });
        changed.await.unwrap();
        until_some("the change is known", async || {
            let configs = topics.configs("orders").await.unwrap();
            let has = |name: &str, value: &str| {
                let mut entries = configs.iter();
                entries.any(|entry| entry.name == name && entry.value.as_deref() == Some(value))
            };
            let is_known = has("retention.ms", "120000") && has("max.message.bytes", "2000");
            is_known.then_some(())
        })
        .await;
        let refused = topics.alter_configs("orders", |change| change.set("retention.ms", "soon"));
        refused.await.unwrap_err();

        topics.delete("orders").await.unwrap();
        let gone = until_some("the topic is gone", async || {
            Box::pin(topics.describe("orders")).await.err()
        })
        .await;
        assert!(gone.to_string().contains("orders"), "{gone}");
        let nameless = topics.create("", |topic| topic).await.unwrap_err();
        let expected = "a topic name is neither empty";
        assert!(nameless.to_string().contains(expected), "{nameless}");
        topics.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn dead_letters_are_looked_after_by_their_own_names() {
    for prefix in PREFIXES {
        let bench = Bench::new().await;
        let config = config(&bench, prefix);
        for topic in ["orders", "orders.dlq"] {
            bench.create(&format!("{prefix}{topic}"), 1).await;
        }
        // One that is not under the prefix.
        bench.create("other.dlq", 1).await;
        let publisher = Publisher::new(&config).unwrap();
        let handler = DeadLetterHandler::new(&publisher, &config, "orders.dlq");
        let message = Message::new("orders")
            .with_partition(0)
            .with_offset(7)
            .with_value("a");
        let failure = FailureDetails::new("json", "no amount");
        handler.handle(&message, &[failure]).await.unwrap();

        let admin = DeadLetterAdmin::new(&config).unwrap();
        let found = admin.topics().await.unwrap();
        let expected = if prefix.is_empty() {
            vec!["orders.dlq", "other.dlq"]
        } else {
            vec!["orders.dlq"]
        };
        assert_eq!(found, expected);
        check_browsing(&bench, &admin, prefix).await;
        check_redrive(&admin).await;
        let redriven = bench.read(&format!("{prefix}orders"), 1).await;
        assert_eq!(redriven[0].value(), Some(&b"a"[..]));
        let plan = admin
            .plan_purge("orders.dlq", &[], PurgeBefore::Open)
            .await
            .unwrap();
        assert_eq!(plan[0].letters, 1);
        admin.purge("orders.dlq", &plan, "ada").await.unwrap();
        assert!(admin.find("orders.dlq", 0, 0).await.unwrap().is_none());
    }
}

async fn check_browsing(bench: &Bench, admin: &DeadLetterAdmin, prefix: &str) {
    let mut filter = Filter::default();
    filter.origin_topic = Some("orders".to_owned());
    let summary = admin.summary("orders.dlq", &filter).await.unwrap();
    assert_eq!((summary.topic.as_str(), summary.letters), ("orders.dlq", 1));
    let example = &summary.groups[0].example;
    assert_eq!(example.origin_topic.as_deref(), Some("orders"));
    let (letter, _) = admin.find("orders.dlq", 0, 0).await.unwrap().unwrap();
    assert_eq!(&*letter.topic, "orders.dlq");
    assert_eq!(letter.origin.topic.as_deref(), Some("orders"));

    // Names as the cluster has them, for those who have no configuration.
    let raw = DeadLetterAdmin::with_client(&bench.client, ProducerConfig::default());
    let place = TopicPartition::new(bench.name(&format!("{prefix}orders.dlq")), 0);
    let (letter, _) = raw.find(&place.topic, 0, 0).await.unwrap().unwrap();
    assert_eq!(letter.topic, place.topic);
    let origin = bench.name(&format!("{prefix}orders"));
    assert_eq!(letter.origin.topic, Some(origin));

    let missing = admin.summary("nothing", &filter).await.unwrap_err();
    assert!(matches!(missing, DeadLetterError::NoTopic { topic } if topic == "nothing"));
    let missing = admin.find("orders.dlq", 5, 0).await.unwrap_err();
    let is_named = matches!(missing, DeadLetterError::NoPartition { topic, partition: 5 } if topic == "orders.dlq");
    assert!(is_named);
}

async fn check_redrive(admin: &DeadLetterAdmin) {
    let to_itself = admin.redrive("orders.dlq").to("orders.dlq").plan().await;
    assert!(matches!(to_itself, Err(DeadLetterError::Loop { topic }) if topic == "orders.dlq"));
    let nowhere = admin.redrive("orders.dlq").to("nothing").plan().await;
    assert!(matches!(nowhere, Err(DeadLetterError::NoDestination { topic }) if topic == "nothing"));
    let mut filter = Filter::default();
    filter.origin_topic = Some("orders".to_owned());
    let redrive = admin.redrive("orders.dlq").filter(filter).by("ada");
    let expected = BTreeMap::from([("orders".to_owned(), 1)]);
    assert_eq!(redrive.plan().await.unwrap().destinations, expected);
    let report = redrive
        .execute(|_| ControlFlow::Continue(()))
        .await
        .unwrap();
    assert_eq!((report.redriven, report.destinations), (1, expected));
}
