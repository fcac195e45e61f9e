//! An application end to end: every published event is handled or a dead letter, the events of a key
//! stay in order, nothing is left behind, and a dead letter keeps the original with its diagnosis.

use anyhow::{Context, Result, ensure};
use milena::{
    App, Concurrency, Config, HandlerError, Json, OffsetReset, Outgoing, Publisher, Retry, State,
    dead_letter, handler,
};
use milena_client::consumer::ConsumedRecord;
use milena_sim::target::{Target, on_target, unique};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::Instant;

const PARTITIONS: i32 = 3;
const EVENTS: u64 = 600;
const KEYS: u64 = 20;
const WAIT: Duration = Duration::from_secs(60);
const NOT_JSON: &[u8] = b"{not json";

/// What the handler does with an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Kind {
    Fine,
    /// Fails twice, then succeeds.
    Flaky,
    /// Fails for good at once.
    Refused,
    /// Fails each time.
    Hopeless,
    /// Is no event at all.
    Garbage,
}

impl Kind {
    fn of(number: u64) -> Self {
        match number % 40 {
            7 | 23 => Self::Flaky,
            11 => Self::Refused,
            17 if number % 120 == 17 => Self::Hopeless,
            29 => Self::Garbage,
            _ => Self::Fine,
        }
    }

    fn ends_as_dead_letter(self) -> bool {
        matches!(self, Self::Refused | Self::Hopeless | Self::Garbage)
    }
}

#[derive(Debug, Serialize, Deserialize)]
struct Event {
    key: String,
    number: u64,
    kind: Kind,
}

/// What handlers saw.
#[derive(Clone, Default)]
struct Witness(Arc<Mutex<Seen>>);

#[derive(Default)]
struct Seen {
    attempts: BTreeMap<u64, u32>,
    /// Numbers by key, in the order of their success.
    handled: BTreeMap<String, Vec<u64>>,
}

impl Witness {
    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn handled_count(&self) -> usize {
        self.seen().handled.values().map(Vec::len).sum()
    }
}

async fn on_event(
    Json(event): Json<Event>,
    State(witness): State<Witness>,
) -> Result<(), HandlerError> {
    let mut seen = witness.seen();
    let attempts = seen.attempts.entry(event.number).or_default();
    *attempts += 1;
    match event.kind {
        Kind::Flaky if *attempts <= 2 => return Err(HandlerError::retriable("not yet")),
        Kind::Hopeless => return Err(HandlerError::retriable("the dependency is down")),
        Kind::Refused => {
            let error = HandlerError::non_retriable("no such account");
            return Err(error.with_code("account_unknown"));
        }
        Kind::Flaky | Kind::Fine | Kind::Garbage => {}
    }
    seen.handled
        .entry(event.key)
        .or_default()
        .push(event.number);
    Ok(())
}

fn config(target: &Target, group: &str) -> Result<Config> {
    Ok(Config::builder()
        .bootstrap_servers(target.bootstrap())
        .group_id(group)
        .auto_offset_reset(OffsetReset::Earliest)
        .commit_interval(Duration::from_millis(50))
        .build()?)
}

/// Publishes numbered events, some of which cannot be handled.
async fn publish(config: &Config, topic: &str, numbers: std::ops::Range<u64>) -> Result<()> {
    let publisher = Publisher::new(config)?;
    let mut deliveries = Vec::new();
    for number in numbers {
        let key = format!("key-{}", number % KEYS);
        let kind = Kind::of(number);
        let message = Outgoing::to(topic.to_owned())
            .key(key.clone())
            .id(format!("event-{number}"))
            .header("number", number.to_string());
        let message = match kind {
            Kind::Garbage => message.value(NOT_JSON),
            _ => message.json(&Event { key, number, kind })?,
        };
        deliveries.push(publisher.enqueue(&message).await?);
    }
    for delivery in deliveries {
        delivery.await?;
    }
    publisher.close().await?;
    Ok(())
}

/// An application at work in a task of its own.
struct Running {
    task: tokio::task::JoinHandle<Result<(), milena::AppError>>,
    stop: oneshot::Sender<()>,
    progress: milena::Progress,
}

impl Running {
    fn start(config: Config, topic: &str, witness: &Witness, concurrency: Concurrency) -> Self {
        let retry = Retry::fixed(Duration::from_millis(5)).attempts(4);
        let app = App::new(config).state(witness.clone()).topic(
            topic,
            handler(on_event).retry(retry).concurrency(concurrency),
        );
        let progress = app.progress();
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(app.run_until(async {
            // A dropped sender stops the application too.
            let _ = stopped.await;
        }));
        Self {
            task,
            stop,
            progress,
        }
    }

    async fn until(&self, what: &str, is_so: impl Fn() -> bool) -> Result<()> {
        let deadline = Instant::now() + WAIT;
        while !is_so() {
            ensure!(!self.task.is_finished(), "{what}: the application ended");
            ensure!(
                Instant::now() < deadline,
                "{what}: not within {WAIT:?}, {} handled, {} dead letters",
                self.progress.handled(),
                self.progress.dead_lettered()
            );
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        Ok(())
    }

    async fn stop(self) -> Result<()> {
        // The application may have ended already; its result tells.
        let _ = self.stop.send(());
        Ok(self.task.await??)
    }
}

fn expected_dead_letters(numbers: std::ops::Range<u64>) -> usize {
    let dead = numbers.filter(|number| Kind::of(*number).ends_as_dead_letter());
    dead.count()
}

/// Every event that can be handled was handled once, and those of a key in order.
fn check_handled(witness: &Witness) {
    let seen = witness.seen();
    for index in 0..KEYS {
        let key = format!("key-{index}");
        let expected: Vec<u64> = (index..EVENTS)
            .step_by(usize::try_from(KEYS).unwrap_or(1))
            .filter(|number| !Kind::of(*number).ends_as_dead_letter())
            .collect();
        assert_eq!(seen.handled.get(&key), Some(&expected), "{key}");
    }
}

async fn check_lag(target: &Target, group: &str) -> Result<()> {
    let lag = target.admin().group_lag(group).await?;
    let behind: Vec<_> = lag.iter().filter(|row| row.lag() != Some(0)).collect();
    ensure!(
        !lag.is_empty() && behind.is_empty(),
        "the group is behind: {lag:?}"
    );
    Ok(())
}

async fn check(target: Arc<Target>, concurrency: Concurrency) -> Result<()> {
    let topic = target.topic("events", PARTITIONS).await?;
    let group = unique("app");
    let config = config(&target, &group)?;
    publish(&config, &topic, 0..EVENTS).await?;

    let witness = Witness::default();
    let app = Running::start(config, &topic, &witness, concurrency);
    let dead = expected_dead_letters(0..EVENTS);
    let handled = usize::try_from(EVENTS)? - dead;
    app.until("all done", || {
        witness.handled_count() >= handled
            && app.progress.dead_lettered() >= u64::try_from(dead).unwrap_or(0)
    })
    .await?;
    let progress = app.progress.clone();
    app.stop().await?;
    assert_eq!(progress.handled() + progress.dead_lettered(), EVENTS);
    check_handled(&witness);
    check_lag(&target, &group).await?;
    let letters = target
        .read(&format!("{topic}.dlq"), PARTITIONS, dead)
        .await?;
    for letter in &letters {
        check_letter(letter, &topic, &group)?;
    }
    Ok(())
}

fn header<'a>(record: &'a ConsumedRecord, name: &str) -> Result<&'a str> {
    let header = record.headers().get_last(name);
    let value = header.and_then(|header| header.value);
    let value = value.with_context(|| format!("{name} is missing"))?;
    Ok(std::str::from_utf8(value)?)
}

/// The original is untouched, and the diagnosis fits what went wrong.
fn check_letter(letter: &ConsumedRecord, topic: &str, group: &str) -> Result<()> {
    let number: u64 = header(letter, "number")?.parse()?;
    let kind = Kind::of(number);
    let key = format!("key-{}", number % KEYS);
    assert_eq!(letter.key(), Some(key.as_bytes()));
    let value = letter.value().unwrap_or_default();
    match kind {
        Kind::Garbage => assert_eq!(value, NOT_JSON),
        _ => assert_eq!(serde_json::from_slice::<Event>(value)?.number, number),
    }
    assert_eq!(header(letter, dead_letter::ORIGIN_TOPIC)?, topic);
    assert_eq!(header(letter, dead_letter::ORIGIN_GROUP)?, group);
    assert_eq!(
        header(letter, dead_letter::MESSAGE_ID)?,
        format!("event-{number}")
    );
    let partition: i32 = header(letter, dead_letter::ORIGIN_PARTITION)?.parse()?;
    assert_eq!(
        partition,
        letter.partition(),
        "a dead letter keeps its key's partition"
    );
    header(letter, dead_letter::ORIGIN_OFFSET)?.parse::<i64>()?;
    let timestamp: i64 = header(letter, dead_letter::ORIGIN_TIMESTAMP)?.parse()?;
    assert_eq!(timestamp, letter.timestamp());
    let (stage, class, attempts) = match kind {
        Kind::Garbage => ("decode", "non-retriable", "1"),
        Kind::Refused => ("handle", "non-retriable", "1"),
        _ => ("handle", "retriable", "4"),
    };
    assert_eq!(
        header(letter, dead_letter::FAILURE_STAGE)?,
        stage,
        "{kind:?}"
    );
    assert_eq!(
        header(letter, dead_letter::FAILURE_CLASS)?,
        class,
        "{kind:?}"
    );
    assert_eq!(header(letter, dead_letter::ATTEMPTS)?, attempts, "{kind:?}");
    if kind == Kind::Refused {
        assert_eq!(
            header(letter, dead_letter::FAILURE_CODE)?,
            "account_unknown"
        );
        assert_eq!(
            header(letter, dead_letter::FAILURE_MESSAGE)?,
            "no such account"
        );
    }
    for name in [
        dead_letter::FAILURE_FINGERPRINT,
        dead_letter::FAILED_FIRST,
        dead_letter::FAILED_LAST,
        dead_letter::HANDLER,
    ] {
        ensure!(!header(letter, name)?.is_empty(), "{name} is empty");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn every_event_is_handled_or_a_dead_letter_in_the_order_of_partitions() -> Result<()> {
    on_target(async |target| check(target, Concurrency::Partition).await).await
}

#[tokio::test(flavor = "multi_thread")]
async fn every_event_is_handled_or_a_dead_letter_in_the_order_of_keys() -> Result<()> {
    on_target(async |target| check(target, Concurrency::PerKey(8)).await).await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_application_that_was_stopped_goes_on_where_it_was() -> Result<()> {
    on_target(async |target| {
        let topic = target.topic("restarted", PARTITIONS).await?;
        let group = unique("restarted");
        let witness = Witness::default();
        let config = config(&target, &group)?;
        let half = EVENTS / 2;
        publish(&config, &topic, 0..half).await?;
        let first = Running::start(config.clone(), &topic, &witness, Concurrency::Partition);
        first
            .until("some handled", || witness.handled_count() > 50)
            .await?;
        first.stop().await?;

        publish(&config, &topic, half..EVENTS).await?;
        let second = Running::start(config, &topic, &witness, Concurrency::Partition);
        let handled = usize::try_from(EVENTS)? - expected_dead_letters(0..EVENTS);
        second
            .until("all handled", || witness.handled_count() >= handled)
            .await?;
        second.stop().await?;
        check_handled(&witness);
        Ok(())
    })
    .await
}
