//! Dead letters keep the record, and a record is committed only once its letter is safe.

use milena::testing::{ApiKey, ErrorCode, Fault};
use milena::{App, AppError, HandlerError, Outgoing, Retry, State, dead_letter, handler};
use tokio::sync::mpsc::Sender;

use crate::setup::{Bench, Running, reports, until};

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_letter_is_the_record_and_why() {
    let bench = Bench::new().await;
    bench.create("orders", 5).await;
    let fails = || async { Err::<(), _>(HandlerError::non_retriable("no").with_code("code-7")) };
    let app = App::new(bench.config()).topic(
        "orders",
        handler(fails)
            .dead_letter("orders.failed")
            .retry(Retry::none()),
    );
    let running = Running::start(app);
    let binary = vec![0, 159, 146, 150];
    let message = Outgoing::to("orders")
        .key(binary.clone())
        .value(binary.clone())
        .id("id-1")
        .header("a", binary.clone())
        .null_header("a")
        .timestamp(1_600_000_000_000);
    let published = bench.publisher.send(&message).await.unwrap();
    let letter = bench.read("orders.failed", 1).await.remove(0);
    running.stop().await.unwrap();
    assert_eq!(letter.key(), Some(&binary[..]));
    assert_eq!(letter.value(), Some(&binary[..]));
    assert_eq!(letter.timestamp(), 1_600_000_000_000);
    // The same key in a topic with as many partitions: the same partition.
    assert_eq!(letter.partition(), published.partition());
    let headers = letter.headers();
    let first: Vec<_> = headers
        .iter()
        .take(3)
        .map(|header| (header.key, header.value))
        .collect();
    assert_eq!(
        first,
        [
            (&b"milena-message-id"[..], Some(&b"id-1"[..])),
            (&b"a"[..], Some(&binary[..])),
            (&b"a"[..], None),
        ]
    );
    let text = |name| {
        let value = headers.get_last(name).and_then(|header| header.value);
        value.map(|value| String::from_utf8_lossy(value).into_owned())
    };
    for (name, expected) in [
        (dead_letter::ORIGIN_TOPIC, bench.name("orders")),
        (
            dead_letter::ORIGIN_PARTITION,
            published.partition().to_string(),
        ),
        (dead_letter::ORIGIN_OFFSET, "0".to_owned()),
        (dead_letter::ORIGIN_GROUP, bench.group.clone()),
        (dead_letter::FAILURE_CODE, "code-7".to_owned()),
        (dead_letter::APP, "milena".to_owned()),
    ] {
        assert_eq!(text(name), Some(expected), "{name}");
    }
    let topics = bench.admin.list_topics().await.unwrap();
    let created = topics
        .iter()
        .find(|topic| topic.name == bench.name("orders.failed"))
        .unwrap();
    assert_eq!(created.partitions, 5);
    // The record is older than what a cluster keeps unless told otherwise.
    let failed = bench.name("orders.failed");
    let described = bench.admin.topic_configs(&[failed.as_str()]).await.unwrap();
    let (_, settings) = described.into_iter().next().unwrap();
    let settings = settings.unwrap();
    let retention = settings
        .iter()
        .find(|setting| setting.name == "retention.ms");
    assert_eq!(retention.unwrap().value.as_deref(), Some("-1"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_dead_letter_stops_the_application_uncommitted() {
    let bench = Bench::new().await;
    bench.create("orders", 1).await;
    bench.publish("orders", 0, ["x".to_owned()]).await;
    let Some(faults) = bench.faults() else {
        return;
    };
    faults.always(
        ApiKey::Produce,
        Fault::Fail(ErrorCode::TopicAuthorizationFailed),
    );
    let fails = || async { Err::<(), _>(HandlerError::non_retriable("no")) };
    let app = App::new(bench.config()).topic("orders", handler(fails));
    let error = Running::start(app).ended().await.unwrap_err();
    assert!(
        matches!(error, AppError::DeadLetter { offset: 0, .. }),
        "{error}"
    );
    assert_eq!(bench.committed("orders", 0).await, None);
}

/// While the broker does not acknowledge the dead letter, its record is not committed.
#[tokio::test(flavor = "multi_thread")]
async fn an_unacknowledged_dead_letter_holds_the_commit() {
    let bench = Bench::new().await;
    bench.create("orders", 1).await;
    bench.create("orders.dlq", 1).await;
    bench.publish("orders", 0, ["x".to_owned()]).await;
    let (sender, mut called) = reports();
    let fails = |State(sender): State<Sender<()>>| async move {
        sender.send(()).await?;
        Err::<(), _>(HandlerError::non_retriable("no"))
    };
    let Some(faults) = bench.faults() else {
        return;
    };
    faults.always(ApiKey::Produce, Fault::Fail(ErrorCode::NotEnoughReplicas));
    let config = bench.config();
    let running = Running::start(
        App::new(config)
            .state(sender)
            .topic("orders", handler(fails)),
    );
    called.next().await;
    // The producer tries again, and no commit happens meanwhile.
    let tries = faults.requests_seen(ApiKey::Produce);
    until("the producer tries again", || {
        faults.requests_seen(ApiKey::Produce) >= tries + 3
    })
    .await;
    assert_eq!(bench.committed("orders", 0).await, None);
    faults.clear();
    assert_eq!(
        bench.read("orders.dlq", 1).await[0].value(),
        Some(&b"x"[..])
    );
    running.stop().await.unwrap();
    assert_eq!(bench.committed("orders", 0).await, Some(1));
}
