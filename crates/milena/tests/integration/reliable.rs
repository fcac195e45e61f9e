//! Reliable publishing: each message ends in its topic, in the dead letter topic, or as a
//! failure that is told and counted.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use milena::testing::{ApiKey, ErrorCode, Fault, Faults};
use milena::{
    Breaker, BreakerState, Delivered, DeliveryContext, DeliveryCounts, DeliveryObserver,
    DeliveryStatus, MESSAGE_ID_HEADER, Outgoing, PublishError, Publisher, RateLimit,
    RecordMetadata, ReliableBuilder, Retry, dead_letter,
};
use milena_client::consumer::ConsumedRecord;
use tokio::sync::mpsc::Sender;

use crate::setup::{Bench, DEADLINE, reports, within};

/// What an observer was told.
#[derive(Debug, PartialEq)]
enum Told {
    Success(String),
    Failure(String, DeliveryStatus),
    Retry(String, u32),
    DeadLetter(String, String),
    Shutdown(DeliveryCounts),
}

struct Observer(Sender<Told>);

impl Observer {
    fn tell(&self, told: Told) {
        self.0.try_send(told).expect("room for a report");
    }
}

impl DeliveryObserver for Observer {
    fn on_success(&self, context: &DeliveryContext, _written: &RecordMetadata) {
        assert_eq!(context.status(), DeliveryStatus::Success);
        self.tell(Told::Success(context.message_id().to_string()));
    }

    fn on_failure(&self, context: &DeliveryContext, _error: &PublishError) {
        let id = context.message_id().to_string();
        self.tell(Told::Failure(id, context.status()));
    }

    fn on_retry_scheduled(&self, context: &DeliveryContext, _delay: Duration, attempt: u32) {
        assert_eq!(context.status(), DeliveryStatus::RetryScheduled);
        self.tell(Told::Retry(context.message_id().to_string(), attempt));
    }

    fn on_dead_letter(&self, context: &DeliveryContext, dead_letter_topic: &str) {
        assert_eq!(context.status(), DeliveryStatus::DeadLettered);
        assert_eq!(context.metadata("tenant"), Some("seven"));
        let id = context.message_id().to_string();
        self.tell(Told::DeadLetter(id, dead_letter_topic.to_owned()));
    }

    fn on_shutdown(&self, counts: &DeliveryCounts) {
        self.tell(Told::Shutdown(*counts));
    }
}

/// A publisher whose attempts end soon.
fn hasty(bench: &Bench) -> ReliableBuilder {
    let config = bench
        .builder()
        .set("request.timeout.ms", "200")
        .set("delivery.timeout.ms", "300")
        .build()
        .expect("a config");
    Publisher::new(&config).expect("a publisher").reliable()
}

fn message(id: &str) -> Outgoing {
    Outgoing::to("orders")
        .id(id.to_owned())
        .key("k")
        .value("v")
        .metadata("tenant", "seven")
}

fn text(record: &ConsumedRecord, name: &str) -> Option<String> {
    let header = record.headers().get_last(name)?;
    Some(String::from_utf8_lossy(header.value?).into_owned())
}

/// `None` when the broker takes no such orders.
#[must_use]
fn fail_with(bench: &Bench, code: ErrorCode) -> Option<Faults> {
    let faults = bench.faults()?;
    faults.always(ApiKey::Produce, Fault::Fail(code));
    Some(faults)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_published_is_told_counted_and_has_an_id() {
    let bench = Bench::new().await;
    let (sender, mut told) = reports();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let names = seen.clone();
    let publisher = bench
        .publisher
        .reliable()
        .observer(Observer(sender))
        .metrics(move |name, data| {
            names
                .lock()
                .expect("no panic")
                .push((name, data.topic.to_owned()));
        })
        .build()
        .expect("a publisher");
    let made = publisher.publish(Outgoing::to("orders")).await.unwrap();
    publisher.flush(DEADLINE).await.unwrap();
    publisher.publish(message("given")).await.unwrap();
    let counts = publisher.close(DEADLINE).await;
    assert_eq!(
        (counts.accepted, counts.delivered, counts.pending()),
        (2, 2, 0)
    );
    let expected = [
        Told::Success(made.to_string()),
        Told::Success("given".to_owned()),
        Told::Shutdown(counts),
    ];
    assert_eq!(told.take(3).await, expected);
    let records = bench.read("orders", 2).await;
    let mut ids: Vec<_> = records
        .iter()
        .filter_map(|record| text(record, MESSAGE_ID_HEADER))
        .collect();
    ids.sort_by_key(|id| id == "given");
    assert_eq!(ids, [made.to_string(), "given".to_owned()]);
    let delivered = ("publisher.delivered", "orders".to_owned());
    let closed = ("publisher.closed", String::new());
    assert_eq!(
        *seen.lock().unwrap(),
        [delivered.clone(), delivered, closed]
    );
    let refused = publisher.publish(Outgoing::to("orders")).await;
    assert!(
        matches!(refused, Err(PublishError::Produce(_))),
        "{refused:?}"
    );
    assert_eq!(publisher.counts(), counts);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retriable_failure_is_tried_again_until_it_works() {
    let bench = Bench::new().await;
    bench.create("orders", 1).await;
    let (sender, mut told) = reports();
    let retry = Retry::exponential(Duration::from_millis(20)).attempts(1000);
    let publisher = hasty(&bench)
        .retry(retry)
        .observer(Observer(sender))
        .build()
        .expect("a publisher");
    let Some(faults) = fail_with(&bench, ErrorCode::NotEnoughReplicas) else {
        return;
    };
    let waits = tokio::spawn({
        let publisher = publisher.clone();
        async move { publisher.deliver(message("a")).await }
    });
    let failure = || Told::Failure("a".to_owned(), DeliveryStatus::Pending);
    let scheduled = |attempt| Told::Retry("a".to_owned(), attempt);
    let expected = [failure(), scheduled(2), failure(), scheduled(3)];
    assert_eq!(told.take(4).await, expected);
    faults.clear();
    let end = within("the message arrives", waits).await.unwrap().unwrap();
    assert!(matches!(end, Delivered::Written(_)), "{end:?}");
    let counts = publisher.close(DEADLINE).await;
    assert_eq!(
        (counts.accepted, counts.delivered, counts.pending()),
        (1, 1, 0)
    );
    assert!(counts.retries >= 2, "{counts:?}");
    let records = bench.read("orders", 1).await;
    assert_eq!(text(&records[0], MESSAGE_ID_HEADER).as_deref(), Some("a"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_published_is_a_dead_letter_with_its_history() {
    let bench = Bench::new().await;
    bench.create("orders", 1).await;
    let (sender, mut told) = reports();
    let publisher = bench
        .publisher
        .reliable()
        .dead_letter_topic_for("orders", "orders.failed")
        .observer(Observer(sender))
        .build()
        .expect("a publisher");
    let message = message("b").header("a", "1").partition(99);
    let end = publisher.deliver(message).await.unwrap();
    assert_eq!(end, Delivered::DeadLettered(bench.name("orders.failed")));
    let expected = [
        Told::Failure("b".to_owned(), DeliveryStatus::Pending),
        Told::DeadLetter("b".to_owned(), bench.name("orders.failed")),
    ];
    assert_eq!(told.take(2).await, expected);
    let letter = bench.read("orders.failed", 1).await.remove(0);
    assert_eq!(letter.key(), Some(&b"k"[..]));
    assert_eq!(letter.value(), Some(&b"v"[..]));
    for (name, expected) in [
        ("a", "1"),
        (dead_letter::MESSAGE_ID, "b"),
        (dead_letter::ORIGIN_TOPIC, bench.name("orders").as_str()),
        (dead_letter::FAILURE_STAGE, "publish"),
        (dead_letter::FAILURE_CLASS, "non-retriable"),
        (dead_letter::FAILURE_CODE, "no-such-partition"),
        (dead_letter::ATTEMPTS, "1"),
    ] {
        assert_eq!(text(&letter, name).as_deref(), Some(expected), "{name}");
    }
    let history = text(&letter, dead_letter::HISTORY).unwrap();
    assert!(history.contains("no-such-partition"), "{history}");
    assert_eq!(text(&letter, dead_letter::ORIGIN_OFFSET), None);
    let counts = publisher.close(DEADLINE).await;
    assert_eq!((counts.dead_lettered, counts.pending()), (1, 0));
}

/// The broker refuses the message and its dead letter: the caller hears of both.
#[tokio::test(flavor = "multi_thread")]
async fn a_refused_dead_letter_is_an_error_and_counted() {
    let bench = Bench::new().await;
    bench.create("orders", 1).await;
    let (sender, mut told) = reports();
    let publisher = hasty(&bench)
        .observer(Observer(sender))
        .build()
        .expect("a publisher");
    if fail_with(&bench, ErrorCode::TopicAuthorizationFailed).is_none() {
        return;
    }
    let error = publisher.deliver(message("c")).await.unwrap_err();
    let PublishError::Undelivered {
        attempts,
        dead_letter,
        ..
    } = &error
    else {
        panic!("{error:?}");
    };
    assert_eq!((*attempts, dead_letter.is_some()), (1, true));
    let failure = |status| Told::Failure("c".to_owned(), status);
    let expected = [
        failure(DeliveryStatus::Pending),
        failure(DeliveryStatus::Failed),
    ];
    assert_eq!(told.take(2).await, expected);
    let counts = publisher.close(Duration::ZERO).await;
    assert_eq!(
        (counts.accepted, counts.failed, counts.pending()),
        (1, 1, 0)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn closing_makes_dead_letters_of_waiting_retries() {
    const MESSAGES: usize = 50;
    let bench = Bench::new().await;
    bench.create("orders", 3).await;
    let (sender, mut told) = reports();
    let publisher = hasty(&bench)
        .retry(Retry::exponential(Duration::from_secs(3600)).cap(Duration::from_secs(3600)))
        .observer(Observer(sender))
        .build()
        .expect("a publisher");
    let Some(faults) = fail_with(&bench, ErrorCode::NotEnoughReplicas) else {
        return;
    };
    for number in 0..MESSAGES {
        publisher
            .publish(message(&number.to_string()))
            .await
            .unwrap();
    }
    let mut retries = 0;
    while retries < MESSAGES {
        retries += usize::from(matches!(told.next().await, Told::Retry(_, 2)));
    }
    let refused = publisher.flush(Duration::from_millis(20)).await;
    assert!(
        matches!(refused, Err(PublishError::Client(_))),
        "{refused:?}"
    );
    faults.clear();
    let counts = publisher.close(Duration::ZERO).await;
    assert_eq!(counts.dead_lettered, MESSAGES as u64, "{counts:?}");
    assert_eq!((counts.delivered, counts.pending()), (0, 0));
    let letters = bench.read("orders.dlq", MESSAGES).await;
    assert_eq!(
        text(&letters[0], dead_letter::FAILURE_CODE).as_deref(),
        Some("timed-out")
    );
}

/// While nothing gets through new messages are refused at once; the retry that waits is the
/// probe, and with it the way is free again.
#[tokio::test(flavor = "multi_thread")]
async fn an_open_breaker_refuses_until_a_probe_arrives() {
    let bench = Bench::new().await;
    bench.create("orders", 1).await;
    let (sender, mut told) = reports();
    let retry = Retry::exponential(Duration::from_millis(20)).attempts(1000);
    let publisher = hasty(&bench)
        .retry(retry)
        .breaker(Breaker::after(1).pause(Duration::from_secs(2)))
        .observer(Observer(sender))
        .build()
        .expect("a publisher");
    let Some(faults) = fail_with(&bench, ErrorCode::NotEnoughReplicas) else {
        return;
    };
    let first = publisher.publish(message("a")).await.unwrap();
    let failure = Told::Failure(first.to_string(), DeliveryStatus::Pending);
    assert_eq!(told.next().await, failure);
    assert_eq!(publisher.breaker_state(), BreakerState::Open);
    let refused = publisher.publish(message("b")).await;
    assert!(
        matches!(refused, Err(PublishError::BreakerOpen { .. })),
        "{refused:?}"
    );
    faults.clear();
    publisher.flush(DEADLINE).await.unwrap();
    assert_eq!(publisher.breaker_state(), BreakerState::Closed);
    publisher.publish(message("b")).await.unwrap();
    let counts = publisher.close(DEADLINE).await;
    assert_eq!((counts.accepted, counts.delivered), (2, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rate_limit_holds_publishing_back() {
    let bench = Bench::new().await;
    let limit = RateLimit::per_second(100).burst(2);
    let publisher = bench
        .publisher
        .reliable()
        .rate_limit(limit)
        .build()
        .expect("a publisher");
    let start = std::time::Instant::now();
    for number in 0..12 {
        publisher
            .publish(message(&number.to_string()))
            .await
            .unwrap();
    }
    assert!(start.elapsed() >= Duration::from_millis(100));
    assert_eq!(publisher.close(DEADLINE).await.delivered, 12);
}
