//! Producing and consuming by hand.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use milena::{
    Config, Consumer, DeadLetterHandler, DirectError, FailureDetails, HandlerError, Message, Meta,
    Outgoing, Producer, State, dead_letter, with_consumer, with_producer,
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
    let failures = [
        FailureDetails::new("timeout", "too slow"),
        FailureDetails::new("rejected", "never").with_trace("at order"),
    ];
    letters.handle(&third, &failures).await.unwrap();
    consumer.commit(&third).await.unwrap();
    assert_eq!(consume().await.unwrap(), 1);
    bench.publish("others", 0, numbers(1)).await;
    assert_eq!(consume().await.unwrap(), 1);
    assert_eq!(consumer.unhandled(), 1);
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
