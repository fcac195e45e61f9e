//! Browsing, redriving and purging dead letters.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use milena::dead_letter::{
    DeadLetterAdmin, DeadLetterError, Filter, PurgeBefore, Redrive, RedriveProgress, RedriveReport,
    SkipReason, Summary,
};
use milena::testing::ApiKey;
use milena::{App, Bytes, HandlerError, Outgoing, Retry, State, handler};
use milena_client::TopicPartition;
use milena_client::admin::NewTopic;
use milena_client::consumer::{
    ConsumedRecord, Consumer, ConsumerConfig, IsolationLevel, OffsetReset,
};
use milena_client::producer::ProducerConfig;
use tokio::sync::mpsc::Sender;

use crate::setup::{Bench, DEADLINE, Running, reports, within};

/// More than two transactions.
const MANY: usize = 1_200;

/// A bench with letters, and who looks after them.
struct Desk {
    bench: Bench,
    admin: DeadLetterAdmin,
    /// The topic of the letters.
    dlq: String,
}

impl Desk {
    /// Without any topic.
    async fn empty() -> Desk {
        let bench = Bench::new().await;
        Desk {
            admin: DeadLetterAdmin::with_client(&bench.client, ProducerConfig::default()),
            dlq: bench.name("orders.dlq"),
            bench,
        }
    }

    /// With the topic of the letters and the one they came from.
    async fn new() -> Desk {
        let desk = Desk::empty().await;
        desk.bench.create("orders", 3).await;
        desk.bench.create("orders.dlq", 2).await;
        desk
    }

    /// With so many letters.
    async fn with(count: usize) -> Desk {
        let desk = Desk::new().await;
        desk.put((0..count).map(|number| desk.letter(number, "json")))
            .await;
        desk
    }

    /// A letter as an application would have written it.
    fn letter(&self, number: usize, code: &str) -> Outgoing {
        Outgoing::to("orders.dlq")
            .partition(0)
            .key(format!("k{number}"))
            .value(format!("v{number}"))
            .timestamp(1_600_000_000_000)
            .header("own", "1")
            .id(format!("id-{number}"))
            .header("milena-origin-topic", self.bench.name("orders"))
            .header("milena-origin-partition", "1")
            .header("milena-origin-offset", number.to_string())
            .header("milena-failure-code", code.to_owned())
            .header("milena-failure-message", format!("order {number} is wrong"))
            .header("milena-failed-last", "2023-11-14T22:13:20.000Z")
            .header("milena-history", "[]")
    }

    async fn put(&self, letters: impl IntoIterator<Item = Outgoing>) {
        let publisher = &self.bench.publisher;
        for letter in letters {
            drop(publisher.enqueue(&letter).await.expect("taken"));
        }
        publisher.flush(DEADLINE).await.expect("flushed");
    }

    fn redrive(&self) -> Redrive {
        self.admin.redrive(&self.dlq)
    }

    async fn execute(&self) -> RedriveReport {
        execute(&self.redrive().by("ada")).await
    }

    async fn summary(&self, filter: &Filter) -> Summary {
        let summary = self.admin.summary(&self.dlq, filter).await;
        summary.expect("a summary")
    }

    /// The values that a reader of committed records finds in `orders`.
    async fn redriven(&self) -> Vec<String> {
        values(&committed_records(&self.bench, "orders", 3).await)
    }
}

/// To its end.
async fn execute(redrive: &Redrive) -> RedriveReport {
    let report = redrive.execute(|_| ControlFlow::Continue(())).await;
    report.expect("redriven")
}

/// What a reader of committed records finds, of all partitions.
async fn committed_records(bench: &Bench, topic: &str, partitions: i32) -> Vec<ConsumedRecord> {
    let config = ConsumerConfig::new()
        .auto_offset_reset(OffsetReset::Earliest)
        .isolation_level(IsolationLevel::ReadCommitted);
    let consumer = Consumer::new(&bench.client, config).expect("a consumer");
    let partitions: Vec<TopicPartition> = (0..partitions)
        .map(|index| TopicPartition::new(bench.name(topic), index))
        .collect();
    consumer.assign(partitions.clone()).await.expect("assigned");
    let mut records = Vec::new();
    for partition in &partitions {
        let end = consumer
            .watermarks(partition, DEADLINE)
            .await
            .expect("ends")
            .high;
        while consumer
            .position(partition)
            .is_none_or(|position| position < end)
        {
            let next = consumer.consume_next(std::time::Duration::from_millis(20));
            records.extend(next.await.expect("a record"));
        }
    }
    records
}

fn values(records: &[ConsumedRecord]) -> Vec<String> {
    let values = records
        .iter()
        .map(|record| String::from_utf8(record.value().expect("a value").to_vec()).expect("text"));
    let mut values: Vec<String> = values.collect();
    values.sort();
    values
}

fn sorted(numbers: impl IntoIterator<Item = usize>) -> Vec<String> {
    let mut values: Vec<String> = numbers
        .into_iter()
        .map(|number| format!("v{number}"))
        .collect();
    values.sort();
    values
}

#[tokio::test(flavor = "multi_thread")]
async fn letters_are_summed_up_and_found() {
    let desk = Desk::with(3).await;
    desk.put([desk.letter(3, "timeout").partition(1)]).await;
    let Desk { bench, admin, dlq } = &desk;
    let topics = admin.topics().await.unwrap();
    assert!(topics.contains(dlq), "{topics:?}");
    let summary = desk.summary(&Filter::default()).await;
    assert_eq!((summary.letters, summary.open), (4, 4));
    assert_eq!(summary.last, Some(1_700_000_000_000));
    let groups: Vec<(u64, Option<&str>)> = summary
        .groups
        .iter()
        .map(|group| (group.letters, group.example.failure.code.as_deref()))
        .collect();
    assert_eq!(groups, [(3, Some("json")), (1, Some("timeout"))]);
    let mut filter = Filter::default();
    filter.text = Some("order 2".to_owned());
    let found = desk.summary(&filter).await;
    assert_eq!(found.letters, 1);
    let (found, is_redriven) = admin.find(dlq, 0, 2).await.unwrap().unwrap();
    assert_eq!(found.message_id.as_deref(), Some("id-2"));
    assert!(!is_redriven);
    assert!(admin.find(dlq, 0, 3).await.unwrap().is_none());
    for (topic, partition) in [("nothing", 0), ("orders.dlq", 2)] {
        let error = admin
            .find(&bench.name(topic), partition, 0)
            .await
            .unwrap_err();
        assert!(
            matches!(
                error,
                DeadLetterError::NoTopic { .. } | DeadLetterError::NoPartition { .. }
            ),
            "{error}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_letter_goes_back_as_it_was_and_once() {
    let desk = Desk::with(1).await;
    desk.put([desk.letter(1, "timeout")]).await;
    let mut filter = Filter::default();
    filter.code = Some("timeout".to_owned());
    let redrive = desk.redrive().filter(filter).by("ada");
    let plan = redrive.plan().await.unwrap();
    assert_eq!(
        plan.destinations,
        BTreeMap::from([(desk.bench.name("orders"), 1)])
    );
    assert_eq!(desk.redriven().await, [""; 0]);
    let report = execute(&redrive).await;
    assert_eq!((report.redriven, report.refused), (1, 0));
    let records = committed_records(&desk.bench, "orders", 3).await;
    let [record] = records.as_slice() else {
        panic!("{records:?}");
    };
    assert_eq!(
        (record.partition(), record.timestamp()),
        (1, 1_600_000_000_000)
    );
    assert_eq!(record.key(), Some(&b"k1"[..]));
    assert_eq!(record.value(), Some(&b"v1"[..]));
    let headers: Vec<(String, String)> = record
        .headers()
        .iter()
        .map(|header| {
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            (text(header.key), text(header.value.unwrap_or_default()))
        })
        .collect();
    let expected = [
        ("own", "1"),
        ("milena-message-id", "id-1"),
        ("milena-history", "[]"),
        ("milena-redrive-count", "1"),
        ("milena-redrive-id", report.id.as_str()),
        ("milena-redrive-by", "ada"),
    ];
    assert_eq!(
        headers,
        expected.map(|(name, value)| (name.to_owned(), value.to_owned()))
    );
    let summary = desk.summary(&Filter::default()).await;
    assert_eq!((summary.letters, summary.open), (2, 1));
    // The rest goes, what went before stays.
    let report = desk.execute().await;
    assert_eq!(report.redriven, 1);
    assert_eq!(
        report.skipped,
        BTreeMap::from([(SkipReason::AlreadyRedriven, 1)])
    );
    assert_eq!(desk.redriven().await, sorted([0, 1]));
    let again = desk.redrive().again().plan().await.unwrap();
    assert_eq!(again.letters, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_audit_topic_tells_who_did_what() {
    let desk = Desk::with(3).await;
    let id = desk.execute().await.id;
    let Desk { bench, admin, dlq } = &desk;
    let plan = admin.plan_purge(dlq, &[], PurgeBefore::Open).await.unwrap();
    admin.purge(dlq, &plan, "eve").await.unwrap();
    let audit = committed_records(bench, "orders.dlq.audit", 1).await;
    let entries: Vec<serde_json::Value> = audit
        .iter()
        .map(|record| serde_json::from_slice(record.value().unwrap()).unwrap())
        .collect();
    let told: Vec<(&str, &str)> = entries
        .iter()
        .map(|entry| {
            (
                entry["by"].as_str().unwrap(),
                entry["event"].as_str().unwrap(),
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            ("ada", "redrive-started"),
            ("ada", "redriven"),
            ("ada", "redrive-ended"),
            ("eve", "purge")
        ]
    );
    assert!(entries[..3].iter().all(|entry| entry["id"] == id.as_str()));
    assert_eq!(entries[1]["letters"], serde_json::json!([[0, 0, 2]]));
    assert_eq!(entries[3]["before"], serde_json::json!([[0, 3]]));
    let summary = desk.summary(&Filter::default()).await;
    assert_eq!(summary.letters, 0);
}

/// Stopped after each transaction, and started again: each letter arrives once, the limit holds.
#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_redrive_goes_on() {
    let desk = Desk::with(MANY).await;
    let report = execute(&desk.redrive().limit(10)).await;
    assert_eq!((report.redriven, report.is_interrupted), (10, false));
    let mut rounds = 0;
    loop {
        let redrive = desk.redrive();
        let after_a_transaction = |progress: RedriveProgress| match progress.redriven {
            0 => ControlFlow::Continue(()),
            _ => ControlFlow::Break(()),
        };
        let report = redrive.execute(after_a_transaction).await.unwrap();
        rounds += 1;
        if !report.is_interrupted {
            break;
        }
    }
    assert!(rounds > 2, "{rounds}");
    assert_eq!(desk.redriven().await, sorted(0..MANY));
}

/// A search that finds nothing is told of too, and ends when told so.
#[tokio::test(flavor = "multi_thread")]
async fn a_search_without_a_find_can_be_ended() {
    let desk = Desk::with(3).await;
    let mut filter = Filter::default();
    filter.code = Some("timeout".to_owned());
    let redrive = desk.redrive().filter(filter);
    let mut told = Vec::new();
    let watched = redrive.execute(|progress| {
        told.push((progress.redriven, progress.scanned, progress.letters));
        ControlFlow::Continue(())
    });
    assert!(!watched.await.unwrap().is_interrupted);
    assert_eq!(told.last(), Some(&(0, 3, 3)));
    let report = redrive.execute(|_| ControlFlow::Break(())).await.unwrap();
    assert_eq!((report.redriven, report.is_interrupted), (0, true));
}

/// Ended without a word at every request it makes: what the next one does fits what was confirmed.
#[tokio::test(flavor = "multi_thread")]
async fn a_killed_redrive_loses_and_doubles_nothing() {
    let desk = Desk::with(MANY).await;
    let Some(faults) = desk.bench.faults() else {
        return;
    };
    for (api, requests) in [
        (ApiKey::InitProducerId, 1),
        (ApiKey::Produce, 1),
        (ApiKey::Produce, 3),
        (ApiKey::EndTxn, 1),
        (ApiKey::Produce, 2),
        (ApiKey::EndTxn, 2),
    ] {
        let seen = faults.requests_seen(api);
        let redrive = desk.redrive().limit(200);
        let task = tokio::spawn(async move {
            redrive
                .execute(|_| ControlFlow::Continue(()))
                .await
                .map(drop)
        });
        while faults.requests_seen(api) < seen + requests && !task.is_finished() {
            tokio::task::yield_now().await;
        }
        task.abort();
        let _ = task.await;
    }
    desk.execute().await;
    assert_eq!(desk.redriven().await, sorted(0..MANY));
}

/// The second takes over; the first ends, and both together redrive each letter once.
#[tokio::test(flavor = "multi_thread")]
async fn two_redrives_at_once_do_not_double() {
    let desk = Desk::with(MANY).await;
    let first = desk.redrive();
    let (began, mut has_begun) = tokio::sync::mpsc::channel(MANY);
    let (done, is_done) = std::sync::mpsc::sync_channel::<()>(1);
    let runtime = tokio::runtime::Handle::current();
    // On a thread of its own, where it may wait between two transactions.
    let first = tokio::task::spawn_blocking(move || {
        runtime.block_on(first.execute(|progress| {
            if progress.redriven > 0 {
                began.try_send(()).expect("somebody waits");
                // An error once the second one is done.
                let _ = is_done.recv();
            }
            ControlFlow::Continue(())
        }))
    });
    within("a transaction", has_begun.recv()).await;
    assert!(desk.execute().await.redriven > 0);
    drop(done);
    let error = within("the first ends", first).await.unwrap().unwrap_err();
    assert!(
        matches!(error, DeadLetterError::TakenOver { .. }),
        "{error}"
    );
    assert_eq!(desk.redriven().await, sorted(0..MANY));
}

/// One letter that its destination does not take holds up no other.
#[tokio::test(flavor = "multi_thread")]
async fn a_refused_letter_stays_alone() {
    let desk = Desk::empty().await;
    let bench = &desk.bench;
    let topic = NewTopic::new(bench.name("orders"))
        .partitions(3)
        .config("max.message.bytes", "2000");
    bench.create_topic(topic).await;
    bench.create("orders.dlq", 2).await;
    let large = desk
        .letter(1, "json")
        .value(Bytes::from(vec![b'x'; 10_000]));
    desk.put([desk.letter(0, "json"), large, desk.letter(2, "json")])
        .await;
    let report = desk.execute().await;
    assert_eq!((report.redriven, report.refused), (2, 1));
    let refusal = &report.refusals[0];
    assert_eq!((refusal.partition, refusal.offset), (0, 1));
    assert!(
        refusal.error.contains("MESSAGE_TOO_LARGE"),
        "{}",
        refusal.error
    );
    assert_eq!(desk.redriven().await, sorted([0, 2]));
    let summary = desk.summary(&Filter::default()).await;
    assert_eq!(summary.open, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn letters_without_a_way_back_stay() {
    let desk = Desk::empty().await;
    desk.bench.create("orders.dlq", 2).await;
    let stranger = Outgoing::to("orders.dlq").value("x");
    let gone = desk.letter(0, "json");
    let often = desk.letter(1, "json").header("milena-redrive-count", "3");
    desk.put([stranger, gone, often]).await;
    let plan = desk.redrive().plan().await.unwrap();
    assert_eq!(
        plan.skipped,
        BTreeMap::from([
            (SkipReason::TooOften, 1),
            (SkipReason::NoOrigin, 1),
            (SkipReason::NoTopic, 1)
        ])
    );
    desk.bench.create("repair", 1).await;
    let to = desk.redrive().to(desk.bench.name("repair")).redrives_max(9);
    assert_eq!(to.plan().await.unwrap().letters, 3);
    let error = desk.redrive().to(&desk.dlq).plan().await;
    assert!(matches!(error, Err(DeadLetterError::Loop { .. })));
    let error = desk.redrive().to("nowhere").plan().await;
    assert!(matches!(error, Err(DeadLetterError::NoDestination { .. })));
}

/// A topic that is made anew begins at offset 0 again; its letters are others.
#[tokio::test(flavor = "multi_thread")]
async fn marks_do_not_outlive_their_topic() {
    let desk = Desk::with(1).await;
    assert_eq!(desk.execute().await.redriven, 1);
    let deleted = desk.bench.admin.delete_topics(&[desk.dlq.as_str()]).await;
    for (_, deleted) in deleted.unwrap() {
        deleted.unwrap();
    }
    desk.bench.create("orders.dlq", 2).await;
    desk.put([desk.letter(1, "json")]).await;
    assert_eq!(desk.execute().await.redriven, 1);
}

/// What fails again after each redrive stops going round, with its whole story.
#[tokio::test(flavor = "multi_thread")]
async fn what_fails_again_and_again_ends() {
    let desk = Desk::empty().await;
    let bench = &desk.bench;
    bench.create("orders", 1).await;
    bench.publish("orders", 0, ["x".to_owned()]).await;
    let (sender, mut called) = reports();
    let fails = |State(sender): State<Sender<()>>| async move {
        sender.send(()).await?;
        Err::<(), _>(HandlerError::non_retriable("no"))
    };
    let app = App::new(bench.config())
        .state(sender)
        .topic("orders", handler(fails).retry(Retry::none()));
    let running = Running::start(app);
    for round in 0..=3 {
        called.next().await;
        let letters = bench.read("orders.dlq", round + 1).await;
        let last = letters.last().expect("a letter");
        let count = last.headers().get_last("milena-redrive-count");
        let count = count.and_then(|header| header.value).map(<[u8]>::to_vec);
        let expected = (round > 0).then(|| round.to_string().into_bytes());
        assert_eq!(count, expected);
        let report = desk.execute().await;
        assert_eq!(report.redriven, u64::from(round < 3));
        if round == 3 {
            assert_eq!(report.skipped.get(&SkipReason::TooOften), Some(&1));
            let found = desk.admin.find(&desk.dlq, last.partition(), last.offset());
            let (letter, _) = found.await.unwrap().unwrap();
            assert_eq!(letter.history.len(), 4);
        }
    }
    running.stop().await.unwrap();
}
