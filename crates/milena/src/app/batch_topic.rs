//! What is said about a topic whose records are handled many at once.

use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use super::batch_worker::BatchSize;
use super::limits::{BATCH_RECORDS_DEFAULT, BATCH_WAIT_DEFAULT};
use super::route::BatchRoute;
use super::topic::{OnFailure, Retries, TopicOptions, TopicParts, TopicSetup, common_options};
use crate::batch_handler::{BatchHandler, BatchService};
use crate::publisher::Breaker;
use crate::retry::Retry;

/// Makes a handler of batches ready for [`App::topic`](crate::App::topic): called when 25
/// records have come, or 5 seconds after the first of them.
///
/// ```
/// use std::time::Duration;
/// use milena::{Batch, HandlerError, Json, State, batch_handler};
///
/// #[derive(Clone)]
/// struct Database;
///
/// #[derive(serde::Deserialize)]
/// struct Order { id: u32 }
///
/// // One result for each record; `Result<(), HandlerError>` would be for all together.
/// async fn on_orders(
///     Batch(orders): Batch<Json<Order>>,
///     State(_): State<Database>,
/// ) -> Vec<Result<(), HandlerError>> {
///     let insert = |order: &Order| match order.id {
///         0 => Err(HandlerError::non_retriable("no order has the number 0")),
///         _ => Ok(()),
///     };
///     orders.iter().map(|Json(order)| insert(order)).collect()
/// }
///
/// # let _: milena::BatchTopicHandler<_, (Batch<Json<Order>>, State<Database>)> =
/// batch_handler(on_orders).records_max(500).wait_max(Duration::from_secs(1))
/// # ;
/// ```
///
/// A batch holds records of one partition, in their order. Of each partition one batch is
/// handled at a time, those of different partitions side by side; there is no other
/// [`Concurrency`](crate::Concurrency) for batches, as a handler can work on its records at
/// once itself.
///
/// Each record that failed goes its own way, as with a [`handler`](fn@crate::handler): those
/// that may succeed later are tried again together, in a smaller batch, while the partition
/// waits; the others become dead letters. Records that succeeded are not handled again,
/// save after a crash: the commit stays before the first that is not done.
pub fn batch_handler<H, Arguments>(handler: H) -> BatchTopicHandler<H, Arguments> {
    BatchTopicHandler {
        handler,
        size: BatchSize {
            records_max: BATCH_RECORDS_DEFAULT,
            wait_max: BATCH_WAIT_DEFAULT,
        },
        options: TopicOptions::default(),
        arguments: PhantomData,
    }
}

/// A batch handler with what is to happen around it; made by [`batch_handler`].
#[derive(Debug, Clone)]
#[must_use = "a handler does nothing until an application has it"]
pub struct BatchTopicHandler<H, Arguments> {
    handler: H,
    size: BatchSize,
    options: TopicOptions,
    arguments: PhantomData<fn() -> Arguments>,
}

impl<S, H, Arguments> TopicSetup<S> for BatchTopicHandler<H, Arguments>
where
    S: Clone + Send + Sync + 'static,
    H: BatchHandler<Arguments, S>,
    Arguments: 'static,
{
    fn set_up(self, state: S) -> TopicParts {
        TopicParts {
            handler: std::any::type_name::<H>(),
            route: Arc::new(BatchRoute {
                handler: Arc::new(BatchService::new(self.handler, state)),
                size: self.size,
            }),
            options: self.options,
        }
    }
}

impl<H, Arguments> BatchTopicHandler<H, Arguments> {
    /// How many records make a batch complete; 25 by default, 0 counts as 1.
    pub fn records_max(mut self, records: usize) -> Self {
        self.size.records_max = records.max(1);
        self
    }

    /// How long a batch waits for more records after its first; 5 s by default.
    pub fn wait_max(mut self, wait: Duration) -> Self {
        self.size.wait_max = wait;
        self
    }

    common_options!();
}
