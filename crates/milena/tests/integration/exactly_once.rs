//! What handlers publish counts once for each record, with its offset.

use std::collections::BTreeMap;
use std::time::Duration;

use milena::testing::{ApiKey, ErrorCode, Fault};
use milena::{
    App, AppError, Concurrency, HandlerError, Json, Key, Meta, OffsetReset, Outbox, Outgoing,
    State, dead_letter, handler,
};
use milena_client::TopicPartition;
use milena_client::admin::NewTopic;
use milena_client::consumer::{ConsumedRecord, Consumer, ConsumerConfig, IsolationLevel};
use milena_client::producer::ProducerConfig;
use milena_client::transaction::{ConsumerGroupMetadata, TransactionalProducer};
use tokio::sync::mpsc::Sender;

use crate::setup::{
    Bench, DEADLINE, QUICK, Running, few_reports, numbers, reports, until, until_some,
};

/// How long nothing may come before a test takes it for certain that nothing will.
const QUIET: Duration = Duration::from_millis(200);

/// A reader of what is committed.
async fn reader(bench: &Bench, topic: &str, partitions: i32) -> Consumer {
    let config = ConsumerConfig::new()
        .auto_offset_reset(OffsetReset::Earliest)
        .isolation_level(IsolationLevel::ReadCommitted);
    let consumer = Consumer::new(&bench.client, config).expect("a consumer");
    let name = bench.name(topic);
    let partitions = (0..partitions).map(|index| TopicPartition::new(name.as_str(), index));
    consumer
        .assign(partitions.collect())
        .await
        .expect("assigned");
    consumer
}

/// The next records; no more come.
async fn all(consumer: &Consumer, count: usize) -> Vec<ConsumedRecord> {
    let mut records = Vec::new();
    while records.len() < count {
        let next = consumer.consume_next(DEADLINE).await.expect("a record");
        records.push(next.expect("a record in time"));
    }
    let more = consumer.consume_next(QUIET).await.expect("an answer");
    assert!(more.is_none(), "{more:?} came, too");
    records
}

fn number(record: &ConsumedRecord) -> usize {
    let text = std::str::from_utf8(record.value().unwrap_or_default());
    text.unwrap_or_default()
        .trim_end()
        .parse()
        .expect("a number")
}

/// Outputs, a dead letter, and what is left of attempts that failed: nothing.
#[tokio::test(flavor = "multi_thread")]
async fn output_and_offset_count_together() {
    let bench = Bench::new().await;
    for topic in ["orders", "invoices", "orders.dlq"] {
        bench.create(topic, 1).await;
    }
    let on_order = async |Json(number): Json<usize>, meta: Meta, outbox: Outbox| {
        let invoice = Outgoing::to("invoices").json(&number)?;
        outbox.publish(invoice.header("attempt", meta.attempt.to_string()));
        match number {
            3 if meta.attempt < 3 => Err(HandlerError::retriable("not yet")),
            5 => Err(HandlerError::non_retriable("no")),
            7 => {
                outbox.publish(Outgoing::to("invoices").json(&700)?);
                Ok(())
            }
            _ => Ok(()),
        }
    };
    let app =
        App::new(bench.config()).topic("orders", handler(on_order).retry(QUICK).exactly_once());
    let running = Running::start(app);
    bench.publish("orders", 0, numbers(10)).await;
    let invoices = all(&reader(&bench, "invoices", 1).await, 10).await;
    let seen: Vec<usize> = invoices.iter().map(number).collect();
    assert_eq!(seen, [0, 1, 2, 3, 4, 6, 7, 700, 8, 9]);
    let attempt = invoices[3].headers().get_last("attempt").expect("a header");
    assert_eq!(attempt.value, Some(&b"3"[..]));
    let letters = all(&reader(&bench, "orders.dlq", 1).await, 1).await;
    assert_eq!(number(&letters[0]), 5);
    bench.until_committed("orders", 1, 10).await;
    let progress = running.progress.clone();
    assert_eq!((progress.handled(), progress.dead_lettered()), (9, 1));
    running.stop().await.unwrap();
}

/// The application is dropped again and again wherever it is; each record's output is there once.
#[tokio::test(flavor = "multi_thread")]
async fn crashes_neither_lose_nor_double_output() {
    const PARTITIONS: i32 = 3;
    const RECORDS: usize = 400;
    let bench = Bench::new().await;
    bench.create("orders", PARTITIONS).await;
    bench.create("invoices", 2).await;
    // Few enough that something is left to be handled after each crash.
    let (sender, mut handled) = few_reports(50);
    let on_order = async |Json(number): Json<usize>,
                          meta: Meta,
                          outbox: Outbox,
                          State(sender): State<Sender<()>>| {
        let key = format!("{}/{number}", meta.partition);
        outbox.publish(Outgoing::to("invoices").key(key).json(&number)?);
        tokio::task::yield_now().await;
        sender.send(()).await?;
        Ok::<(), HandlerError>(())
    };
    let app = || {
        App::new(bench.config())
            .state(sender.clone())
            .topic("orders", handler(on_order).exactly_once())
    };
    for partition in 0..PARTITIONS {
        bench.publish("orders", partition, numbers(RECORDS)).await;
    }
    for crash in 1..=4 {
        let crashing = Running::start(app());
        handled.take(37 * crash).await;
        crashing.task.abort();
        let _ = crashing.task.await;
        handled.rest();
    }
    let two = [Running::start(app()), Running::start(app())];
    for partition in 0..PARTITIONS {
        until_some("everything is handled", async || {
            handled.rest();
            let committed = bench.committed("orders", partition).await;
            (committed == Some(RECORDS as i64)).then_some(())
        })
        .await;
    }
    let count = RECORDS * PARTITIONS as usize;
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    for record in all(&reader(&bench, "invoices", 2).await, count).await {
        let key = String::from_utf8_lossy(record.key().unwrap_or_default()).into_owned();
        *seen.entry(key).or_default() += 1;
    }
    assert_eq!(seen.len(), count, "each once");
    for running in two {
        running.stop().await.unwrap();
    }
}

/// Output that can never be written fails its record, and only that.
#[tokio::test(flavor = "multi_thread")]
async fn output_that_is_refused_is_the_records_failure() {
    let bench = Bench::new().await;
    for topic in ["orders", "invoices", "orders.dlq"] {
        bench.create(topic, 1).await;
    }
    let on_order = async |Json(number): Json<i32>, outbox: Outbox| {
        let partition = if number == 2 { 99 } else { 0 };
        outbox.publish(
            Outgoing::to("invoices")
                .partition(partition)
                .json(&number)?,
        );
        Ok::<(), HandlerError>(())
    };
    let app = App::new(bench.config()).topic("orders", handler(on_order).exactly_once());
    let running = Running::start(app);
    bench.publish("orders", 0, numbers(5)).await;
    let invoices = all(&reader(&bench, "invoices", 1).await, 4).await;
    assert_eq!(
        invoices.iter().map(number).collect::<Vec<_>>(),
        [0, 1, 3, 4]
    );
    let letter = all(&reader(&bench, "orders.dlq", 1).await, 1)
        .await
        .remove(0);
    let stage = letter.headers().get_last(dead_letter::FAILURE_STAGE);
    assert_eq!(stage.and_then(|stage| stage.value), Some(&b"publish"[..]));
    assert_eq!(number(&letter), 2);
    bench.until_committed("orders", 1, 5).await;
    running.stop().await.unwrap();
}

/// Output to a topic that does not exist, or that a broker refuses with others in the same
/// transaction: its record becomes a dead letter, and no other.
#[tokio::test(flavor = "multi_thread")]
async fn output_that_a_broker_refuses_fails_no_other_record() {
    const RECORDS: usize = 20;
    let bench = Bench::new().await;
    for topic in ["orders", "orders.dlq"] {
        bench.create(topic, 1).await;
    }
    bench.create("invoices", 3).await;
    let small = NewTopic::new(bench.name("small")).partitions(1);
    let small = small.config("max.message.bytes", "1000");
    bench.create_topic(small).await;
    let on_order = async |Json(number): Json<usize>, outbox: Outbox| {
        let invoice = Outgoing::to(match number {
            5 => "nowhere",
            11 | 12 => "small",
            _ => "invoices",
        });
        let padding = if number == 12 { 5_000 } else { 0 };
        // No batch is split to make it fit: a record alone is too large.
        outbox.publish(invoice.value(format!("{number}{}", " ".repeat(padding))));
        Ok::<(), HandlerError>(())
    };
    let config = bench
        .builder()
        .set("allow.auto.create.topics", "false")
        .set("max.block.ms", "1000");
    bench.publish("orders", 0, numbers(RECORDS)).await;
    let app = App::new(config.build().unwrap()).topic("orders", handler(on_order).exactly_once());
    let running = Running::start(app);
    let mut seen: Vec<usize> = all(&reader(&bench, "invoices", 3).await, RECORDS - 3)
        .await
        .iter()
        .map(number)
        .collect();
    seen.sort_unstable();
    let others = (0..RECORDS).filter(|number| ![5, 11, 12].contains(number));
    assert_eq!(seen, others.collect::<Vec<_>>());
    let small = all(&reader(&bench, "small", 1).await, 1).await;
    assert_eq!(small.iter().map(number).collect::<Vec<_>>(), [11]);
    let letters = all(&reader(&bench, "orders.dlq", 1).await, 2).await;
    assert_eq!(letters.iter().map(number).collect::<Vec<_>>(), [5, 12]);
    bench.until_committed("orders", 1, RECORDS as i64).await;
    let progress = running.progress.clone();
    running.stop().await.unwrap();
    let expected = (RECORDS as u64 - 2, 2);
    assert_eq!((progress.handled(), progress.dead_lettered()), expected);
}

/// Somebody else was further when the partition was taken over: nothing of that is handled
/// again, and no plain commit says so again, which could take the group back when it comes late.
#[tokio::test(flavor = "multi_thread")]
async fn pitfall_15_what_a_transaction_committed_is_not_committed_without_one() {
    let bench = Bench::new().await;
    let Some(faults) = bench.faults() else {
        return;
    };
    bench.create("orders", 1).await;
    bench.publish("orders", 0, numbers(5)).await;
    let config = ProducerConfig::default().transactional_id(bench.name("former owner"));
    let former = TransactionalProducer::connect(&bench.client, config).await;
    let mut former = former.expect("a producer");
    let (sender, mut handled) = reports();
    let on_order = async |Json(number): Json<usize>, State(sender): State<Sender<usize>>| {
        sender.send(number).await
    };
    let app = App::new(bench.config())
        .state(sender)
        .topic("orders", handler(on_order).exactly_once());
    let loading = Fault::Fail(ErrorCode::CoordinatorLoadInProgress);
    faults.always(ApiKey::InitProducerId, loading);
    let running = Running::start(app);
    // It knows where to begin, and does not get its transactional id yet.
    until("it fetches", || faults.requests_seen(ApiKey::Fetch) > 0).await;
    let transaction = former.begin().await.expect("a transaction");
    let group = ConsumerGroupMetadata::without_member(bench.group.as_str());
    let offset = [(TopicPartition::new(bench.name("orders"), 0), 5)];
    transaction
        .send_offsets(&group, &offset)
        .await
        .expect("stored");
    transaction.commit().await.expect("committed");
    faults.clear();
    bench.publish("orders", 0, ["5".to_owned()]).await;
    assert_eq!(handled.next().await, 5);
    bench.until_committed("orders", 1, 6).await;
    former.close().await.expect("closed");
    running.stop().await.unwrap();
    assert_eq!(faults.requests_seen(ApiKey::OffsetCommit), 0);
}

/// Somebody else takes a partition's transactional id, and no rebalance explains it: the
/// application stops and says so.
#[tokio::test(flavor = "multi_thread")]
async fn a_stolen_transactional_id_stops_the_application() {
    let bench = Bench::new().await;
    bench.create("orders", 1).await;
    bench.create("invoices", 1).await;
    let (sender, mut handled) = reports();
    let on_order =
        async |Key(key): Key<String>, outbox: Outbox, State(sender): State<Sender<()>>| {
            outbox.publish(Outgoing::to("invoices").value(key));
            sender.send(()).await
        };
    let config = bench.builder().set("heartbeat.interval.ms", "300");
    let app = App::new(config.build().unwrap())
        .state(sender)
        .topic("orders", handler(on_order).exactly_once());
    let running = Running::start(app);
    let order = Outgoing::to("orders").key("0").value("x");
    bench.publisher.send(&order).await.unwrap();
    handled.next().await;
    bench.until_committed("orders", 1, 1).await;
    let id = format!("{}:{}:0", bench.group, bench.name("orders"));
    let config = ProducerConfig::default().transactional_id(&id);
    let thief = TransactionalProducer::connect(&bench.client, config).await;
    let thief = thief.expect("a producer");
    bench.publisher.send(&order).await.unwrap();
    let error = running.ended().await.unwrap_err();
    match error {
        AppError::Transaction {
            transactional_id,
            source,
        } => {
            assert_eq!(transactional_id, id);
            assert!(source.is_fatal(), "{source}");
        }
        error => panic!("{error}"),
    }
    assert_eq!(bench.committed("orders", 0).await, Some(1));
    thief.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_go_together_is_said_at_once() {
    let bench = Bench::new().await;
    let on_order = async || {};
    let exact = || handler(on_order).exactly_once();
    for (handler, expected) in [
        (
            exact().concurrency(Concurrency::PerKey(4)),
            "records that count exactly once are handled one after the other",
        ),
        (
            exact().retry_through_topic(),
            "records that count exactly once are tried again in place",
        ),
    ] {
        let app = App::new(bench.config()).topic("orders", handler);
        let error = app.run_until(std::future::pending()).await.unwrap_err();
        assert!(error.to_string().ends_with(expected), "{error}");
    }
}
