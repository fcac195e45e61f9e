//! Records that are handled many at once.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use milena::testing::{ApiKey, ErrorCode, Fault};
use milena::{
    App, Batch, BatchFailures, BatchOutcome, BoxError, Breaker, Bytes, HandlerError, Json, Message,
    Meta, Retry, State, batch_handler, dead_letter,
};
use milena_client::admin::NewTopic;
use tokio::sync::mpsc::Sender;
use tokio::sync::oneshot;

use crate::setup::{Bench, Reports, Running, numbers, reports, until};

const LONG: Duration = Duration::from_secs(3600);

/// Complete batches are handled at once, an incomplete one after its time; each holds records of
/// one partition in their order.
#[tokio::test(flavor = "multi_thread")]
async fn batches_are_complete_by_number_or_by_time() {
    let bench = Bench::new().await;
    bench.create("orders", 2).await;
    for partition in 0..2 {
        bench.publish("orders", partition, numbers(25)).await;
    }
    let (sender, mut batches) = reports();
    let on_orders = |Batch(orders): Batch<(Json<usize>, Meta)>, State(sender): State<Sender<_>>| async move {
        let partition = orders[0].1.partition;
        assert!(orders.iter().all(|(_, meta)| meta.partition == partition));
        let orders: Vec<usize> = orders.into_iter().map(|(Json(number), _)| number).collect();
        sender.send((partition, orders, Instant::now())).await
    };
    let wait = Duration::from_millis(300);
    let handler = batch_handler(on_orders).records_max(10).wait_max(wait);
    let app = App::new(bench.config()).state(sender);
    let running = Running::start(app.topic("orders", handler));
    let mut seen = batches.take(6).await;
    seen.sort_by_key(|(partition, orders, _)| (*partition, orders[0]));
    for batches in seen.chunks(3) {
        let numbers: Vec<Vec<usize>> = batches.iter().map(|batch| batch.1.clone()).collect();
        let expected = [0..10, 10..20, 20..25].map(Vec::from_iter);
        assert_eq!(numbers, expected);
        let waited = batches[2].2.duration_since(batches[1].2);
        assert!(waited >= Duration::from_millis(250), "{waited:?}");
    }
    bench.until_committed("orders", 2, 25).await;
    assert_eq!(running.progress.handled(), 50);
    running.stop().await.unwrap();
}

/// Of ten records some cannot be read, some fail for good, some fail twice: each goes its own
/// way, and those that succeeded are not handled again.
#[tokio::test(flavor = "multi_thread")]
async fn each_record_of_a_batch_goes_its_own_way() {
    let bench = Bench::new().await;
    bench.create("orders", 1).await;
    let values = ["0", "1", "x", "3", "4", "5", "6", "7", "8", "9"];
    let values = values.map(str::to_owned);
    bench.publish("orders", 0, values).await;
    let (sender, mut batches) = reports();
    let on_orders = |Batch(orders): Batch<(Json<u32>, Meta)>, State(sender): State<Sender<_>>| async move {
        let orders: Vec<(u32, u32)> = orders
            .into_iter()
            .map(|(Json(number), meta)| (number, meta.attempt))
            .collect();
        sender.send(orders.clone()).await?;
        let mut outcome = BatchOutcome::default();
        for (index, (number, attempt)) in orders.into_iter().enumerate() {
            match number {
                1 => outcome.fail(index, HandlerError::non_retriable("no").with_code("one")),
                5 if attempt < 3 => outcome.fail(index, HandlerError::retriable("not yet")),
                7 => outcome.fail(index, HandlerError::retriable("never").with_code("seven")),
                _ => {}
            }
        }
        Ok::<_, HandlerError>(outcome)
    };
    let handler = batch_handler(on_orders)
        .records_max(10)
        .wait_max(LONG)
        .retry(Retry::fixed(Duration::from_millis(2)).attempts(4));
    let app = App::new(bench.config()).state(sender);
    let running = Running::start(app.topic("orders", handler));
    let first = [0, 1, 3, 4, 5, 6, 7, 8, 9]
        .map(|number| (number, 1))
        .to_vec();
    let expected = [
        first,
        vec![(5, 2), (7, 2)],
        vec![(5, 3), (7, 3)],
        vec![(7, 4)],
    ];
    assert_eq!(batches.take(4).await, expected);
    bench.until_committed("orders", 1, 10).await;
    let letters = bench.read("orders.dlq", 3).await;
    let mut seen: Vec<_> = letters
        .iter()
        .map(|letter| {
            let text = |name| {
                let header = letter
                    .headers()
                    .get_last(name)
                    .and_then(|header| header.value);
                String::from_utf8_lossy(header.unwrap_or_default()).into_owned()
            };
            let offset = text(dead_letter::ORIGIN_OFFSET);
            let code = text(dead_letter::FAILURE_CODE);
            (offset, code, text(dead_letter::ATTEMPTS))
        })
        .collect();
    seen.sort();
    let expected = [("1", "one", "1"), ("2", "json", "1"), ("7", "seven", "4")];
    let expected = expected.map(|(a, b, c)| (a.to_owned(), b.to_owned(), c.to_owned()));
    assert_eq!(seen, expected);
    let progress = running.progress.clone();
    running.stop().await.unwrap();
    let counts = (
        progress.handled(),
        progress.retries(),
        progress.dead_lettered(),
    );
    assert_eq!(counts, (7, 5, 3));
}

/// A batch that fails as a whole, by error or panic, is tried again as a whole.
#[tokio::test(flavor = "multi_thread")]
async fn a_batch_that_failed_is_tried_again() {
    let bench = Bench::new().await;
    bench.create("orders", 1).await;
    bench.publish("orders", 0, numbers(3)).await;
    let (sender, mut attempts) = reports();
    let on_orders = |Batch(orders): Batch<(Bytes, Meta)>, State(sender): State<Sender<_>>| async move {
        let attempt = orders[0].1.attempt;
        sender.send((orders.len(), attempt)).await?;
        match attempt {
            1 => Err(HandlerError::retriable("down")),
            2 => panic!("attempt {attempt}"),
            _ => Ok(()),
        }
    };
    let handler = batch_handler(on_orders)
        .records_max(3)
        .retry(Retry::fixed(Duration::from_millis(2)));
    let app = App::new(bench.config()).state(sender);
    let running = Running::start(app.topic("orders", handler));
    assert_eq!(attempts.take(3).await, [(3, 1), (3, 2), (3, 3)]);
    bench.until_committed("orders", 1, 3).await;
    running.stop().await.unwrap();
}

/// While some records of a batch wait to be tried again, the commit stays before the first of
/// them; what was only collected when the application stops is not handled.
#[tokio::test(flavor = "multi_thread")]
async fn a_batch_that_is_partly_done_is_committed_in_part() {
    let bench = Bench::new().await;
    bench.create("orders", 1).await;
    bench.publish("orders", 0, numbers(7)).await;
    let (sender, mut batches) = reports();
    let on_orders = |Batch(orders): Batch<Json<u32>>, State(sender): State<Sender<_>>| async move {
        let results: Vec<Result<(), HandlerError>> = orders
            .iter()
            .map(|Json(number)| match number {
                3 => Err(HandlerError::retriable("later")),
                _ => Ok(()),
            })
            .collect();
        let _ = sender.send(orders.len()).await;
        results
    };
    let handler = batch_handler(on_orders)
        .records_max(5)
        .wait_max(LONG)
        .retry(Retry::fixed(LONG));
    let app = App::new(bench.config()).state(sender);
    let running = Running::start(app.topic("orders", handler));
    assert_eq!(batches.next().await, 5);
    bench.until_committed("orders", 1, 3).await;
    running.stop().await.unwrap();
    assert_eq!(batches.rest(), [0_usize; 0]);
    assert_eq!(bench.committed("orders", 0).await, Some(3));
}

/// A handler that was called with one record, and what it is to answer.
struct Call {
    partition: i32,
    offset: i64,
    attempt: u32,
    answer: oneshot::Sender<Result<(), HandlerError>>,
}

impl Call {
    fn succeed(self) {
        self.answer.send(Ok(())).expect("it waits");
    }

    fn fail(self) {
        let error = HandlerError::retriable("down");
        self.answer.send(Err(error)).expect("it waits");
    }
}

/// The next call, which is the one that is said, in whatever order others come.
async fn call(
    calls: &mut Reports<Call>,
    early: &mut Vec<Call>,
    (partition, offset, attempt): (i32, i64, u32),
) -> Call {
    let is_it =
        |call: &Call| (call.partition, call.offset, call.attempt) == (partition, offset, attempt);
    loop {
        if let Some(place) = early.iter().position(is_it) {
            return early.swap_remove(place);
        }
        early.push(calls.next().await);
    }
}

/// A record is to wait in the retry topic. Until that has refused it, its topic is paused, in
/// which a record of so many attempts would be given up instead: it is tried again all the same,
/// as was decided, and neither left out nor given up.
#[tokio::test(flavor = "multi_thread")]
async fn a_record_is_not_lost_between_two_decisions() {
    let bench = Bench::new().await;
    let Some(faults) = bench.faults() else {
        return;
    };
    bench.create("orders", 2).await;
    for partition in 0..2 {
        bench.publish("orders", partition, numbers(2)).await;
    }
    let retry_topic = NewTopic::new(format!("{}.retry", bench.group));
    let retry_topic = retry_topic.config("max.message.bytes", "16");
    bench.create_topic(retry_topic).await;
    let (sender, mut calls) = reports();
    let on_orders = |Batch(orders): Batch<Meta>, State(sender): State<Sender<_>>| async move {
        let (answer, answered) = oneshot::channel();
        let called = Call {
            partition: orders[0].partition,
            offset: orders[0].offset,
            attempt: orders[0].attempt,
            answer,
        };
        sender.send(called).await?;
        answered.await?
    };
    let handler = batch_handler(on_orders)
        .records_max(1)
        .retry(Retry::fixed(Duration::from_millis(1)).attempts(2))
        .retry_through_topic()
        .pause_when_failing(Breaker::after(2).pause(Duration::from_millis(20)));
    let app = App::new(bench.config()).state(sender);
    let running = Running::start(app.topic("orders", handler));
    let is_paused = || !running.progress.paused_topics().is_empty();
    let early = &mut Vec::new();

    // The other partition's record fails, and is refused by the retry topic: its next attempt
    // is under way when the topic is paused by the record's first failure.
    call(&mut calls, early, (1, 0, 1)).await.fail();
    let other = call(&mut calls, early, (1, 0, 2)).await;
    call(&mut calls, early, (0, 0, 1)).await.fail();
    until("the topic is paused", is_paused).await;
    until("one attempt is none of the record's", || {
        running.progress.retries() == 2
    })
    .await;
    other.succeed();
    until("the topic goes on", || !is_paused()).await;

    // The record's second failure sends it to the retry topic, which does not answer yet.
    let other = call(&mut calls, early, (1, 1, 1)).await;
    let record = call(&mut calls, early, (0, 0, 2)).await;
    let seen = faults.requests_seen(ApiKey::Produce);
    faults.always(ApiKey::Produce, Fault::Fail(ErrorCode::NotEnoughReplicas));
    record.fail();
    until("it is on its way", || {
        faults.requests_seen(ApiKey::Produce) > seen
    })
    .await;
    other.fail();
    until("the topic is paused again", is_paused).await;
    faults.clear();
    until("both are to be tried again in place", || {
        running.progress.retries() == 4
    })
    .await;
    call(&mut calls, early, (1, 1, 2)).await.succeed();
    call(&mut calls, early, (0, 0, 3)).await.succeed();
    call(&mut calls, early, (0, 1, 1)).await.succeed();
    bench.until_committed("orders", 2, 2).await;
    assert_eq!(running.progress.dead_lettered(), 0);
    running.stop().await.unwrap();
}

/// Every attempt at a batch passes the layers; an error of theirs fails all its records, and those
/// that the handler failed come through.
#[tokio::test(flavor = "multi_thread")]
async fn layers_wrap_every_attempt_at_a_batch() {
    let bench = Bench::new().await;
    bench.create("orders", 1).await;
    bench.publish("orders", 0, numbers(4)).await;
    let (sender, mut attempts) = reports();
    let busy = tower::layer::layer_fn(move |inner| BusyAtFirst {
        inner,
        calls: Arc::default(),
        sender: sender.clone(),
    });
    let on_orders = |Batch(orders): Batch<Json<u32>>| async move {
        let judge = |Json(number): Json<u32>| match number {
            2 => Err(HandlerError::non_retriable("no")),
            _ => Ok(()),
        };
        orders.into_iter().map(judge).collect::<Vec<_>>()
    };
    let retry = Retry::fixed(Duration::from_millis(2)).attempts(3);
    let handler = batch_handler(on_orders).records_max(4).retry(retry);
    let app = App::new(bench.config()).topic("orders", handler.layer(busy));
    let running = Running::start(app);
    assert_eq!(attempts.take(2).await, [4, 4]);
    let letters = bench.read("orders.dlq", 1).await;
    assert_eq!(letters[0].value(), Some(&b"2"[..]));
    bench.until_committed("orders", 1, 4).await;
    let progress = running.progress.clone();
    running.stop().await.unwrap();
    assert_eq!((progress.handled(), progress.dead_lettered()), (3, 1));
    assert_eq!(attempts.rest(), [0; 0]);
}

/// Refuses its first batch.
#[derive(Clone)]
struct BusyAtFirst<Inner> {
    inner: Inner,
    calls: Arc<AtomicUsize>,
    sender: Sender<usize>,
}

impl<Inner> tower::Service<Vec<Message>> for BusyAtFirst<Inner>
where
    Inner: tower::Service<Vec<Message>, Response = BatchFailures, Error = HandlerError>,
    Inner::Future: Send + 'static,
{
    type Response = BatchFailures;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<BatchFailures, BoxError>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(context).map_err(Into::into)
    }

    fn call(&mut self, messages: Vec<Message>) -> Self::Future {
        self.sender.try_send(messages.len()).expect("room");
        if self.calls.fetch_add(1, Ordering::Relaxed) == 0 {
            return Box::pin(std::future::ready(Err("too busy".into())));
        }
        let handling = self.inner.call(messages);
        Box::pin(async { Ok(handling.await?) })
    }
}
