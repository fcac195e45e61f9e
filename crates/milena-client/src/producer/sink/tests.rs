//! What is kept with a batch comes back once, with each record's answer, and has its share of the
//! buffer until then.

use std::sync::{Arc, Mutex};
use std::time::Instant;

use milena_wire::batch::{BatchStamp, RecordData};
use milena_wire::compression::Compression;

use super::{DeliverySink, Kept, RUNS_AT_FIRST, SettledBatch};
use crate::buffer_pool::BufferPool;
use crate::producer::batch::{OpenBatch, SealedBatch};
use crate::producer::budget::Budget;
use crate::producer::callbacks::Callbacks;
use crate::producer::delivery::{BatchAcknowledgement, Delivery, Part};
use crate::producer::error::ProduceErrorKind;
use crate::producer::record::RecordMetadata;

/// Keeps what it is told, call by call.
#[derive(Default)]
struct Ledger(Mutex<Vec<Told>>);

/// Items of one call with their records' offsets.
type Told = Vec<(u32, Option<i64>)>;

impl DeliverySink for Ledger {
    type Item = u32;

    fn on_settled(&self, batch: SettledBatch<'_, u32>) {
        let offset = |answer: Result<RecordMetadata, _>| answer.ok()?.offset();
        let mut told = Told::new();
        for run in batch {
            let offsets = run.records().map(|settled| offset(settled.result));
            told.extend(offsets.map(|offset| (run.item, offset)));
        }
        self.0.lock().unwrap().push(told);
    }
}

/// An open batch with a record for each of `sinks`, whose items are 10, 11, …
fn open(
    budget: &Budget,
    callbacks: &Arc<Callbacks>,
    sinks: impl IntoIterator<Item = Option<Arc<Ledger>>>,
) -> OpenBatch {
    let reserved = budget.try_reserve(1 << 16).unwrap();
    let mut open = OpenBatch::new(0, reserved, &BufferPool::new(0, 0), Instant::now());
    for (item, sink) in (10..).zip(sinks) {
        let index = open.append(&RecordData::default()).unwrap();
        if let Some(sink) = sink {
            let kept = open
                .kept
                .get_or_insert_with(|| Kept::new(&Arc::from("orders"), callbacks));
            kept.take(&sink, index, item);
        }
    }
    open
}

fn seal(open: OpenBatch) -> SealedBatch {
    open.seal(BatchStamp::NONE, Compression::None, None, Instant::now())
        .unwrap()
}

fn acknowledged(base_offset: i64) -> BatchAcknowledgement {
    BatchAcknowledgement {
        base_offset,
        log_append_time: -1,
    }
}

/// One call a batch and sink, with each record's own answer.
#[tokio::test]
async fn a_sink_is_told_once_a_batch() {
    let callbacks = Callbacks::new(tokio::runtime::Handle::current());
    let (sink, other) = (Arc::new(Ledger::default()), Arc::new(Ledger::default()));
    let budget = Budget::new(1 << 16);
    let sinks = [&sink, &other, &sink, &sink].map(|sink| Some(sink.clone()));
    let sealed = seal(open(&budget, &callbacks, sinks));
    sealed.outcome().complete_parts(vec![
        Part {
            first_index: 0,
            result: Ok(acknowledged(100)),
        },
        Part {
            first_index: 2,
            result: Err(ProduceErrorKind::Closed.into()),
        },
        Part {
            first_index: 3,
            result: Ok(acknowledged(200)),
        },
    ]);
    callbacks.drained().await;
    let told = vec![(10, Some(100)), (12, None), (13, Some(200))];
    assert_eq!(*sink.0.lock().unwrap(), [told]);
    assert_eq!(*other.0.lock().unwrap(), [vec![(11, Some(101))]]);
}

#[tokio::test]
async fn many_items_come_back_in_order_beside_records_without_one() {
    let callbacks = Callbacks::new(tokio::runtime::Handle::current());
    let sink = Arc::new(Ledger::default());
    let budget = Budget::new(1 << 16);
    let count = 40 * RUNS_AT_FIRST + 1;
    let sinks = (0..count).map(|index| (index % 3 != 1).then(|| sink.clone()));
    let sealed = seal(open(&budget, &callbacks, sinks));
    sealed.complete(Ok(acknowledged(0)));
    callbacks.drained().await;
    let indices = (0..count as u32).filter(|index| index % 3 != 1);
    let told: Told = indices
        .map(|index| (10 + index, Some(index.into())))
        .collect();
    assert_eq!(*sink.0.lock().unwrap(), [told]);
}

/// Without this, what is settled faster than it is reported would grow without end.
#[tokio::test]
async fn what_is_not_reported_has_its_share_of_the_buffer() {
    let callbacks = Callbacks::new(tokio::runtime::Handle::current());
    let sink = Arc::new(Ledger::default());
    let budget = Budget::new(1 << 16);
    let fill = |sink: Option<&Arc<Ledger>>| open(&budget, &callbacks, [sink.cloned()]);
    let ways: [(&str, &dyn Fn()); 4] = [
        ("a sink of a batch that was sent", &|| {
            seal(fill(Some(&sink))).complete(Ok(acknowledged(0)));
        }),
        ("a sink of a batch that was not", &|| {
            fill(Some(&sink)).fail(ProduceErrorKind::Closed.into());
        }),
        ("a callback of a batch that was sent", &|| {
            let sealed = seal(fill(None));
            let delivery = Delivery::new(sealed.outcome().clone(), 0);
            delivery.report(&callbacks, Box::new(drop));
            sealed.complete(Ok(acknowledged(0)));
        }),
        ("a callback of a batch that was not", &|| {
            let open = fill(None);
            let delivery = Delivery::new(open.outcome.clone(), 0);
            delivery.report(&callbacks, Box::new(drop));
            open.fail(ProduceErrorKind::Closed.into());
        }),
    ];
    for (way, settle) in ways {
        settle();
        // The task that reports has not run yet.
        assert!(!budget.is_unused(), "{way}");
        callbacks.drained().await;
        assert!(budget.is_unused(), "{way}");
    }
    let delivery = {
        let sealed = seal(fill(None));
        sealed.complete(Ok(acknowledged(0)));
        Delivery::new(sealed.outcome().clone(), 0)
    };
    assert!(budget.is_unused(), "nobody is to hear of it");
    assert!(delivery.try_result().is_some());
}

/// Takes the values of records that were not written.
#[derive(Default)]
struct Lost(Mutex<Vec<(u32, String)>>);

impl DeliverySink for Lost {
    type Item = u32;

    fn on_settled(&self, batch: SettledBatch<'_, u32>) {
        assert_eq!(**batch.topic(), *"orders");
        let mut lost = self.0.lock().unwrap();
        for run in batch {
            for settled in run.records().filter(|settled| settled.result.is_err()) {
                let record = settled.record().expect("a record of the batch");
                let value = record.value.expect("a value");
                assert_eq!(settled.record().expect("the same").value, Some(value));
                lost.push((run.item, String::from_utf8_lossy(value).into_owned()));
            }
        }
    }
}

/// A batch of nine records, every third of which is followed.
fn nine(budget: &Budget, callbacks: &Arc<Callbacks>, sink: &Arc<Lost>) -> OpenBatch {
    let reserved = budget.try_reserve(1 << 12).unwrap();
    let mut open = OpenBatch::new(0, reserved, &BufferPool::new(0, 0), Instant::now());
    for number in 0..9 {
        let value = format!("value {number}");
        let data = RecordData {
            value: Some(value.as_bytes()),
            ..RecordData::default()
        };
        let index = open.append(&data).unwrap();
        if number % 3 == 1 {
            let new = || Kept::new(&Arc::from("orders"), callbacks);
            open.kept.get_or_insert_with(new).take(sink, index, number);
        }
    }
    open
}

/// Whoever publishes need not keep a copy: what was not written comes back as it was to be.
#[tokio::test]
async fn records_come_back_with_their_items() {
    let callbacks = Callbacks::new(tokio::runtime::Handle::current());
    let budget = Budget::new(1 << 16);
    let closed = || ProduceErrorKind::Closed.into();
    let seal = |open: OpenBatch, compression| {
        open.seal(BatchStamp::NONE, compression, None, Instant::now())
            .unwrap()
    };
    type Settle<'a> = (&'a str, &'a dyn Fn(OpenBatch));
    let ways: [Settle<'_>; 5] = [
        ("never sent", &|open| open.fail(closed())),
        ("sent", &|open| {
            seal(open, Compression::None).complete(Err(closed()));
        }),
        ("sent compressed", &|open| {
            seal(open, Compression::Zstd).complete(Err(closed()));
        }),
        ("sent under another stamp", &|open| {
            let mut sealed = seal(open, Compression::None);
            sealed.restamp(BatchStamp::NONE);
            sealed.complete(Err(closed()));
        }),
        ("sent in halves", &|open| {
            let sealed = seal(open, Compression::Lz4);
            for half in sealed.split(None).unwrap() {
                half.complete(Err(closed()));
            }
        }),
    ];
    for (way, settle) in ways {
        let sink = Arc::new(Lost::default());
        settle(nine(&budget, &callbacks, &sink));
        callbacks.drained().await;
        let expected = [1, 4, 7].map(|number| (number, format!("value {number}")));
        assert_eq!(*sink.0.lock().unwrap(), expected, "{way}");
    }
}

/// Takes runs: what is kept of each, how many records it has, and whether all were written.
#[derive(Default)]
struct Runs(Mutex<Vec<(u32, usize, bool)>>);

impl DeliverySink for Runs {
    type Item = u32;

    fn likeness(item: &u32) -> Option<u64> {
        (*item > 0).then_some(u64::from(*item))
    }

    fn on_settled(&self, batch: SettledBatch<'_, u32>) {
        let runs = batch.map(|run| (run.item, run.count(), run.is_written()));
        self.0.lock().unwrap().extend(runs);
    }
}

/// One item for records that follow each other and are alike; what is between them divides them,
/// another sink's records too.
#[tokio::test]
async fn what_is_alike_is_kept_once() {
    let callbacks = Callbacks::new(tokio::runtime::Handle::current());
    let (sink, other) = (Arc::new(Runs::default()), Arc::new(Runs::default()));
    let budget = Budget::new(1 << 16);
    let reserved = budget.try_reserve(1 << 12).unwrap();
    let mut open = OpenBatch::new(0, reserved, &BufferPool::new(0, 0), Instant::now());
    let (one, two) = (Some(&sink), Some(&other));
    for (sink, item) in [
        (one, 7),
        (one, 7),
        (one, 7),
        (None, 7),
        (one, 7),
        (one, 8),
        (one, 8),
        (two, 8),
        (two, 8),
        (one, 8),
        // Alike to none, not even to itself.
        (one, 0),
        (one, 0),
    ] {
        let index = open.append(&RecordData::default()).unwrap();
        if let Some(sink) = sink {
            let new = || Kept::new(&Arc::from("orders"), &callbacks);
            open.kept.get_or_insert_with(new).take(sink, index, item);
        }
    }
    let part = |first_index, result| Part {
        first_index,
        result,
    };
    seal(open).outcome().complete_parts(vec![
        part(0, Ok(acknowledged(100))),
        part(1, Err(ProduceErrorKind::Closed.into())),
        part(2, Ok(acknowledged(200))),
    ]);
    callbacks.drained().await;
    let expected = [
        (7, 3, false),
        (7, 1, true),
        (8, 2, true),
        (8, 1, true),
        (0, 1, true),
        (0, 1, true),
    ];
    assert_eq!(*sink.0.lock().unwrap(), expected);
    assert_eq!(*other.0.lock().unwrap(), [(8, 2, true)]);
}
