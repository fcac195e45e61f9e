//! What is kept with a batch comes back once, with each record's answer, and has its share of the
//! buffer until then.

use std::sync::{Arc, Mutex};
use std::time::Instant;

use milena_wire::batch::{BatchStamp, RecordData};
use milena_wire::compression::Compression;

use super::{DeliverySink, KEPT_AT_ONCE, Kept, Settled};
use crate::buffer_pool::BufferPool;
use crate::producer::batch::{OpenBatch, SealedBatch};
use crate::producer::budget::Budget;
use crate::producer::callbacks::Callbacks;
use crate::producer::delivery::{BatchAcknowledgement, Delivery, Part};
use crate::producer::error::ProduceErrorKind;
use crate::producer::record::{Record, RecordMetadata};

/// Keeps what it is told, call by call.
#[derive(Default)]
struct Ledger(Mutex<Vec<Told>>);

/// Items of one call with their records' offsets.
type Told = Vec<(u32, Option<i64>)>;

impl DeliverySink for Ledger {
    type Item = u32;

    fn with_record<R>(&self, item: &u32, send: impl FnOnce(Record<'_>) -> R) -> R {
        send(Record::to("").value(&item.to_be_bytes()))
    }

    fn on_settled<'a>(&self, settled: impl Iterator<Item = Settled<'a, u32>>) {
        let offset = |answer: Result<RecordMetadata, _>| answer.ok()?.offset();
        let told = settled.filter_map(|(item, answer)| Some((item.take()?, offset(answer))));
        self.0.lock().unwrap().push(told.collect());
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
            let kept = open.kept.get_or_insert_with(|| Kept::new(callbacks));
            kept.take(&sink, index, &mut Some(item), 0);
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
    let count = 3 * KEPT_AT_ONCE + 1;
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
