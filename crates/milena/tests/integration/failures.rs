//! What becomes of records whose handler fails.

use std::time::Duration;

use milena::{
    App, AppError, Bytes, HandlerError, Json, Meta, Problems, Retry, State, Valid, Validate,
    handler,
};
use tokio::sync::mpsc::Sender;

use crate::setup::{Bench, QUICK, Running, numbers, reports};

#[tokio::test(flavor = "multi_thread")]
async fn failures_are_retried_then_dead_lettered() {
    let bench = Bench::new().await;
    bench.create("orders", 1).await;
    let (sender, mut calls) = reports();
    let on_order = |Json(number): Json<u32>, meta: Meta, State(sender): State<Sender<_>>| async move {
        sender.send((number, meta.attempt)).await?;
        match number {
            1 if meta.attempt < 3 => Err(HandlerError::retriable("not yet")),
            2 => Err(HandlerError::retriable("never")),
            3 => Err(HandlerError::non_retriable("no")),
            4 => panic!("number {number} is too much"),
            _ => Ok(()),
        }
    };
    let app = App::new(bench.config())
        .state(sender)
        .topic("orders", handler(on_order).retry(QUICK));
    let running = Running::start(app);
    let values = ["0", "1", "2", "3", "4", "no json", "6"].map(str::to_owned);
    bench.publish("orders", 0, values).await;
    let expected = [
        (0, 1),
        (1, 1),
        (1, 2),
        (1, 3),
        (2, 1),
        (2, 2),
        (2, 3),
        (3, 1),
        (4, 1),
        (4, 2),
        (4, 3),
        (6, 1),
    ];
    assert_eq!(calls.take(expected.len()).await, expected);
    let letters = bench.read("orders.dlq", 4).await;
    let progress = running.progress.clone();
    running.stop().await.unwrap();
    assert_eq!(bench.committed("orders", 0).await, Some(7));
    assert_eq!(
        (
            progress.handled(),
            progress.retries(),
            progress.dead_lettered()
        ),
        (3, 6, 4)
    );
    let mut seen: Vec<_> = letters.iter().map(describe).collect();
    seen.sort();
    let expected = [
        ("2", "handle", "retriable", "handler", "never", "3"),
        ("3", "handle", "non-retriable", "handler", "no", "1"),
        (
            "4",
            "handle",
            "retriable",
            "panic",
            "the handler panicked: number 4 is too much",
            "3",
        ),
        (
            "no json",
            "decode",
            "non-retriable",
            "json",
            "expected ident at line 1 column 2",
            "1",
        ),
    ];
    let expected: Vec<_> = expected
        .into_iter()
        .map(|(a, b, c, d, e, f)| [a, b, c, d, e, f].map(str::to_owned))
        .collect();
    assert_eq!(seen, expected);
}

/// Value, stage, class, code, message and attempts of a dead letter.
fn describe(letter: &milena_client::consumer::ConsumedRecord) -> [String; 6] {
    use milena::dead_letter as names;
    let header = |name: &str| {
        let header = letter
            .headers()
            .get_last(name)
            .and_then(|header| header.value);
        String::from_utf8_lossy(header.unwrap_or_default()).into_owned()
    };
    [
        String::from_utf8_lossy(letter.value().unwrap_or_default()).into_owned(),
        header(names::FAILURE_STAGE),
        header(names::FAILURE_CLASS),
        header(names::FAILURE_CODE),
        header(names::FAILURE_MESSAGE),
        header(names::ATTEMPTS),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_terminal_failure_stops_and_commits_nothing_of_it() {
    let bench = Bench::new().await;
    bench.create("orders", 1).await;
    bench.publish("orders", 0, numbers(10)).await;
    let on_order = |Json(number): Json<u32>| async move {
        if number == 4 {
            Err(HandlerError::terminal("the disk is on fire"))
        } else {
            Ok(())
        }
    };
    let app = App::new(bench.config()).topic("orders", handler(on_order));
    let error = Running::start(app).ended().await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "terminal failure at orders/0 offset 4: the disk is on fire"
    );
    assert_eq!(bench.committed("orders", 0).await, Some(4));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_dead_letters_a_failure_stops_the_application() {
    let bench = Bench::new().await;
    bench.create("orders", 1).await;
    bench.publish("orders", 0, ["x".to_owned()]).await;
    let on_order = |_: Json<u32>| async {};
    let app = App::new(bench.config()).topic("orders", handler(on_order).stop_on_failure());
    let error = Running::start(app).ended().await.unwrap_err();
    assert!(
        matches!(error, AppError::Terminal { offset: 0, .. }),
        "{error}"
    );
    assert_eq!(bench.committed("orders", 0).await, None);
}

/// A record that is tried again and again holds up its own partition only.
#[tokio::test(flavor = "multi_thread")]
async fn a_retry_holds_up_one_partition() {
    let bench = Bench::new().await;
    bench.create("orders", 2).await;
    let (sender, mut handled) = reports();
    let on_order = |meta: Meta, bytes: Bytes, State(sender): State<Sender<_>>| async move {
        if meta.partition == 0 {
            return Err(HandlerError::retriable("for ever"));
        }
        sender.send(bytes).await?;
        Ok(())
    };
    let retry = Retry::fixed(Duration::from_secs(3600)).attempts(100);
    let app = App::new(bench.config())
        .state(sender)
        .topic("orders", handler(on_order).retry(retry));
    let running = Running::start(app);
    bench.publish("orders", 0, numbers(10)).await;
    bench.publish("orders", 1, numbers(100)).await;
    assert_eq!(handled.take(100).await.len(), 100);
    running.stop().await.unwrap();
    assert_eq!(bench.committed("orders", 0).await, None);
    assert_eq!(bench.committed("orders", 1).await, Some(100));
}

#[tokio::test(flavor = "multi_thread")]
async fn layers_wrap_every_attempt() {
    let bench = Bench::new().await;
    bench.create("orders", 1).await;
    bench.publish("orders", 0, ["x".to_owned()]).await;
    let (sender, mut attempts) = reports();
    let hangs = || std::future::pending::<()>();
    let report = tower::layer::layer_fn(move |inner| Reporting {
        inner,
        sender: sender.clone(),
    });
    let limit = tower::layer::layer_fn(|inner| Limited { inner });
    let app = App::new(bench.config()).topic(
        "orders",
        handler(hangs).retry(QUICK).layer(limit).layer(report),
    );
    let running = Running::start(app);
    assert_eq!(attempts.take(3).await, [1, 2, 3]);
    let letters = bench.read("orders.dlq", 1).await;
    let [_, stage, class, code, message, tried] = describe(&letters[0]);
    assert_eq!(
        [stage, class, code, message, tried],
        ["handle", "retriable", "layer", "too slow", "3"]
    );
    running.stop().await.unwrap();
}

#[derive(Clone)]
struct Reporting<Inner> {
    inner: Inner,
    sender: Sender<u32>,
}

impl<Inner: tower::Service<milena::Message>> tower::Service<milena::Message> for Reporting<Inner> {
    type Response = Inner::Response;
    type Error = Inner::Error;
    type Future = Inner::Future;

    fn poll_ready(
        &mut self,
        context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Result<(), Inner::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, message: milena::Message) -> Inner::Future {
        self.sender
            .try_send(message.attempt())
            .expect("room for reports");
        self.inner.call(message)
    }
}

/// Gives up on the handler the first time it has to be waited for.
#[derive(Clone)]
struct Limited<Inner> {
    inner: Inner,
}

impl<Inner> tower::Service<milena::Message> for Limited<Inner>
where
    Inner: tower::Service<milena::Message, Response = (), Error = HandlerError>,
    Inner::Future: Send + 'static,
{
    type Response = ();
    type Error = milena::BoxError;
    type Future = std::pin::Pin<Box<dyn Future<Output = Result<(), milena::BoxError>> + Send>>;

    fn poll_ready(
        &mut self,
        context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Result<(), milena::BoxError>> {
        self.inner.poll_ready(context).map_err(Into::into)
    }

    fn call(&mut self, message: milena::Message) -> Self::Future {
        let handling = self.inner.call(message);
        Box::pin(async move {
            match tokio::time::timeout(Duration::ZERO, handling).await {
                Ok(result) => result.map_err(Into::into),
                Err(_) => Err("too slow".into()),
            }
        })
    }
}

struct Payment {
    cents: i64,
}

impl<'de> serde::Deserialize<'de> for Payment {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Payment, D::Error> {
        i64::deserialize(deserializer).map(|cents| Payment { cents })
    }
}

impl Validate for Payment {
    fn validate(&self, problems: &mut Problems) {
        problems.check(self.cents > 0, "cents", "must be positive");
    }
}

/// What can be read and does not make sense goes to the dead letter topic as it came, with the
/// field.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_valid_is_a_dead_letter() {
    let bench = Bench::new().await;
    bench.create("payments", 1).await;
    let (sender, mut handled) = reports();
    let on_payment = |Valid(Json(payment)): Valid<Json<Payment>>,
                      State(sender): State<Sender<_>>| async move {
        sender.send(payment.cents).await
    };
    let app = App::new(bench.config())
        .state(sender)
        .topic("payments", handler(on_payment));
    let running = Running::start(app);
    let values = [" -5 ", "7"].map(str::to_owned);
    bench.publish("payments", 0, values).await;
    assert_eq!(handled.next().await, 7);
    let letters = bench.read("payments.dlq", 1).await;
    let expected = [
        " -5 ",
        "validate",
        "non-retriable",
        "invalid",
        "cents: must be positive",
        "1",
    ];
    assert_eq!(describe(&letters[0]), expected);
    running.stop().await.unwrap();
    assert_eq!(bench.committed("payments", 0).await, Some(2));
}
