//! Retries that wait in a topic instead of their partition.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use milena::{
    App, Batch, Breaker, Bytes, HandlerError, Headers, Json, Key, MESSAGE_ID_HEADER, Meta,
    Outgoing, Retry, State, batch_handler, dead_letter, handler,
};
use milena_client::consumer::ConsumedRecord;
use tokio::sync::Semaphore;
use tokio::sync::mpsc::Sender;

use crate::setup::{Bench, Running, numbers, reports, until};

const HOUR: Duration = Duration::from_secs(3600);

fn after(delay: Duration) -> Retry {
    Retry::fixed(delay).cap(delay).jitter(0.0)
}

/// The group's retry topic, without the prefix.
fn retry_topic(bench: &Bench) -> String {
    format!("{}.retry", bench.group)
}

fn text(record: &ConsumedRecord, name: &str) -> String {
    let header = record.headers().get_last(name);
    let value = header.and_then(|header| header.value).unwrap_or_default();
    String::from_utf8_lossy(value).into_owned()
}

/// The records after one that failed are handled and committed before it; when it comes back, it
/// is as it was.
#[tokio::test(flavor = "multi_thread")]
async fn a_retry_does_not_hold_up_its_partition() {
    let bench = Bench::new().await;
    bench.create("orders", 1).await;
    let (sender, mut handled) = reports();
    // The second attempt waits until the commit was seen.
    let gate = Arc::new(Semaphore::new(0));
    let on_order = |Json(number): Json<u32>,
                    Key(key): Key<String>,
                    headers: Headers,
                    meta: Meta,
                    State((sender, gate)): State<(Sender<_>, Arc<Semaphore>)>| async move {
        if meta.attempt > 1 {
            let _ = gate.acquire().await?;
        }
        let names: Vec<String> = headers.iter().map(|(name, _)| name.to_owned()).collect();
        let is_first = number == 0 && meta.attempt == 1;
        sender.send((number, key, names, meta)).await?;
        if is_first {
            return Err(HandlerError::retriable("not yet"));
        }
        Ok(())
    };
    let retry = after(Duration::from_millis(50));
    let app = App::new(bench.config())
        .state((sender, gate.clone()))
        .topic(
            "orders",
            handler(on_order).retry(retry).retry_through_topic(),
        );
    let running = Running::start(app);
    for number in 0..10 {
        let message = Outgoing::to("orders")
            .key("k")
            .header("a", "1")
            .timestamp(1_600_000_000_000)
            .json(&number)
            .unwrap();
        bench.publisher.send(&message).await.unwrap();
    }
    let first = handled.take(10).await;
    let seen: Vec<u32> = first.iter().map(|one| one.0).collect();
    assert_eq!(seen, (0..10).collect::<Vec<_>>());
    bench.until_committed("orders", 1, 10).await;
    gate.add_permits(1);
    let (number, key, names, meta) = handled.next().await;
    let (_, _, _, mut original) = first.into_iter().next().unwrap();
    original.attempt = 2;
    assert_eq!((number, key.as_str(), meta), (0, "k", original));
    assert_eq!(names, ["a", MESSAGE_ID_HEADER]);
    bench.until_committed(&retry_topic(&bench), 1, 1).await;
    let counts = (running.progress.handled(), running.progress.retries());
    assert_eq!(counts, (10, 1));
    running.stop().await.unwrap();
}

/// One topic for all delays: a record with a long one does not hold up those after it. Stopping
/// puts it behind what is done, so that the commit can pass.
#[tokio::test(flavor = "multi_thread")]
async fn shorter_delays_overtake_longer_ones() {
    let bench = Bench::new().await;
    bench.create("slow", 1).await;
    bench.create("quick", 1).await;
    let (sender, mut handled) = reports();
    let fails_first = |meta: Meta, State(sender): State<Sender<_>>| async move {
        sender.send((meta.topic.to_string(), meta.attempt)).await?;
        match meta.attempt {
            1 => Err(HandlerError::retriable("not yet")),
            _ => Ok(()),
        }
    };
    let through_topic = |delay| {
        handler(fails_first)
            .retry(after(delay))
            .retry_through_topic()
    };
    let app = App::new(bench.config())
        .state(sender)
        .topic("slow", through_topic(HOUR))
        .topic("quick", through_topic(Duration::from_millis(20)));
    let running = Running::start(app);
    bench.publish("slow", 0, numbers(1)).await;
    assert_eq!(handled.next().await, ("slow".to_owned(), 1));
    bench.until_committed("slow", 1, 1).await;
    bench.publish("quick", 0, numbers(1)).await;
    assert_eq!(handled.next().await, ("quick".to_owned(), 1));
    assert_eq!(handled.next().await, ("quick".to_owned(), 2));
    running.stop().await.unwrap();
    assert_eq!(bench.committed(&retry_topic(&bench), 0).await, Some(2));
    let records = bench.read(&retry_topic(&bench), 3).await;
    let origins: Vec<String> = records
        .iter()
        .map(|record| text(record, dead_letter::ORIGIN_TOPIC))
        .collect();
    assert_eq!(
        origins,
        ["slow", "quick", "slow"].map(|topic| bench.name(topic))
    );
    assert_eq!(
        text(&records[0], dead_letter::RETRY_DUE),
        text(&records[2], dead_letter::RETRY_DUE)
    );
}

/// When the attempts are used up, the dead letter tells of all of them, and of where the record
/// was at first.
#[tokio::test(flavor = "multi_thread")]
async fn the_dead_letter_tells_where_it_all_began() {
    let bench = Bench::new().await;
    bench.create("orders", 3).await;
    let (sender, mut attempts) = reports();
    let fails = |meta: Meta, State(sender): State<Sender<_>>| async move {
        sender.send(meta.attempt).await?;
        Err::<(), _>(HandlerError::retriable(format!("attempt {}", meta.attempt)))
    };
    let retry = after(Duration::from_millis(5)).attempts(4);
    let app = App::new(bench.config())
        .state(sender)
        .topic("orders", handler(fails).retry(retry).retry_through_topic());
    let running = Running::start(app);
    bench.publish("orders", 2, ["x".to_owned()]).await;
    assert_eq!(attempts.take(4).await, [1, 2, 3, 4]);
    let letter = bench.read("orders.dlq", 1).await.remove(0);
    for (name, expected) in [
        (dead_letter::ORIGIN_TOPIC, bench.name("orders")),
        (dead_letter::ORIGIN_PARTITION, "2".to_owned()),
        (dead_letter::ORIGIN_OFFSET, "0".to_owned()),
        (dead_letter::ATTEMPTS, "4".to_owned()),
        (dead_letter::RETRY_DUE, String::new()),
    ] {
        assert_eq!(text(&letter, name), expected, "{name}");
    }
    let history = text(&letter, dead_letter::HISTORY);
    let history: serde_json::Value = serde_json::from_str(&history).unwrap();
    let messages: Vec<&str> = history
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| entry["message"].as_str().unwrap())
        .collect();
    assert_eq!(
        messages,
        ["attempt 1", "attempt 2", "attempt 3", "attempt 4"]
    );
    let progress = running.progress.clone();
    running.stop().await.unwrap();
    assert_eq!((progress.retries(), progress.dead_lettered()), (3, 1));
}

/// The application goes away while a record waits; the next one handles it.
#[tokio::test(flavor = "multi_thread")]
async fn what_waits_outlives_the_application() {
    let bench = Bench::new().await;
    bench.create("orders", 1).await;
    let (sender, mut attempts) = reports();
    let fails_first = |meta: Meta, State(sender): State<Sender<_>>| async move {
        sender.send(meta.attempt).await?;
        match meta.attempt {
            1 => Err(HandlerError::retriable("not yet")),
            _ => Ok(()),
        }
    };
    let app = || {
        let retry = after(Duration::from_millis(500));
        App::new(bench.config()).state(sender.clone()).topic(
            "orders",
            handler(fails_first).retry(retry).retry_through_topic(),
        )
    };
    bench.publish("orders", 0, numbers(1)).await;
    let first = Running::start(app());
    assert_eq!(attempts.next().await, 1);
    bench.until_committed("orders", 1, 1).await;
    first.stop().await.unwrap();
    let second = Running::start(app());
    assert_eq!(attempts.next().await, 2);
    bench.until_committed(&retry_topic(&bench), 1, 1).await;
    second.stop().await.unwrap();
}

/// Records in the retry topic that the application has no handler for any more, or that nobody
/// can read, become dead letters and are counted.
#[tokio::test(flavor = "multi_thread")]
async fn strays_in_the_retry_topic_become_dead_letters() {
    let bench = Bench::new().await;
    bench.create("gone", 1).await;
    bench.create("orders", 1).await;
    bench.publish("gone", 0, ["x".to_owned()]).await;
    let (sender, mut called) = reports();
    let fails = |State(sender): State<Sender<()>>| async move {
        sender.send(()).await?;
        Err::<(), _>(HandlerError::retriable("not yet"))
    };
    let app = |topic| {
        let retry = after(Duration::from_millis(1500));
        App::new(bench.config())
            .state(sender.clone())
            .topic(topic, handler(fails).retry(retry).retry_through_topic())
    };
    let before = Running::start(app("gone"));
    called.next().await;
    bench.until_committed("gone", 1, 1).await;
    before.stop().await.unwrap();
    let after = Running::start(app("orders"));
    let letter = bench.read("gone.dlq", 1).await.remove(0);
    for (name, expected) in [
        (dead_letter::ORIGIN_TOPIC, bench.name("gone")),
        (dead_letter::ORIGIN_OFFSET, "0".to_owned()),
        (dead_letter::FAILURE_CODE, "no-handler".to_owned()),
        (dead_letter::ATTEMPTS, "2".to_owned()),
    ] {
        assert_eq!(text(&letter, name), expected, "{name}");
    }
    assert_eq!(after.progress.without_handler(), 1);
    bench
        .publish(&retry_topic(&bench), 0, ["foreign".to_owned()])
        .await;
    let letters = format!("{}.dlq", retry_topic(&bench));
    let letter = bench.read(&letters, 1).await.remove(0);
    assert_eq!(letter.value(), Some(&b"foreign"[..]));
    assert_eq!(text(&letter, dead_letter::FAILURE_CODE), "retry-record");
    bench.until_committed(&retry_topic(&bench), 1, 2).await;
    after.stop().await.unwrap();
}

/// Of a batch, what failed waits in the topic and comes back in batches of one.
#[tokio::test(flavor = "multi_thread")]
async fn records_of_batches_come_back_alone() {
    let bench = Bench::new().await;
    bench.create("orders", 1).await;
    bench.publish("orders", 0, numbers(6)).await;
    let (sender, mut batches) = reports();
    let on_orders = |Batch(orders): Batch<(Json<u32>, Meta)>, State(sender): State<Sender<_>>| async move {
        let orders: Vec<(u32, u32)> = orders
            .into_iter()
            .map(|(Json(number), meta)| (number, meta.attempt))
            .collect();
        let _ = sender.send(orders.clone()).await;
        let results = orders.into_iter().map(|(number, attempt)| match number {
            1 | 4 if attempt < 3 => Err(HandlerError::retriable("not yet")),
            _ => Ok(()),
        });
        results.collect::<Vec<Result<(), HandlerError>>>()
    };
    let handler = batch_handler(on_orders)
        .records_max(3)
        .retry(after(Duration::from_millis(5)))
        .retry_through_topic();
    let app = App::new(bench.config())
        .state(sender)
        .topic("orders", handler);
    let running = Running::start(app);
    let mut seen = batches.take(6).await;
    seen.sort();
    let mut expected = [
        vec![(0, 1), (1, 1), (2, 1)],
        vec![(3, 1), (4, 1), (5, 1)],
        vec![(1, 2)],
        vec![(1, 3)],
        vec![(4, 2)],
        vec![(4, 3)],
    ];
    expected.sort();
    assert_eq!(seen, expected);
    bench.until_committed("orders", 1, 6).await;
    bench.until_committed(&retry_topic(&bench), 1, 4).await;
    assert_eq!(running.progress.handled(), 6);
    running.stop().await.unwrap();
}

/// A record that leaves no room for what has to be told of it is tried again in place.
#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_fit_is_tried_again_in_place() {
    let bench = Bench::new().await;
    bench.create("orders", 1).await;
    let (sender, mut attempts) = reports();
    let fails_first = |_: Bytes, meta: Meta, State(sender): State<Sender<_>>| async move {
        sender.send(meta.attempt).await?;
        match meta.attempt {
            1 => Err(HandlerError::retriable("not yet")),
            _ => Ok(()),
        }
    };
    let config = bench.builder().set("dead.letter.record.bytes", "4096");
    let retry = after(Duration::from_millis(5));
    let app = App::new(config.build().unwrap()).state(sender).topic(
        "orders",
        handler(fails_first).retry(retry).retry_through_topic(),
    );
    let running = Running::start(app);
    bench.publish("orders", 0, ["x".repeat(4000)]).await;
    assert_eq!(attempts.take(2).await, [1, 2]);
    bench.until_committed("orders", 1, 1).await;
    assert_eq!(bench.committed(&retry_topic(&bench), 0).await, None);
    running.stop().await.unwrap();
}

/// A topic that is paused, with many of its records due, does not hold up those of another.
/// Stopping writes them again behind what is done: each of them once, and they are handled once.
#[tokio::test(flavor = "multi_thread")]
async fn a_paused_topic_does_not_hold_up_the_retries_of_others() {
    const RECORDS: usize = 60;
    let bench = Bench::new().await;
    bench.create("down", 1).await;
    bench.create("fine", 1).await;
    let is_up = Arc::new(AtomicBool::new(false));
    let (sender, mut handled) = reports();
    type Reporting = (Sender<(String, u32)>, Arc<AtomicBool>);
    let on_down = async |Json(number): Json<u32>, State((sender, is_up)): State<Reporting>| {
        if !is_up.load(Ordering::SeqCst) {
            return Err(HandlerError::retriable("down"));
        }
        Ok(sender.send(("down".to_owned(), number)).await?)
    };
    let fails_first = async |meta: Meta, State((sender, _)): State<Reporting>| {
        sender.send(("fine".to_owned(), meta.attempt)).await?;
        match meta.attempt {
            1 => Err(HandlerError::retriable("not yet")),
            _ => Ok(()),
        }
    };
    let retry = after(Duration::from_millis(50)).attempts(1000);
    let app = || {
        let down = handler(on_down)
            .retry(retry)
            .retry_through_topic()
            .pause_when_failing(Breaker::after(30).pause(HOUR));
        let fine = handler(fails_first).retry(retry).retry_through_topic();
        App::new(bench.config())
            .state((sender.clone(), is_up.clone()))
            .topic("down", down)
            .topic("fine", fine)
    };
    let running = Running::start(app());
    bench.publish("down", 0, numbers(RECORDS)).await;
    until("the topic is paused", || {
        !running.progress.paused_topics().is_empty()
    })
    .await;
    bench.publish("fine", 0, numbers(1)).await;
    let fine = |attempt| ("fine".to_owned(), attempt);
    assert_eq!(handled.take(2).await, [fine(1), fine(2)]);
    assert_eq!(running.progress.dead_lettered(), 0);
    running.stop().await.unwrap();
    // How often each record waits: from where the next application reads on.
    let next_offset = bench.committed(&retry_topic(&bench), 0).await;
    let next_offset = next_offset.expect("a commit") as usize;
    let end = bench.end_offset(&retry_topic(&bench), 0).await;
    let records = bench.read(&retry_topic(&bench), end as usize).await;
    let mut waiting: Vec<String> = records[next_offset..]
        .iter()
        .map(|record| text(record, dead_letter::ORIGIN_OFFSET))
        .collect();
    let count = waiting.len();
    waiting.sort();
    waiting.dedup();
    assert_eq!(waiting.len(), count, "none waits twice");
    let done = records[..next_offset].iter();
    let done = done.filter(|record| text(record, dead_letter::ORIGIN_TOPIC) == bench.name("fine"));
    assert_eq!(done.count(), 1, "the other topic's is committed");
    is_up.store(true, Ordering::SeqCst);
    let running = Running::start(app());
    let mut seen = handled.take(RECORDS).await;
    seen.sort();
    let expected = (0..RECORDS as u32).map(|number| ("down".to_owned(), number));
    assert_eq!(seen, expected.collect::<Vec<_>>());
    bench.until_committed(&retry_topic(&bench), 1, end).await;
    running.stop().await.unwrap();
    assert_eq!(handled.rest(), []);
}
