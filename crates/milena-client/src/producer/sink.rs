//! One report a batch, for those who follow every record: what they keep of each record waits with
//! its batch, and comes back with all the answers at once. A callback a record costs an allocation
//! and a call each.

use std::any::Any;
use std::sync::Arc;

use super::callbacks::Work;
use super::delivery::Fates;
use super::error::ProduceError;
use super::record::RecordMetadata;

/// Hears of settled records, batch by batch; see [`Producer::report_to`].
///
/// [`Producer::report_to`]: super::Producer::report_to
pub trait DeliverySink: Send + Sync + 'static {
    /// What is kept of a record until it is settled.
    type Item: Send + 'static;

    /// Records of one batch were settled, in the order in which they were reported. Called as
    /// callbacks are: on a task that does nothing else, in the order in which batches are settled.
    /// It must not panic: what it did not look at is lost then.
    fn on_settled(
        &self,
        settled: impl Iterator<Item = (Self::Item, Result<RecordMetadata, ProduceError>)>,
    );
}

/// The items of a batch, whatever their type.
pub(super) trait Collected: Any + Send {
    /// What is to be done once the batch has come to `fates`.
    fn report(self: Box<Self>, fates: Fates) -> Work;

    fn len(&self) -> usize;
}

struct Items<S: DeliverySink> {
    sink: Arc<S>,
    items: Vec<(u32, S::Item)>,
}

impl<S: DeliverySink> Collected for Items<S> {
    fn report(self: Box<Self>, fates: Fates) -> Work {
        Box::new(move || {
            let Items { sink, items } = *self;
            let answer = |(index, item)| Some((item, fates.record(index)?));
            sink.on_settled(items.into_iter().filter_map(answer));
        })
    }

    fn len(&self) -> usize {
        self.items.len()
    }
}

/// Adds an item to those of its batch; gives it back if those are another sink's.
pub(super) fn collect<S: DeliverySink>(
    collected: &mut Option<Box<dyn Collected>>,
    sink: &Arc<S>,
    index: u32,
    item: S::Item,
) -> Result<(), S::Item> {
    let Some(collected) = collected else {
        let items = vec![(index, item)];
        let sink = sink.clone();
        *collected = Some(Box::new(Items { sink, items }));
        return Ok(());
    };
    let any: &mut dyn Any = collected.as_mut();
    match any.downcast_mut::<Items<S>>() {
        Some(items) if Arc::ptr_eq(&items.sink, sink) => {
            items.items.push((index, item));
            Ok(())
        }
        _ => Err(item),
    }
}
