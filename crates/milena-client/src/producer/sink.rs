//! One report a batch, for those who follow every record: what they keep of each record is with its
//! batch from the moment it is in it, and comes back with all the answers at once. A callback a
//! record costs an allocation, a lock and a call each.

use std::any::Any;
use std::sync::Arc;

use super::callbacks::{Callbacks, Work};
use super::delivery::Fates;
use super::error::ProduceError;
use super::limits::{KEPT_AT_FIRST_MIN, KEPT_AT_ONCE};
use super::record::{Record, RecordMetadata};

/// Follows records to their end, and hears of them batch by batch; see
/// [`TopicHandle::enqueue_for`](super::TopicHandle::enqueue_for).
pub trait DeliverySink: Send + Sync + 'static {
    /// What is kept of a record until it is settled, and the record is made of.
    type Item: Send + 'static;

    /// Calls `send` with the record that is made of `item`, once; the record's own topic is
    /// ignored.
    fn with_record<R>(&self, item: &Self::Item, send: impl FnOnce(Record<'_>) -> R) -> R;

    /// Records of one batch were settled, in the order in which they were accepted. Called as
    /// callbacks are: on a task that does nothing else, in the order in which batches are settled.
    /// Items are there, to be taken by whoever needs them for longer; the others are dropped, and
    /// the batch's share of the buffer is free, when this returns. It must not panic: what it did
    /// not look at is lost then.
    fn on_settled<'a>(&self, settled: impl Iterator<Item = Settled<'a, Self::Item>>);
}

/// An item in its place, and what the broker answered to its record.
pub type Settled<'a, T> = (&'a mut Option<T>, Result<RecordMetadata, ProduceError>);

/// What a batch keeps of its records for sinks.
pub(super) struct Kept {
    /// Who reports it.
    callbacks: Arc<Callbacks>,
    /// One a sink, of which there is one mostly.
    items: Vec<Box<dyn AnyItems>>,
}

/// The items of one sink, whatever their type.
trait AnyItems: Any + Send {
    fn report(self: Box<Self>, fates: Fates);

    fn len(&self) -> usize;
}

struct Items<S: DeliverySink> {
    sink: Arc<S>,
    /// With their records' indices, in pieces: a large one would be copied while it grows, and
    /// its memory be new to the process each time.
    pieces: Vec<Vec<(u32, Option<S::Item>)>>,
}

impl Kept {
    pub(super) fn new(callbacks: &Arc<Callbacks>) -> Kept {
        Kept {
            callbacks: callbacks.clone(),
            items: Vec::with_capacity(1),
        }
    }

    /// Takes what `place` has for the record `index`. About `expected` are to come.
    #[inline]
    pub(super) fn take<S: DeliverySink>(
        &mut self,
        sink: &Arc<S>,
        index: u32,
        place: &mut Option<S::Item>,
        expected: usize,
    ) {
        for items in &mut self.items {
            let any: &mut dyn Any = items.as_mut();
            if let Some(items) = any.downcast_mut::<Items<S>>()
                && Arc::ptr_eq(&items.sink, sink)
            {
                return items.take(index, place);
            }
        }
        let mut items = Items {
            sink: sink.clone(),
            pieces: vec![Vec::with_capacity(
                expected.clamp(KEPT_AT_FIRST_MIN, KEPT_AT_ONCE),
            )],
        };
        items.take(index, place);
        self.items.push(Box::new(items));
    }

    pub(super) fn len(&self) -> usize {
        self.items.iter().map(|items| items.len()).sum()
    }

    /// Who reports, and what there is to do once the batch has come to `fates`.
    pub(super) fn report(self, fates: Fates) -> (Arc<Callbacks>, Work) {
        let Kept { callbacks, items } = self;
        let work = move || {
            for items in items {
                items.report(fates.clone());
            }
        };
        (callbacks, Box::new(work))
    }
}

impl<S: DeliverySink> Items<S> {
    #[inline]
    fn take(&mut self, index: u32, place: &mut Option<S::Item>) {
        let piece = match self.pieces.last_mut() {
            Some(piece) if piece.len() < KEPT_AT_ONCE => piece,
            _ => self.begin_piece(),
        };
        piece.push((index, place.take()));
    }

    #[cold]
    fn begin_piece(&mut self) -> &mut Vec<(u32, Option<S::Item>)> {
        self.pieces.push(Vec::with_capacity(KEPT_AT_ONCE));
        let last = self.pieces.last_mut();
        last.expect("invariant: it was pushed above")
    }
}

impl<S: DeliverySink> AnyItems for Items<S> {
    fn report(self: Box<Self>, fates: Fates) {
        let Items { sink, mut pieces } = *self;
        // In their places: they are large, and most are only looked at.
        let items = pieces.iter_mut().flatten();
        let settled = items.filter_map(|(index, item)| Some((item, fates.record(*index)?)));
        sink.on_settled(settled);
    }

    fn len(&self) -> usize {
        self.pieces.iter().map(Vec::len).sum()
    }
}

impl std::fmt::Debug for Kept {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Kept").field("items", &self.len()).finish()
    }
}

#[cfg(test)]
mod tests;
