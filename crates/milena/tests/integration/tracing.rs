//! Trace contexts travel with messages, and logs and spans tell of both.
//!
//! One thread each: what is logged is captured for the thread that a test runs on.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use milena::telemetry::{EVENT_TARGET, TRACEPARENT_HEADER, TraceContext};
use milena::{
    App, Batch, BatchOutcome, Bytes, Config, Consumer, Delivered, HandlerError, Outbox, Outgoing,
    Publisher, Retry, State, batch_handler, handler,
};
use milena_client::consumer::ConsumedRecord;
use opentelemetry::trace::{SpanKind, TracerProvider as _};
use opentelemetry_sdk::trace::{InMemorySpanExporter, SdkTracerProvider};
use tokio::sync::mpsc::Sender;
use tracing::Dispatch;
use tracing::level_filters::LevelFilter;
use tracing::subscriber::DefaultGuard;
use tracing_subscriber::Registry;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::setup::{Bench, DEADLINE, Running, reports, until, within};

const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

fn parent() -> TraceContext {
    PARENT.parse().expect("a traceparent")
}

/// What the thread logs, as long as this is there.
#[derive(Clone, Default)]
pub(crate) struct Log {
    lines: Arc<Mutex<Vec<u8>>>,
}

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.lines.lock().expect("no panic").extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Log;

    fn make_writer(&'a self) -> Log {
        self.clone()
    }
}

/// With one subscriber alone, `tracing` asks the thread that meets an event first, and may keep
/// its answer for all threads: tests that begin together would miss each other's events.
static SEVERAL: LazyLock<[Dispatch; 2]> =
    LazyLock::new(|| [(); 2].map(|()| Dispatch::new(Registry::default().with(LevelFilter::OFF))));

impl Log {
    pub(crate) fn capture(filter: Targets) -> (Log, DefaultGuard) {
        LazyLock::force(&SEVERAL);
        let log = Log::default();
        let guard = tracing_subscriber::registry()
            .with(filter)
            .with(log.layer())
            .set_default();
        (log, guard)
    }

    /// Writes its lines here.
    fn layer<S>(&self) -> impl tracing_subscriber::Layer<S>
    where
        S: tracing::Subscriber + for<'a> tracing_subscriber::registry::LookupSpan<'a>,
    {
        tracing_logfmt::builder()
            .with_span_path(false)
            .layer()
            .with_writer(self.clone())
    }

    /// The fields of each line, by name. No value here has spaces but errors, which are quoted.
    fn lines(&self) -> Vec<BTreeMap<String, String>> {
        let bytes = self.lines.lock().expect("no panic").clone();
        let text = String::from_utf8(bytes).expect("UTF-8");
        text.lines().map(fields).collect()
    }

    /// The lines of an event.
    pub(crate) fn of(&self, event: &str) -> Vec<BTreeMap<String, String>> {
        let mut lines = self.lines();
        lines.retain(|fields| fields.get("event").is_some_and(|name| name == event));
        lines
    }
}

/// `a=1 b="c d"` as a map; a name may come once.
fn fields(line: &str) -> BTreeMap<String, String> {
    let mut fields = BTreeMap::new();
    let line = line.replace("\\\"", "'");
    let mut rest = line.as_str();
    while let Some((name, after)) = rest.split_once('=') {
        let (value, after) = match after.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"').expect("a closing quote"),
            None => after.split_at(after.find(' ').unwrap_or(after.len())),
        };
        let before = fields.insert(name.trim().to_owned(), value.to_owned());
        assert_eq!(before, None, "{name} comes twice in {line}");
        rest = after;
    }
    fields
}

fn header(record: &ConsumedRecord, name: &str) -> Option<String> {
    let mut headers = record.headers().iter();
    let header = headers.find(|header| header.key == name.as_bytes())?;
    header
        .value
        .map(|value| String::from_utf8_lossy(value).into_owned())
}

/// What is on the topic is in the trace.
fn assert_carried(record: &ConsumedRecord) {
    assert_eq!(header(record, TRACEPARENT_HEADER).as_deref(), Some(PARENT));
    assert_eq!(header(record, "tracestate").as_deref(), Some("a=1"));
}

fn config(bench: &Bench, mode: &str) -> Config {
    let builder = bench.builder().set("trace.context", mode);
    builder.build().expect("a config")
}

/// Publishes what it is given to `next`, or fails, by the value.
async fn pass_on(
    message: milena::Message,
    State(publisher): State<Publisher>,
) -> Result<(), HandlerError> {
    tracing::info!(event = "passing_on");
    let value = message.value_bytes().unwrap_or_default();
    match &value[..] {
        b"fail" => Err(HandlerError::non_retriable("enough")),
        b"retry" if message.attempt() == 1 => Err(HandlerError::retriable("not yet")),
        _ => {
            let delivery = publisher
                .enqueue(&Outgoing::to("next").value(value))
                .await?;
            delivery.await?;
            Ok(())
        }
    }
}

#[tokio::test]
async fn a_trace_goes_through_handlers_retries_and_dead_letters() {
    let bench = Bench::new().await;
    for topic in ["orders", "next", "orders.dlq"] {
        bench.create(topic, 1).await;
    }
    let handler = handler(pass_on).retry(Retry::fixed(Duration::ZERO));
    let app = App::new(bench.config())
        .state(bench.publisher.clone())
        .topic("orders", handler);
    let running = Running::start(app);
    for value in ["plain", "retry", "fail"] {
        let message = Outgoing::to("orders").value(value);
        let sent = bench.publisher.send(&message);
        let context = parent().with_state("a=1");
        context.scope(sent).await.expect("sent");
    }
    let untraced = Outgoing::to("orders").value("untraced");
    bench.publisher.send(&untraced).await.expect("sent");
    for record in bench.read("orders", 3).await {
        assert_carried(&record);
    }
    let passed_on = bench.read("next", 3).await;
    let values: Vec<_> = passed_on
        .iter()
        .map(|record| record.value_bytes())
        .collect();
    assert_eq!(
        values,
        ["plain", "retry", "untraced"].map(|value| Some(value.into()))
    );
    passed_on[..2].iter().for_each(assert_carried);
    assert_eq!(header(&passed_on[2], TRACEPARENT_HEADER), None);
    assert_carried(&bench.read("orders.dlq", 1).await[0]);
    running.stop().await.expect("stopped");
}

#[tokio::test]
async fn a_reliable_publisher_keeps_the_trace() {
    let bench = Bench::new().await;
    for topic in ["orders", "orders.dlq"] {
        bench.create(topic, 1).await;
    }
    let publisher = bench.publisher.reliable().build().expect("a publisher");
    // There is no such partition: it goes to the dead letter topic at once, from a task
    // of the publisher.
    let message = Outgoing::to("orders").partition(99).value("lost");
    let context = parent().with_state("a=1");
    let delivered = context.scope(publisher.deliver(message)).await;
    let dead_lettered = Delivered::DeadLettered(bench.name("orders.dlq"));
    assert_eq!(delivered.expect("a dead letter"), dead_lettered);
    assert_carried(&bench.read("orders.dlq", 1).await[0]);
    let traced = Outgoing::to("orders").header(TRACEPARENT_HEADER, PARENT);
    let other = TraceContext::generate();
    other.scope(publisher.deliver(traced)).await.expect("sent");
    let record = &bench.read("orders", 1).await[0];
    assert_eq!(header(record, TRACEPARENT_HEADER).as_deref(), Some(PARENT));
    publisher.close(DEADLINE).await;
}

#[tokio::test]
async fn contexts_are_made_or_left_alone_as_configured() {
    let bench = Bench::new().await;
    for topic in ["off", "generate", "orders", "orders.dlq"] {
        bench.create(topic, 1).await;
    }
    for mode in ["off", "generate"] {
        let publisher = Publisher::new(&config(&bench, mode)).expect("a publisher");
        let message = Outgoing::to(mode).value("x");
        let sent = publisher.send(&message);
        match mode {
            "off" => parent().scope(sent).await.expect("sent"),
            _ => sent.await.expect("sent"),
        };
        let record = &bench.read(mode, 1).await[0];
        let made = header(record, TRACEPARENT_HEADER);
        assert_eq!(made.is_some(), mode == "generate");
        assert!(made.is_none_or(|made| made.parse::<TraceContext>().is_ok()));
    }
    let (sender, mut seen) = reports();
    let look = |State(sender): State<Sender<_>>| async move {
        let _ = sender.send(TraceContext::current()).await;
        Err::<(), _>(HandlerError::non_retriable("enough"))
    };
    let app = App::new(config(&bench, "generate"))
        .state(sender)
        .topic("orders", handler(look));
    let running = Running::start(app);
    let untraced = Outgoing::to("orders").value("x");
    bench.publisher.send(&untraced).await.expect("sent");
    let made: TraceContext = seen.next().await.expect("a context");
    let letter = &bench.read("orders.dlq", 1).await[0];
    assert_eq!(header(letter, TRACEPARENT_HEADER), Some(made.to_string()));
    running.stop().await.expect("stopped");
}

#[tokio::test]
async fn each_record_has_its_events() {
    let filter = Targets::new()
        .with_target(EVENT_TARGET, LevelFilter::DEBUG)
        .with_target("milena", LevelFilter::INFO)
        .with_target("integration", LevelFilter::INFO);
    let (log, _guard) = Log::capture(filter);
    let bench = Bench::new().await;
    bench.create("orders", 1).await;
    let app = App::new(config(&bench, "continue"))
        .state(bench.publisher.clone())
        .topic(
            "orders",
            handler(pass_on).retry(Retry::fixed(Duration::ZERO)),
        );
    let running = Running::start(app);
    for value in ["plain", "retry", "fail"] {
        let message = Outgoing::to("orders").id(value).value(value);
        parent()
            .scope(bench.publisher.send(&message))
            .await
            .expect("sent");
    }
    let lost = Outgoing::to("orders").id("lost").partition(99);
    bench
        .publisher
        .send(&lost)
        .await
        .expect_err("no such partition");
    bench.until_committed("orders", 1, 3).await;
    running.stop().await.expect("stopped");

    let names = |fields: &BTreeMap<String, String>| -> BTreeSet<String> {
        let general = ["ts", "level", "target", "event"];
        let names = fields.keys().map(String::as_str);
        let names = names.filter(|name| !general.contains(name) && !name.starts_with("messaging."));
        names.map(str::to_owned).collect()
    };
    let place = ["topic", "partition", "offset", "duration_ms"];
    for (event, count, further) in [
        ("producer_send", 3, &["message_id", "trace_id"][..]),
        ("consumer_handle", 3, &["outcome", "trace_id"]),
        ("consumer_commit", 1, &[]),
        ("consumer_receive", 1, &["messages_count"]),
    ] {
        let mut lines = log.of(event);
        lines.retain(|fields| fields["topic"] == bench.name("orders"));
        assert!(lines.len() >= count, "{event}: {lines:?}");
        for line in &lines {
            let expected = place.iter().chain(further).map(|name| (*name).to_owned());
            assert_eq!(names(line), expected.collect::<BTreeSet<_>>(), "{event}");
            assert!(line["duration_ms"].parse::<f64>().is_ok(), "{line:?}");
            assert!(line.get("trace_id").is_none_or(|trace| trace == TRACE));
        }
    }
    let outcomes: Vec<_> = log.of("consumer_handle");
    let outcomes: Vec<_> = outcomes
        .iter()
        .map(|line| (line["offset"].as_str(), line["outcome"].as_str()))
        .collect();
    let expected = [("0", "handled"), ("1", "handled"), ("2", "dead_lettered")];
    assert_eq!(outcomes, expected);
    assert_eq!(
        log.of("consumer_commit").last().expect("one")["offset"],
        "3"
    );
    let failed = &log.of("producer_send_failed")[0];
    assert_eq!(failed["message_id"], "lost");
    assert!(failed["error"].contains("99"), "{failed:?}");
    // What goes wrong, and what handlers log and publish, is found by its trace.
    for event in ["handler_retry", "dead_letter", "passing_on"] {
        let lines = log.of(event);
        assert!(!lines.is_empty(), "{event}");
        assert!(
            lines.iter().all(|line| line["trace_id"] == TRACE),
            "{event}"
        );
    }
    let passed_on = log.of("producer_send");
    let passed_on: Vec<_> = passed_on
        .iter()
        .filter(|line| line["topic"] == bench.name("next"))
        .collect();
    assert_eq!(passed_on.len(), 2);
    assert!(passed_on.iter().all(|line| line["trace_id"] == TRACE));
}

#[tokio::test]
async fn nothing_is_told_of_records_unless_asked_for() {
    let filter = Targets::new().with_default(LevelFilter::INFO);
    let (log, _guard) = Log::capture(filter);
    let bench = Bench::new().await;
    bench.create("orders", 1).await;
    bench.publish("orders", 0, ["x".to_owned()]).await;
    assert!(log.of("producer_send").is_empty());
    assert!(
        log.lines()
            .iter()
            .all(|line| line["target"] != EVENT_TARGET)
    );
}

/// The layer of OpenTelemetry, what it exported, and what was logged of records meanwhile.
fn opentelemetry() -> (InMemorySpanExporter, Log, DefaultGuard) {
    LazyLock::force(&SEVERAL);
    let exporter = InMemorySpanExporter::default();
    let provider = SdkTracerProvider::builder()
        .with_simple_exporter(exporter.clone())
        .build();
    let layer = tracing_opentelemetry::layer().with_tracer(provider.tracer("test"));
    let filter = Targets::new()
        .with_default(LevelFilter::INFO)
        .with_target(EVENT_TARGET, LevelFilter::DEBUG);
    let log = Log::default();
    let guard = tracing_subscriber::registry()
        .with(filter)
        .with(layer)
        .with(log.layer())
        .set_default();
    (exporter, log, guard)
}

#[tokio::test]
async fn opentelemetry_sees_one_trace() {
    let (exporter, _log, _guard) = opentelemetry();
    let bench = Bench::new().await;
    for topic in ["orders", "next"] {
        bench.create(topic, 1).await;
    }
    let app = App::new(bench.config())
        .state(bench.publisher.clone())
        .topic(
            "orders",
            handler(pass_on).retry(Retry::fixed(Duration::ZERO)),
        );
    let running = Running::start(app);
    let request = tracing::info_span!("request");
    let message = Outgoing::to("orders").id("7").value("retry");
    let sent = tracing::Instrument::instrument(bench.publisher.send(&message), request.clone());
    sent.await.expect("sent");
    drop(request);
    let passed_on = &bench.read("next", 1).await[0];
    bench.until_committed("orders", 1, 1).await;
    running.stop().await.expect("stopped");

    let spans = exporter.get_finished_spans().expect("spans");
    let request = spans.iter().find(|span| span.name == "request");
    let request = request.expect("a span of the request");
    let trace = request.span_context.trace_id();
    let attempts: Vec<_> = spans
        .iter()
        .filter(|span| span.name == format!("process {}", bench.name("orders")))
        .collect();
    assert_eq!(attempts.len(), 2, "{spans:?}");
    let attribute = |index: usize, name: &str| {
        let mut attributes = attempts[index].attributes.iter();
        let attribute = attributes.find(|attribute| attribute.key.as_str() == name);
        attribute.map(|attribute| attribute.value.to_string())
    };
    for (index, attempt) in attempts.iter().enumerate() {
        assert_eq!(attempt.span_kind, SpanKind::Consumer);
        assert_eq!(attempt.span_context.trace_id(), trace);
        assert_eq!(attempt.parent_span_id, request.span_context.span_id());
        for (name, value) in [
            ("messaging.system", "kafka"),
            ("messaging.operation.name", "process"),
            ("messaging.operation.type", "process"),
            ("messaging.client.id", "milena"),
            ("messaging.consumer.group.name", &bench.group),
            ("messaging.destination.name", &bench.name("orders")),
            ("messaging.destination.partition.id", "0"),
            ("messaging.kafka.offset", "0"),
            ("messaging.message.id", "7"),
            ("messaging.message.body.size", "5"),
        ] {
            assert_eq!(attribute(index, name).as_deref(), Some(value), "{name}");
        }
    }
    assert_eq!(attribute(0, "error.type").as_deref(), Some("handler"));
    assert_eq!(attribute(1, "error.type"), None);
    // What the handler published is the child of the attempt that succeeded.
    let carried: TraceContext = header(passed_on, TRACEPARENT_HEADER)
        .expect("a trace")
        .parse()
        .expect("a traceparent");
    let last = &attempts[1].span_context;
    assert_eq!(carried.trace_id().to_bytes(), last.trace_id().to_bytes());
    assert_eq!(carried.span_id(), last.span_id().to_bytes());
    // The client's spans have the same names for the same things.
    let commit = spans
        .iter()
        .find(|span| span.name == format!("commit {}", bench.name("orders")));
    let commit = commit.expect("a span of a commit");
    let shared = commit
        .attributes
        .iter()
        .map(|attribute| attribute.key.as_str());
    for name in shared.filter(|name| name.starts_with("messaging.")) {
        assert!(attribute(0, name).is_some(), "{name}");
    }
}

#[tokio::test]
async fn the_retry_topic_keeps_the_trace() {
    let (log, _guard) = Log::capture(Targets::new().with_target("milena", LevelFilter::DEBUG));
    let bench = Bench::new().await;
    for topic in ["orders", "next"] {
        bench.create(topic, 1).await;
    }
    let handler = handler(pass_on).retry(Retry::fixed(Duration::from_millis(10)));
    let app = App::new(config(&bench, "generate"))
        .state(bench.publisher.clone())
        .topic("orders", handler.retry_through_topic());
    let running = Running::start(app);
    let message = Outgoing::to("orders").value("retry");
    let sent = bench.publisher.send(&message);
    let context = parent().with_state("a=1");
    context.scope(sent).await.expect("sent");
    assert_carried(&bench.read("next", 1).await[0]);
    // One that is made when the record is handled first is the one it is handled under again.
    bench.publisher.send(&message).await.expect("sent");
    let passed_on = bench.read("next", 2).await;
    let made = header(&passed_on[1], TRACEPARENT_HEADER).expect("a trace");
    let made: TraceContext = made.parse().expect("a traceparent");
    until("both events", || log.of("consumer_handle").len() >= 4).await;
    let outcomes = log.of("consumer_handle").into_iter().map(|line| {
        let trace = line["trace_id"].clone();
        (line["outcome"].clone(), trace)
    });
    let made = made.trace_id().to_string();
    let expected = ["moved", "handled"].map(|outcome| (outcome.to_owned(), TRACE.to_owned()));
    let again = ["moved", "handled"].map(|outcome| (outcome.to_owned(), made.clone()));
    assert_eq!(outcomes.collect::<Vec<_>>(), [expected, again].concat());
    running.stop().await.expect("stopped");
}

/// Fails the second of its records.
async fn on_batch(Batch(values): Batch<Bytes>) -> BatchOutcome {
    let mut outcome = BatchOutcome::default();
    if values.len() > 1 {
        outcome.fail(1, HandlerError::non_retriable("enough").with_code("second"));
    }
    outcome
}

#[tokio::test]
async fn a_batch_is_linked_to_what_sent_its_records() {
    let (exporter, log, _guard) = opentelemetry();
    let bench = Bench::new().await;
    for topic in ["orders", "orders.dlq"] {
        bench.create(topic, 1).await;
    }
    let second = TraceContext::generate();
    for context in [parent(), second.clone()] {
        let message = Outgoing::to("orders").value("x");
        context
            .scope(bench.publisher.send(&message))
            .await
            .expect("sent");
    }
    let handler = batch_handler(on_batch).records_max(2).wait_max(DEADLINE);
    let running = Running::start(App::new(bench.config()).topic("orders", handler));
    bench.until_committed("orders", 1, 2).await;
    running.stop().await.expect("stopped");

    let spans = exporter.get_finished_spans().expect("spans");
    let name = format!("process {}", bench.name("orders"));
    let batch = spans.iter().find(|span| span.name == name);
    let batch = batch.expect("a span of the batch");
    let linked = batch.links.iter().map(|link| link.span_context.trace_id());
    let linked: Vec<_> = linked.map(|id| id.to_string()).collect();
    assert_eq!(linked, [TRACE.to_owned(), second.trace_id().to_string()]);
    let attribute = |name: &str| {
        let mut attributes = batch.attributes.iter();
        let attribute = attributes.find(|attribute| attribute.key.as_str() == name);
        attribute.map(|attribute| attribute.value.to_string())
    };
    assert_eq!(
        attribute("messaging.batch.message_count").as_deref(),
        Some("2")
    );
    assert_eq!(attribute("error.type").as_deref(), Some("second"));
    let ends: Vec<_> = log
        .of("consumer_handle")
        .into_iter()
        .map(|line| (line["outcome"].clone(), line["trace_id"].clone()))
        .collect();
    let expected = [
        ("handled".to_owned(), TRACE.to_owned()),
        ("dead_lettered".to_owned(), second.trace_id().to_string()),
    ];
    assert_eq!(ends, expected);
}

#[tokio::test]
async fn handlers_of_a_consumer_carry_the_trace_on() {
    let bench = Bench::new().await;
    for topic in ["orders", "next"] {
        bench.create(topic, 1).await;
    }
    let message = Outgoing::to("orders").value("plain");
    let sent = bench.publisher.send(&message);
    let context = parent().with_state("a=1");
    context.scope(sent).await.expect("sent");
    let consumer = Consumer::new(bench.config());
    consumer.connect().await.expect("connected");
    consumer.register_with("orders", pass_on, bench.publisher.clone());
    within("a message", async {
        while consumer.consume(DEADLINE).await.expect("handled") == 0 {}
    })
    .await;
    assert_carried(&bench.read("next", 1).await[0]);
    consumer.shutdown().await.expect("shut down");
}

#[tokio::test]
async fn handlers_of_a_consumer_have_spans_and_events() {
    let (exporter, log, _guard) = opentelemetry();
    let bench = Bench::new().await;
    for topic in ["orders", "next"] {
        bench.create(topic, 1).await;
    }
    let message = Outgoing::to("orders").value("retry");
    let sent = bench.publisher.send(&message);
    parent().scope(sent).await.expect("sent");
    let consumer = Consumer::new(bench.config());
    consumer.connect().await.expect("connected");
    consumer.register_with("orders", pass_on, bench.publisher.clone());
    let consume = async || {
        within("a message", async {
            loop {
                match consumer.consume(DEADLINE).await {
                    Ok(0) => {}
                    result => return result,
                }
            }
        })
        .await
    };
    consume().await.expect_err("the first attempt fails");
    assert_eq!(consume().await.expect("the second does not"), 1);
    consumer.shutdown().await.expect("shut down");

    let spans = exporter.get_finished_spans().expect("spans");
    let name = format!("process {}", bench.name("orders"));
    let attempts: Vec<_> = spans.iter().filter(|span| span.name == name).collect();
    assert_eq!(attempts.len(), 2, "{spans:?}");
    let parent = parent();
    for (attempt, error) in attempts.iter().zip([Some("handler"), None]) {
        assert_eq!(attempt.span_context.trace_id().to_string(), TRACE);
        assert_eq!(attempt.parent_span_id.to_bytes(), parent.span_id());
        let mut attributes = attempt.attributes.iter();
        let code = attributes.find(|attribute| attribute.key.as_str() == "error.type");
        let code = code.map(|attribute| attribute.value.to_string());
        assert_eq!(code.as_deref(), error);
    }
    let lines = log.of("consumer_handle");
    let told = lines
        .iter()
        .map(|line| (line["outcome"].as_str(), line["trace_id"].as_str()));
    let expected = ["given_back", "handled"].map(|outcome| (outcome, TRACE));
    assert_eq!(told.collect::<Vec<_>>(), expected);
}

#[tokio::test]
async fn a_change_of_health_is_logged_once() {
    let (log, _guard) = Log::capture(Targets::new().with_target("milena", LevelFilter::INFO));
    let bench = Bench::new().await;
    bench.create("orders", 1).await;
    let config = bench.builder().set("health.interval.ms", "20").build();
    let app = App::new(config.expect("a config")).topic("orders", handler(|| async {}));
    let running = app.start().await.expect("started");
    let changes = async |count: usize| {
        until("a line", || log.of("health_changed").len() == count).await;
    };
    changes(1).await;
    running.handle().pause();
    changes(2).await;
    running.handle().resume();
    changes(3).await;
    running.shutdown().await.expect("stopped");
    let lines = log.of("health_changed");
    let told = lines.iter().map(|line| {
        let names = ["level", "is_live", "is_ready", "problems"];
        names.map(|name| line.get(name).map_or("", String::as_str))
    });
    let well = ["info", "true", "true", ""];
    let paused = ["info", "true", "false", "the application is paused"];
    assert_eq!(told.collect::<Vec<_>>(), [well, paused, well]);
}

#[tokio::test]
async fn what_is_published_in_a_transaction_has_its_event() {
    let (log, _guard) = Log::capture(Targets::new().with_target(EVENT_TARGET, LevelFilter::DEBUG));
    let bench = Bench::new().await;
    for topic in ["orders", "next"] {
        bench.create(topic, 1).await;
    }
    let pass_on = async |outbox: Outbox| outbox.publish(Outgoing::to("next").id("7").value("x"));
    let app = App::new(bench.config()).topic("orders", handler(pass_on).exactly_once());
    let running = Running::start(app);
    let order = Outgoing::to("orders").value("x");
    let sent = bench.publisher.send(&order);
    parent().scope(sent).await.expect("sent");
    bench.until_committed("orders", 1, 1).await;
    running.stop().await.expect("stopped");
    let mut lines = log.of("producer_send");
    lines.retain(|line| line["topic"] == bench.name("next"));
    let told = lines.iter().map(|line| {
        ["partition", "offset", "message_id", "trace_id"].map(|name| line[name].as_str())
    });
    assert_eq!(told.collect::<Vec<_>>(), [["0", "0", "7", TRACE]]);
}
