//! One report a batch, for those who follow every record: what they keep of each record is with its
//! batch from the moment it is in it, and comes back with all the answers at once, and with the
//! record if they want to see it. A callback a record costs an allocation, a lock and a call each;
//! a copy of each record besides costs as much as sending it.

use std::any::Any;
use std::cell::{Cell, OnceCell};
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use milena_wire::batch::{Batch, BatchError, RawBatch, RecordCursor, RecordView};
use milena_wire::limits::DECOMPRESSED_BYTES_MAX;

use super::callbacks::{Callbacks, Work};
use super::delivery::Fates;
use super::error::ProduceError;
use super::limits::RUNS_AT_FIRST;
use super::record::RecordMetadata;

/// Follows records to their end, and hears of them batch by batch; see
/// [`TopicHandle::enqueue_for`](super::TopicHandle::enqueue_for).
pub trait DeliverySink: Send + Sync + 'static {
    /// What is kept of a record until it is settled. The record itself is kept anyway, so this need
    /// only be what it does not say.
    type Item: Send + 'static;

    /// A number that only those items share that say the same of their records: one of them is kept
    /// for records that follow each other in a batch, and the others are dropped. Most records of a
    /// batch are alike to most sinks. `None` for an item that is to be kept in any case.
    #[inline]
    fn likeness(item: &Self::Item) -> Option<u64> {
        let _ = item;
        None
    }

    /// Records of one batch were settled. Called as callbacks are: on a task that does nothing else,
    /// in the order in which batches are settled. The batch's share of the buffer is free when this
    /// returns. It must not panic: what it did not look at is lost then.
    fn on_settled(&self, batch: SettledBatch<'_, Self::Item>);
}

/// Records of one batch that were settled: iterates over them in the order in which they were
/// accepted, those of which the same is kept together.
#[derive(Debug)]
pub struct SettledBatch<'a, T> {
    topic: &'a Arc<str>,
    runs: std::vec::IntoIter<Run<T>>,
    fates: &'a Fates,
    records: &'a Records,
}

/// Records that follow each other in a batch, of which the same was kept.
#[derive(Debug)]
pub struct SettledRun<'a, T> {
    /// What was kept of each.
    pub item: T,
    indices: Range<u32>,
    fates: &'a Fates,
    records: &'a Records,
}

/// One record that was settled.
#[derive(Debug)]
pub struct Settled<'a> {
    /// What the broker answered.
    pub result: Result<RecordMetadata, ProduceError>,
    index: u32,
    records: &'a Records,
}

impl<'a, T> SettledBatch<'a, T> {
    /// The topic of the records.
    #[must_use]
    pub fn topic(&self) -> &'a Arc<str> {
        self.topic
    }

    /// The partition of the records.
    #[must_use]
    pub fn partition_index(&self) -> i32 {
        self.fates.partition()
    }
}

impl<'a, T> Iterator for SettledBatch<'a, T> {
    type Item = SettledRun<'a, T>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let Run { item, indices } = self.runs.next()?;
        Some(SettledRun {
            item,
            indices,
            fates: self.fates,
            records: self.records,
        })
    }
}

impl<'a, T> SettledRun<'a, T> {
    /// How many records there are; one at least.
    #[must_use]
    pub fn count(&self) -> usize {
        self.indices.len()
    }

    /// Whether the broker has all of them; asks for none of them in particular.
    #[must_use]
    pub fn is_written(&self) -> bool {
        self.fates.are_written(&self.indices)
    }

    /// The records one by one.
    pub fn records(&self) -> impl Iterator<Item = Settled<'a>> + use<'a, T> {
        let (fates, records) = (self.fates, self.records);
        self.indices.clone().filter_map(move |index| {
            Some(Settled {
                // A batch is settled as a whole.
                result: fates.record(index)?,
                index,
                records,
            })
        })
    }
}

impl<'a> Settled<'a> {
    /// The record as it was to be written; its offset is that within the batch. Cheap in the order
    /// of the batch; decompresses it where it is compressed.
    ///
    /// # Errors
    /// When the batch could not be encoded to begin with.
    pub fn record(&self) -> Result<RecordView<'a>, BatchError> {
        self.records.read(self.index)
    }
}

/// The records of a batch that was settled, decoded if somebody asks for them.
#[derive(Debug)]
pub(super) struct Records {
    /// The batch as it was sent first, or would have been; `None` if it could not be encoded.
    bytes: Option<Bytes>,
    opened: OnceCell<Batch>,
    /// Behind the record that was asked for last.
    cursor: Cell<RecordCursor>,
}

impl Records {
    pub(super) fn new(bytes: Option<Bytes>) -> Records {
        Records {
            bytes,
            opened: OnceCell::new(),
            cursor: Cell::default(),
        }
    }

    fn read(&self, index: u32) -> Result<RecordView<'_>, BatchError> {
        let batch = match self.opened.get() {
            Some(batch) => batch,
            None => {
                let batch = self.open()?;
                self.opened.get_or_init(|| batch)
            }
        };
        let mut cursor = self.cursor.get();
        if cursor.records_decoded() > index {
            cursor = RecordCursor::default();
        }
        while let Some(record) = cursor.next(batch) {
            let record = record?;
            if cursor.records_decoded() > index {
                self.cursor.set(cursor);
                return Ok(record);
            }
        }
        Err(BatchError::Empty)
    }

    fn open(&self) -> Result<Batch, BatchError> {
        let bytes = self.bytes.clone().ok_or(BatchError::Empty)?;
        RawBatch::parse(bytes)?.open(DECOMPRESSED_BYTES_MAX)
    }
}

/// What a batch keeps of its records for sinks.
pub(super) struct Kept {
    topic: Arc<str>,
    /// Who reports it.
    callbacks: Arc<Callbacks>,
    /// The run that was begun last, if more records may be alike.
    growing: Option<Growing>,
    /// One a sink, of which there is one mostly.
    items: Vec<Box<dyn AnyItems>>,
}

/// A run whose end is known here only, so that one more record need not find its sink's items.
struct Growing {
    /// The address of its sink, which lives as long as its items.
    sink: usize,
    likeness: u64,
    end: u32,
    /// Where the sink's items are.
    place: usize,
}

/// The items of one sink, whatever their type.
trait AnyItems: Any + Send {
    /// The last run ends there.
    fn grow(&mut self, end: u32);

    fn report(self: Box<Self>, topic: &Arc<str>, fates: &Fates, records: &Records);
}

struct Items<S: DeliverySink> {
    sink: Arc<S>,
    runs: Vec<Run<S::Item>>,
}

/// What is kept of records that follow each other.
#[derive(Debug)]
struct Run<T> {
    item: T,
    indices: Range<u32>,
}

impl Kept {
    pub(super) fn new(topic: &Arc<str>, callbacks: &Arc<Callbacks>) -> Kept {
        Kept {
            topic: topic.clone(),
            callbacks: callbacks.clone(),
            growing: None,
            items: Vec::with_capacity(1),
        }
    }

    /// Takes what is kept of the record `index`.
    #[inline]
    pub(super) fn take<S: DeliverySink>(&mut self, sink: &Arc<S>, index: u32, item: S::Item) {
        let likeness = S::likeness(&item);
        let address = Arc::as_ptr(sink).addr();
        if let Some(growing) = &mut self.growing
            && (growing.sink, growing.end, Some(growing.likeness)) == (address, index, likeness)
        {
            growing.end += 1;
            return;
        }
        self.begin_run(sink, index, item);
    }

    fn begin_run<S: DeliverySink>(&mut self, sink: &Arc<S>, index: u32, item: S::Item) {
        self.end_run();
        let (likeness, end) = (S::likeness(&item), index + 1);
        let growing = |place| {
            likeness.map(|likeness| Growing {
                sink: Arc::as_ptr(sink).addr(),
                likeness,
                end,
                place,
            })
        };
        let run = Run {
            item,
            indices: index..end,
        };
        for (place, items) in self.items.iter_mut().enumerate() {
            let any: &mut dyn Any = items.as_mut();
            if let Some(items) = any.downcast_mut::<Items<S>>()
                && Arc::ptr_eq(&items.sink, sink)
            {
                items.runs.push(run);
                self.growing = growing(place);
                return;
            }
        }
        self.growing = growing(self.items.len());
        let mut runs = Vec::with_capacity(RUNS_AT_FIRST);
        runs.push(run);
        let sink = sink.clone();
        self.items.push(Box::new(Items { sink, runs }));
    }

    /// No further record belongs to the run that grows.
    fn end_run(&mut self) {
        if let Some(Growing { end, place, .. }) = self.growing.take()
            && let Some(items) = self.items.get_mut(place)
        {
            items.grow(end);
        }
    }

    /// Who reports, and what there is to do once the batch of `bytes` has come to `fates`.
    pub(super) fn report(mut self, fates: Fates, bytes: Option<Bytes>) -> (Arc<Callbacks>, Work) {
        self.end_run();
        let Kept {
            topic,
            callbacks,
            items,
            ..
        } = self;
        let work = move || {
            let records = Records::new(bytes);
            for items in items {
                items.report(&topic, &fates, &records);
            }
        };
        (callbacks, Box::new(work))
    }
}

impl<S: DeliverySink> AnyItems for Items<S> {
    fn grow(&mut self, end: u32) {
        if let Some(run) = self.runs.last_mut() {
            run.indices.end = end;
        }
    }

    fn report(self: Box<Self>, topic: &Arc<str>, fates: &Fates, records: &Records) {
        self.sink.on_settled(SettledBatch {
            topic,
            runs: self.runs.into_iter(),
            fates,
            records,
        });
    }
}

impl std::fmt::Debug for Kept {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let sinks = self.items.len();
        f.debug_struct("Kept").field("sinks", &sinks).finish()
    }
}

#[cfg(test)]
mod tests;
