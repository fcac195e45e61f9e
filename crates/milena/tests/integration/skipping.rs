//! Records that failed for good and that nobody misses: counted, committed, kept nowhere.

use milena::{
    App, Batch, BatchOutcome, HandlerError, Json, Meta, Outbox, Outgoing, State, batch_handler,
    handler,
};
use tokio::sync::mpsc::Sender;

use crate::setup::{Bench, QUICK, Running, numbers, reports};

/// What says so itself is skipped at once; other failures of the topic go their own ways.
#[tokio::test(flavor = "multi_thread")]
async fn a_handler_skips_what_is_of_no_use() {
    let bench = Bench::new().await;
    bench.create("orders", 1).await;
    let (sender, mut calls) = reports();
    let on_order = |Json(number): Json<u32>, meta: Meta, State(sender): State<Sender<_>>| async move {
        sender.send((number, meta.attempt)).await?;
        match number {
            1 => Err(HandlerError::skip("a test of the line")),
            2 => Err(HandlerError::retriable("a lock").skipped()),
            3 => Err(HandlerError::non_retriable("no")),
            4 => Err(HandlerError::terminal("of no use either").skipped()),
            _ => Ok(()),
        }
    };
    let app = App::new(bench.config())
        .state(sender)
        .topic("orders", handler(on_order).retry(QUICK));
    let running = Running::start(app);
    bench.publish("orders", 0, numbers(6)).await;
    let once = (0..6).map(|number| (number, 1));
    assert_eq!(calls.take(6).await, once.collect::<Vec<_>>());
    let letters = bench.read("orders.dlq", 1).await;
    assert_eq!(letters[0].value(), Some(&b"3"[..]));
    bench.until_committed("orders", 1, 6).await;
    let progress = running.progress.clone();
    running.stop().await.unwrap();
    let ends = (
        progress.handled(),
        progress.skipped(),
        progress.dead_lettered(),
    );
    assert_eq!((ends, progress.retries()), ((2, 3, 1), 0));
    assert_eq!(bench.end_offset("orders.dlq", 0).await, 1);
}

/// A topic without dead letters that does not stop for any either: by itself, in batches, and
/// through the retry topic.
#[tokio::test(flavor = "multi_thread")]
async fn a_topic_skips_what_failed_for_good() {
    let bench = Bench::new().await;
    for topic in ["readings", "batches", "later"] {
        bench.create(topic, 1).await;
    }
    let on_reading = |Json(number): Json<u32>| async move {
        match number {
            1 => Err(HandlerError::retriable("never")),
            _ => Ok(()),
        }
    };
    let on_batch = |Batch(numbers): Batch<Json<u32>>| async move {
        let mut outcome = BatchOutcome::default();
        for (index, Json(number)) in numbers.into_iter().enumerate() {
            if number == 1 {
                outcome.fail(index, HandlerError::retriable("never"));
            }
        }
        outcome
    };
    let single = handler(on_reading).retry(QUICK).skip_on_failure();
    let app = App::new(bench.config())
        .topic("readings", single.clone())
        .topic("later", single.retry_through_topic())
        .topic(
            "batches",
            batch_handler(on_batch)
                .records_max(4)
                .retry(QUICK)
                .skip_on_failure(),
        );
    let running = Running::start(app);
    let values = ["0", "1", "no json", "3"].map(str::to_owned);
    for topic in ["readings", "batches", "later"] {
        bench.publish(topic, 0, values.clone()).await;
        bench.until_committed(topic, 1, 4).await;
    }
    let progress = running.progress.clone();
    crate::setup::until("the one in the retry topic is skipped", || {
        progress.skipped() == 6
    })
    .await;
    running.stop().await.unwrap();
    assert_eq!((progress.handled(), progress.dead_lettered()), (6, 0));
    assert_eq!(progress.retries(), 6);
}

/// A skipped record is committed in its transaction; what its handler wanted to publish is not.
#[tokio::test(flavor = "multi_thread")]
async fn a_skipped_record_counts_once_and_publishes_nothing() {
    let bench = Bench::new().await;
    for topic in ["orders", "invoices"] {
        bench.create(topic, 1).await;
    }
    let on_order = async |Json(number): Json<usize>, outbox: Outbox| {
        outbox.publish(Outgoing::to("invoices").json(&number)?);
        match number {
            1 => Err(HandlerError::skip("a test of the line")),
            2 => Err(HandlerError::non_retriable("no")),
            _ => Ok(()),
        }
    };
    let on_order = handler(on_order).exactly_once().skip_on_failure();
    let app = App::new(bench.config()).topic("orders", on_order);
    let running = Running::start(app);
    bench.publish("orders", 0, numbers(4)).await;
    let invoices = bench.read("invoices", 2).await;
    let values: Vec<_> = invoices.iter().map(|invoice| invoice.value()).collect();
    assert_eq!(values, [Some(&b"0"[..]), Some(&b"3"[..])]);
    bench.until_committed("orders", 1, 4).await;
    let progress = running.progress.clone();
    running.stop().await.unwrap();
    assert_eq!((progress.handled(), progress.skipped()), (2, 2));
}
