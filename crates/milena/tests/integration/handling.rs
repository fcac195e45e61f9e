//! Records reach their handlers, with everything extractors promise.

use std::collections::BTreeSet;
use std::time::Duration;

use milena::{
    App, Bytes, Headers, Json, Key, MESSAGE_ID_HEADER, Meta, Outgoing, Publisher, State, handler,
};
use tokio::sync::mpsc::Sender;

use crate::setup::{Bench, Running, numbers, reports, within};

#[derive(Debug, serde::Deserialize, serde::Serialize, PartialEq)]
struct Order {
    id: u32,
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_arrives_as_it_was_published() {
    let bench = Bench::new().await;
    bench.create("orders", 1).await;
    let (sender, mut arrived) = reports();
    let on_order = |Json(order): Json<Order>,
                    Key(key): Key<String>,
                    headers: Headers,
                    meta: Meta,
                    State(sender): State<Sender<_>>| async move {
        let names: Vec<String> = headers.iter().map(|(name, _)| name.to_owned()).collect();
        sender
            .send((
                order,
                key,
                names,
                headers.text("a").map(str::to_owned),
                meta,
            ))
            .await
    };
    let app = App::new(bench.config())
        .state(sender)
        .topic("orders", handler(on_order));
    let running = Running::start(app);
    let message = Outgoing::to("orders")
        .key("customer")
        .json(&Order { id: 7 })
        .unwrap()
        .header("a", "1")
        .header("a", "2")
        .timestamp(1_600_000_000_000);
    let published = bench.publisher.send(&message).await.unwrap();
    let (order, key, names, last, meta) = arrived.next().await;
    assert_eq!((order, key.as_str()), (Order { id: 7 }, "customer"));
    assert_eq!(names, ["a", "a", MESSAGE_ID_HEADER]);
    assert_eq!(last.as_deref(), Some("2"));
    assert_eq!(
        (&*meta.topic, meta.partition, Some(meta.offset)),
        ("orders", 0, published.offset())
    );
    assert_eq!((meta.timestamp, meta.attempt), (1_600_000_000_000, 1));
    running.stop().await.unwrap();
    assert_eq!(bench.committed("orders", 0).await, Some(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_prefix_is_on_the_cluster_and_nowhere_else() {
    let bench = Bench::new().await;
    bench.create("dev.orders", 1).await;
    let (sender, mut arrived) = reports();
    let config = bench
        .builder()
        .topic_prefix(bench.name("dev."))
        .build()
        .unwrap();
    let publisher = Publisher::new(&config).unwrap();
    let on_order = |meta: Meta, bytes: Bytes, State(sender): State<Sender<_>>| async move {
        sender.send((meta.topic, bytes)).await?;
        Err(milena::HandlerError::non_retriable("enough"))
    };
    let running = Running::start(
        App::new(config)
            .state(sender)
            .topic("orders", handler(on_order)),
    );
    publisher
        .send(&Outgoing::to("orders").value("x"))
        .await
        .unwrap();
    let (topic, bytes) = arrived.next().await;
    assert_eq!((&*topic, &bytes[..]), ("orders", &b"x"[..]));
    let letters = bench.read("dev.orders.dlq", 1).await;
    assert_eq!(letters[0].value(), Some(&b"x"[..]));
    running.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_prefix_is_on_retries_and_failed_deliveries_and_direct_clients() {
    let bench = Bench::new().await;
    bench.create("dev.orders", 1).await;
    let (sender, mut arrived) = reports();
    let builder = bench.builder().topic_prefix(bench.name("dev."));
    let config = builder.build().unwrap();
    let publisher = Publisher::new(&config).unwrap();
    let on_order = |meta: Meta, State(sender): State<Sender<_>>| async move {
        sender.send((meta.topic, meta.attempt)).await?;
        match meta.attempt {
            1 => Err(milena::HandlerError::retriable("not yet")),
            _ => Ok(()),
        }
    };
    let on_order = handler(on_order).retry(milena::Retry::fixed(Duration::from_millis(10)));
    let app = App::new(config.clone()).state(sender);
    let running = Running::start(app.topic("orders", on_order.retry_through_topic()));
    let message = Outgoing::to("orders").value("x");
    publisher.send(&message).await.unwrap();
    for attempt in [1, 2] {
        let (topic, seen) = arrived.next().await;
        assert_eq!((&*topic, seen), ("orders", attempt));
    }
    running.stop().await.unwrap();
    let waited = bench.read(&format!("dev.{}.retry", bench.group), 1).await;
    assert_eq!(waited[0].value(), Some(&b"x"[..]));

    let nowhere = Outgoing::to("orders").partition(99);
    let delivered = publisher.reliable().build().unwrap().deliver(nowhere).await;
    let place = milena::Delivered::DeadLettered(bench.name("dev.orders.dlq"));
    assert_eq!(delivered.unwrap(), place);

    let group = bench.builder().topic_prefix(bench.name("dev."));
    let group = group.group_id(bench.name("direct")).build().unwrap();
    let consumer = milena::Consumer::new(group);
    consumer.connect().await.unwrap();
    consumer.subscribe(["orders"]).await.unwrap();
    let next = async {
        loop {
            if let Some(message) = consumer.consume_next().await.unwrap() {
                return message;
            }
        }
    };
    let message = within("a message", next).await;
    assert_eq!(&**message.topic(), "orders");
    consumer.shutdown().await.unwrap();
}

/// A buffer of 4 KiB, and batches that fill it many times: partitions are paused and
/// resumed, and nothing is lost or reordered by it.
#[tokio::test(flavor = "multi_thread")]
async fn a_slow_worker_is_fed_in_pieces() {
    let bench = Bench::new().await;
    bench.create("orders", 2).await;
    let padding = "x".repeat(500);
    for partition in 0..2 {
        for chunk in 0..20 {
            let values = (0..25).map(|index| format!("{}:{padding}", chunk * 25 + index));
            bench.publish("orders", partition, values).await;
        }
    }
    let (sender, mut arrived) = reports();
    let on_order = |bytes: Bytes, meta: Meta, State(sender): State<Sender<_>>| async move {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let number: usize = text.split(':').next().unwrap_or_default().parse()?;
        tokio::task::yield_now().await;
        sender.send((meta.partition, number)).await?;
        Ok::<(), milena::HandlerError>(())
    };
    let config = bench
        .builder()
        .set("partition.buffer.bytes", "4096")
        .commit_interval(Duration::from_millis(20))
        .build()
        .unwrap();
    let running = Running::start(
        App::new(config)
            .state(sender)
            .topic("orders", handler(on_order)),
    );
    let all = arrived.take(1000).await;
    for partition in 0..2 {
        let numbers: Vec<usize> = all
            .iter()
            .filter(|(from, _)| *from == partition)
            .map(|(_, number)| *number)
            .collect();
        assert_eq!(numbers, (0..500).collect::<Vec<_>>());
    }
    running.stop().await.unwrap();
    assert_eq!(bench.committed("orders", 0).await, Some(500));
    assert_eq!(bench.committed("orders", 1).await, Some(500));
}

#[tokio::test(flavor = "multi_thread")]
async fn several_topics_have_several_handlers_and_states() {
    let bench = Bench::new().await;
    bench.create("a", 1).await;
    bench.create("b", 3).await;
    let (sender, mut arrived) = reports();
    let on_message =
        |meta: Meta, bytes: Bytes, State((name, sender)): State<(&'static str, Sender<_>)>| async move {
            sender.send((name, meta.topic.to_string(), bytes)).await
        };
    let app = App::new(bench.config())
        .state(("first", sender.clone()))
        .topic("a", handler(on_message))
        .state(("second", sender))
        .topic("b", handler(on_message));
    let running = Running::start(app);
    bench.publish("a", 0, numbers(10)).await;
    for partition in 0..3 {
        bench.publish("b", partition, numbers(10)).await;
    }
    let all = arrived.take(40).await;
    let kinds: BTreeSet<_> = all
        .iter()
        .map(|(name, topic, _)| (*name, topic.as_str()))
        .collect();
    assert_eq!(kinds, BTreeSet::from([("first", "a"), ("second", "b")]));
    assert_eq!(running.progress.partitions(), 4);
    running.stop().await.unwrap();
}
