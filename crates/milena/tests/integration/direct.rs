//! Producing and consuming by hand.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use milena::testing::{ApiKey, ErrorCode, Fault, consume_until};
use milena::{
    Config, Consumer, DeadLetterHandler, DirectError, FailureDetails, HandlerError, Message, Meta,
    Outgoing, Producer, PublishError, State, client, dead_letter, with_consumer, with_producer,
};

use crate::setup::{Bench, DEADLINE, numbers, within};

async fn connected(config: Config) -> Consumer {
    let consumer = Consumer::new(config);
    consumer.connect().await.unwrap();
    consumer
}

/// The next message, however many polls that takes.
async fn next(consumer: &Consumer) -> Message {
    within("a message", async {
        loop {
            if let Some(message) = consumer.consume_next().await.unwrap() {
                return message;
            }
        }
    })
    .await
}

fn text(message: &Message) -> String {
    let value = message.value().unwrap_or_default();
    String::from_utf8(value.to_vec()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_forgotten_is_said() {
    let bench = Bench::new().await;
    let config = bench.config();
    let producer = Producer::new(config.clone());
    let message = Outgoing::to("orders").value("a");
    let early = producer.send(&message).await.unwrap_err();
    assert!(
        matches!(early, DirectError::ProducerNotConnected),
        "{early}"
    );
    assert!(!producer.is_alive());
    producer.connect().await.unwrap();
    assert!(producer.is_alive());
    producer.check_connection().await.unwrap();
    producer.shutdown().await.unwrap();
    let late = producer.send(&message).await.unwrap_err();
    assert_eq!(
        late.to_string(),
        "the producer was shut down: make a new one"
    );
    assert!(!producer.is_alive());

    let consumer = Consumer::new(config);
    let early = consumer.consume_next().await.unwrap_err();
    assert!(
        matches!(early, DirectError::ConsumerNotConnected),
        "{early}"
    );
    consumer.connect().await.unwrap();
    consumer.check_connection().await.unwrap();
    let unsubscribed = consumer.consume_next().await.unwrap_err();
    assert!(matches!(unsubscribed, DirectError::NotSubscribed));
    let unsubscribed = consumer.consume(Duration::ZERO).await.unwrap_err();
    assert!(matches!(unsubscribed, DirectError::NotSubscribed));
    consumer.shutdown().await.unwrap();
    consumer.shutdown().await.unwrap();
    let late = consumer.connect().await.unwrap_err();
    assert!(matches!(late, DirectError::ShutDown { client: "consumer" }));

    let nowhere = Config::builder()
        .bootstrap_servers("127.0.0.1:1")
        .group_id("group")
        .set("start.attempts", "2")
        .set("start.backoff.ms", "1")
        .build()
        .unwrap();
    let failed = Producer::new(nowhere.clone()).connect().await.unwrap_err();
    assert!(
        matches!(failed, DirectError::ConnectionFailed(_)),
        "{failed}"
    );
    let failed = Consumer::new(nowhere).connect().await.unwrap_err();
    assert!(
        matches!(failed, DirectError::ConnectionFailed(_)),
        "{failed}"
    );
    let no_group = Consumer::new(Config::builder().build().unwrap());
    let failed = no_group.connect().await.unwrap_err();
    assert!(failed.to_string().contains("a consumer needs a group"));
}

#[tokio::test(flavor = "multi_thread")]
async fn flushing_takes_as_long_as_is_configured_or_said() {
    let bench = Bench::new().await;
    bench.create("orders", 1).await;
    let message = Outgoing::to("orders").value("a");
    let producer = |config: Config| async {
        let producer = Producer::new(config);
        producer.connect().await.unwrap();
        let publisher = producer.publisher().unwrap().clone();
        drop(publisher.enqueue(&message).await.unwrap());
        producer
    };
    let patient = producer(bench.config()).await;
    patient.flush(None).await.unwrap();
    patient.flush(DEADLINE).await.unwrap();
    patient.shutdown().await.unwrap();

    let Some(faults) = bench.faults() else {
        return;
    };
    faults.always(ApiKey::Produce, Fault::Fail(ErrorCode::NotEnoughReplicas));
    let configured = Duration::from_millis(20);
    let hasty = bench.builder().flush_timeout(configured).build().unwrap();
    let hasty = producer(hasty).await;
    let publisher = hasty.publisher().unwrap();
    let reliable = publisher.reliable().build().unwrap();
    reliable.publish(message.clone()).await.unwrap();
    let said = Duration::from_millis(30);
    for (given, limit) in [(None, configured), (Some(said), said)] {
        let flushed = [
            publisher.flush(given).await,
            reliable.flush(given).await,
            hasty.flush(given).await.map_err(|error| match error {
                DirectError::Publish(error) => error,
                other => panic!("{other}"),
            }),
        ];
        for flushed in flushed {
            let is_late = matches!(
                &flushed,
                Err(PublishError::Client(client::Error::Timeout { after, .. })) if *after == limit
            );
            assert!(is_late, "{given:?}: {flushed:?}");
        }
    }
    faults.clear();
    hasty.flush(DEADLINE).await.unwrap();
    reliable.close(DEADLINE).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_come_one_by_one_and_in_batches() {
    let bench = Bench::new().await;
    bench.create("orders", 1).await;
    bench.publish("orders", 0, numbers(10)).await;
    let config = || {
        let by_hand = bench.builder().set("enable.auto.commit", "false");
        by_hand.build().unwrap()
    };
    let consumer = connected(config()).await;
    consumer.subscribe(["orders"]).await.unwrap();
    let first = next(&consumer).await;
    assert_eq!((&**first.topic(), text(&first)), ("orders", "0".into()));
    assert!(consumer.is_alive());
    consumer.commit(&first).await.unwrap();
    assert_eq!(bench.committed("orders", 0).await, Some(1));
    let rest = consumer.poll(DEADLINE).await.unwrap();
    let rest: Vec<String> = rest.iter().map(text).collect();
    assert_eq!(rest, numbers(10).skip(1).collect::<Vec<_>>());
    assert_eq!(
        consumer
            .poll(Duration::from_millis(50))
            .await
            .unwrap()
            .len(),
        0
    );
    let ends = consumer.take_partition_ends().unwrap();
    assert_eq!(ends.len(), 1);
    assert_eq!((&*ends[0].topic, ends[0].next_offset), ("orders", 10));
    consumer.shutdown().await.unwrap();
    // Nothing was committed but the first.
    let consumer = connected(config()).await;
    consumer.subscribe(["orders"]).await.unwrap();
    assert_eq!(next(&consumer).await.offset(), 1);
    consumer.commit_all().await.unwrap();
    assert_eq!(bench.committed("orders", 0).await, Some(2));
    consumer.shutdown().await.unwrap();
}

type Seen = Arc<Mutex<Vec<(String, i64, u32)>>>;

/// A message whose handler failed comes again, and is not committed; one that is committed
/// by hand is passed over.
#[tokio::test(flavor = "multi_thread")]
async fn handlers_are_called_and_failures_come_again() {
    let bench = Bench::new().await;
    bench.create("orders", 1).await;
    bench.create("others", 1).await;
    let seen = Seen::default();
    let on_order = |meta: Meta, State(seen): State<Seen>| async move {
        let order = (meta.topic.to_string(), meta.offset, meta.attempt);
        seen.lock().unwrap().push(order);
        match (meta.offset, meta.attempt) {
            (1, 1) => Err(HandlerError::retriable("not yet")),
            (2, _) => Err(HandlerError::non_retriable("never")),
            (3, _) => Err(HandlerError::skip("of no use")),
            _ => Ok(()),
        }
    };
    let consumer = connected(bench.config()).await;
    consumer.register_with("orders", on_order, seen.clone());
    consumer.subscribe(["orders", "others"]).await.unwrap();
    let consume = async || {
        within("messages", async {
            loop {
                match consumer.consume(Duration::from_millis(100)).await {
                    Ok(0) => {}
                    result => return result,
                }
            }
        })
        .await
    };
    bench.publish("orders", 0, numbers(2)).await;
    let failed = loop {
        if let Err(error) = consume().await {
            break error;
        }
    };
    assert!(
        matches!(&failed, DirectError::Handler { offset: 1, .. }),
        "{failed}"
    );
    assert_eq!(consume().await.unwrap(), 1);
    bench.publish("orders", 0, numbers(2)).await;
    let failed = consume().await.unwrap_err();
    assert!(
        matches!(&failed, DirectError::Handler { offset: 2, .. }),
        "{failed}"
    );
    let failed = consume().await.unwrap_err();
    assert!(
        matches!(&failed, DirectError::Handler { offset: 2, .. }),
        "{failed}"
    );
    // Given up as a dead letter, and passed over.
    let letters = DeadLetterHandler::new(&bench.publisher, &bench.config(), "errors");
    bench.create("errors", 1).await;
    let third = Message::new("orders").with_value("0").with_offset(2);
    let new_year = SystemTime::UNIX_EPOCH + Duration::from_secs(1_704_067_200);
    let failures = [
        FailureDetails::new("timeout", "too slow").raised_at(new_year),
        FailureDetails::new("rejected", "never")
            .with_trace("at order")
            .raised_at(new_year + Duration::from_millis(90_500)),
    ];
    letters.handle(&third, &failures).await.unwrap();
    consumer.commit(&third).await.unwrap();
    assert_eq!(consume().await.unwrap(), 1);
    bench.publish("others", 0, numbers(1)).await;
    assert_eq!(consume().await.unwrap(), 1);
    assert_eq!((consumer.unhandled(), consumer.skipped()), (1, 1));
    consumer.shutdown().await.unwrap();
    assert_eq!(bench.committed("orders", 0).await, Some(4));
    let expected = [(0, 1), (1, 1), (1, 2), (2, 1), (2, 2), (3, 1)];
    let expected: Vec<_> = expected
        .map(|(offset, attempt)| ("orders".to_owned(), offset, attempt))
        .to_vec();
    assert_eq!(*seen.lock().unwrap(), expected);
    let letter = bench.read("errors", 1).await.remove(0);
    let header = |name: &str| {
        let header = letter
            .headers()
            .iter()
            .find(|header| header.key == name.as_bytes());
        String::from_utf8(header.unwrap().value.unwrap().to_vec()).unwrap()
    };
    assert_eq!(header(dead_letter::FAILURE_CODE), "rejected");
    assert_eq!(header(dead_letter::FAILURE_TRACE), "at order");
    assert_eq!(header(dead_letter::ATTEMPTS), "2");
    assert_eq!(
        header(dead_letter::FAILED_FIRST),
        "2024-01-01T00:00:00.000Z"
    );
    assert_eq!(header(dead_letter::FAILED_LAST), "2024-01-01T00:01:30.500Z");
    assert!(header(dead_letter::HISTORY).contains("too slow"));
}

/// With automatic commits, a message whose handler did not finish is not among them.
#[tokio::test(flavor = "multi_thread")]
async fn shutting_down_commits_what_was_handled_and_no_more() {
    let bench = Bench::new().await;
    bench.create("orders", 1).await;
    bench.publish("orders", 0, numbers(5)).await;
    let consumer = connected(bench.config()).await;
    consumer.register("orders", |meta: Meta| async move {
        match meta.offset {
            3 => Err(HandlerError::retriable("down")),
            _ => Ok(()),
        }
    });
    within("the failure", async {
        while consumer.consume(Duration::from_millis(100)).await.is_ok() {}
    })
    .await;
    consumer.shutdown().await.unwrap();
    assert_eq!(bench.committed("orders", 0).await, Some(3));
}

/// With automatic commits, messages that came together are processed together: not before
/// the next ones are asked for.
#[tokio::test(flavor = "multi_thread")]
async fn a_batch_is_not_committed_while_it_is_worked_on() {
    let bench = Bench::new().await;
    bench.create("orders", 1).await;
    bench.publish("orders", 0, numbers(12)).await;
    let config = bench.builder().set("max.poll.records", "10");
    let consumer = connected(config.build().unwrap()).await;
    consumer.subscribe(["orders"]).await.unwrap();
    for expected in [10, 2] {
        let messages = consumer.poll(DEADLINE).await.unwrap();
        assert_eq!(messages.len(), expected);
    }
    bench.until_committed("orders", 1, 10).await;
    consumer.shutdown().await.unwrap();
    assert_eq!(bench.committed("orders", 0).await, Some(12));
}

/// Handlers may come later than the first messages.
#[tokio::test(flavor = "multi_thread")]
async fn topics_of_handlers_are_followed() {
    let bench = Bench::new().await;
    let consumer = connected(bench.config()).await;
    for topic in ["orders", "others"] {
        bench.create(topic, 1).await;
        bench.publish(topic, 0, numbers(1)).await;
        consumer.register(topic, async || {});
        within("a message", async {
            while consumer.consume(Duration::from_millis(50)).await.unwrap() == 0 {}
        })
        .await;
    }
    consumer.shutdown().await.unwrap();
}

/// A message that failed is no longer ours when its partition is another member's.
#[tokio::test(flavor = "multi_thread")]
async fn a_failed_message_goes_with_its_partition() {
    let bench = Bench::new().await;
    bench.create("orders", 1).await;
    bench.publish("orders", 0, numbers(1)).await;
    // By range, the one partition is the first member's in the order of their ids, which
    // begin with the clients'.
    let config = |client_id: &str| {
        let config = bench.builder().set("client.id", client_id);
        let config = config.set("partition.assignment.strategy", "range");
        config.set("heartbeat.interval.ms", "50").build().unwrap()
    };
    let last = connected(config("z")).await;
    last.register("orders", async || {
        Err::<(), _>(HandlerError::retriable("not here"))
    });
    let consume = async || last.consume(Duration::from_millis(50)).await;
    within("a failure", async { while consume().await.is_ok() {} }).await;
    consume().await.expect_err("it comes again");
    let first = connected(config("a")).await;
    first.subscribe(["orders"]).await.unwrap();
    assert_eq!(next(&first).await.offset(), 0);
    assert_eq!(consume().await.unwrap(), 0, "the other has it");
    last.shutdown().await.unwrap();
    first.shutdown().await.unwrap();
    assert_eq!(bench.committed("orders", 0).await, Some(1));
}

/// A message a handler failed with is not passed over by asking for the next one.
#[tokio::test(flavor = "multi_thread")]
async fn a_failed_message_can_be_taken_in_hand() {
    let bench = Bench::new().await;
    bench.create("orders", 1).await;
    bench.publish("orders", 0, numbers(3)).await;
    let consumer = connected(bench.config()).await;
    consumer.register("orders", async || {
        Err::<(), _>(HandlerError::retriable("not here"))
    });
    let fail = async || {
        within("a failure", async {
            while consumer.consume(Duration::from_millis(50)).await.is_ok() {}
        })
        .await;
    };
    fail().await;
    assert_eq!(next(&consumer).await.offset(), 0);
    fail().await;
    let polled = consumer.poll(DEADLINE).await.unwrap();
    assert_eq!(polled.iter().map(Message::offset).collect::<Vec<_>>(), [1]);
    assert_eq!(next(&consumer).await.offset(), 2);
    consumer.shutdown().await.unwrap();
    assert_eq!(bench.committed("orders", 0).await, Some(3));
}

/// To the message that is waited for, or until the time is over: then with what came.
#[tokio::test(flavor = "multi_thread")]
async fn consuming_ends_with_a_message_or_in_time() {
    let bench = Bench::new().await;
    bench.create("orders", 1).await;
    bench.publish("orders", 0, numbers(5)).await;
    let consumer = connected(bench.config()).await;
    consumer.subscribe(["orders"]).await.unwrap();
    let values = |came: Vec<Message>| came.iter().map(text).collect::<Vec<_>>();
    let is_third = |message: &Message| message.value() == Some(b"2");
    let came = consume_until(&consumer, is_third, DEADLINE).await.unwrap();
    assert_eq!(values(came), ["0", "1", "2"]);
    let patience = Duration::from_millis(200);
    for expected in [&["3", "4"][..], &[]] {
        let began = Instant::now();
        let came = consume_until(&consumer, |_| false, patience).await;
        assert_eq!(values(came.unwrap()), expected);
        assert!(began.elapsed() >= patience);
    }
    consumer.shutdown().await.unwrap();
    let ended = consume_until(&consumer, |_| true, DEADLINE).await;
    assert!(ended.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn scoped_clients_end_with_their_scope() {
    let bench = Bench::new().await;
    bench.create("events", 1).await;
    let failed = with_producer(bench.config(), async |producer| {
        let publisher = producer.publisher()?;
        for number in numbers(5) {
            let event = Outgoing::to("events").value(number);
            drop(publisher.enqueue(&event).await?);
        }
        Err::<(), DirectError>(DirectError::NotSubscribed)
    })
    .await;
    assert!(failed.is_err());
    // Written nevertheless: the scope flushed before it ended.
    let values = with_consumer(bench.config(), &["events"], async |consumer| {
        let mut values = Vec::new();
        while values.len() < 5 {
            values.push(text(&next(consumer).await));
        }
        Ok::<_, DirectError>(values)
    })
    .await
    .unwrap();
    assert_eq!(values, numbers(5).collect::<Vec<_>>());
    assert_eq!(bench.committed("events", 0).await, Some(5));
}

/// What a scope failed with is not committed, what it had done with before is.
#[tokio::test(flavor = "multi_thread")]
async fn a_scope_that_fails_gives_back_its_last_message() {
    let bench = Bench::new().await;
    bench.create("events", 1).await;
    bench.publish("events", 0, numbers(5)).await;
    let failed = with_consumer(bench.config(), &["events"], async |consumer| {
        for _ in 0..2 {
            next(consumer).await;
        }
        Err::<(), _>(DirectError::Handler {
            topic: next(consumer).await.topic().clone(),
            partition: 0,
            offset: 2,
            error: HandlerError::retriable("no"),
        })
    })
    .await;
    assert!(failed.is_err());
    assert_eq!(bench.committed("events", 0).await, Some(2));
}
