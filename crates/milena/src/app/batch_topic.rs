//! What is said about a topic whose records are handled many at once.

use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use tower::layer::util::{Identity, Stack};
use tower::{Layer, Service};

use super::batch_worker::BatchSize;
use super::limits::{BATCH_RECORDS_DEFAULT, BATCH_WAIT_DEFAULT};
use super::route::BatchRoute;
use super::topic::{OnFailure, Retries, TopicOptions, TopicParts, TopicSetup, common_options};
use crate::batch_handler::{BatchFailures, BatchHandler, BatchService, CallBatch, Layered};
use crate::failure::IntoHandlerError;
use crate::message::Message;
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
        layer: Identity::new(),
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
pub struct BatchTopicHandler<H, Arguments, L = Identity> {
    handler: H,
    layer: L,
    size: BatchSize,
    options: TopicOptions,
    arguments: PhantomData<fn() -> Arguments>,
}

impl<S, H, Arguments> TopicSetup<S> for BatchTopicHandler<H, Arguments, Identity>
where
    S: Clone + Send + Sync + 'static,
    H: BatchHandler<Arguments, S>,
    Arguments: 'static,
{
    fn set_up(self, state: S) -> TopicParts {
        // Without layers, batches need not be copied for them.
        let handler = Arc::new(BatchService::new(self.handler, state));
        parts::<H>(handler, self.size, self.options)
    }
}

impl<S, H, Arguments, Inner, Outer> TopicSetup<S>
    for BatchTopicHandler<H, Arguments, Stack<Inner, Outer>>
where
    S: Clone + Send + Sync + 'static,
    H: BatchHandler<Arguments, S>,
    Arguments: 'static,
    Stack<Inner, Outer>: Layer<BatchService<H, Arguments, S>>,
    <Stack<Inner, Outer> as Layer<BatchService<H, Arguments, S>>>::Service: Service<Vec<Message>, Response = BatchFailures, Error: IntoHandlerError, Future: Send>
        + Clone
        + Send
        + Sync
        + 'static,
{
    fn set_up(self, state: S) -> TopicParts {
        let service = self.layer.layer(BatchService::new(self.handler, state));
        parts::<H>(Arc::new(Layered(service)), self.size, self.options)
    }
}

fn parts<H>(handler: Arc<dyn CallBatch>, size: BatchSize, options: TopicOptions) -> TopicParts {
    TopicParts {
        handler: std::any::type_name::<H>(),
        route: Arc::new(BatchRoute { handler, size }),
        options,
    }
}

impl<H, Arguments, L> BatchTopicHandler<H, Arguments, L> {
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

    /// Wraps the handler in a tower layer of services of `Vec<Message>`; layers added later are
    /// further outside. Retries pass through all of them again. An error of a layer's own is
    /// retriable, and fails all records of the batch.
    ///
    /// ```
    /// use milena::{Batch, Json, Message, batch_handler};
    /// use tower::util::MapRequestLayer;
    ///
    /// async fn on_orders(Batch(orders): Batch<Json<u32>>) {
    ///     println!("{} orders", orders.len());
    /// }
    ///
    /// // A `TimeoutLayer`, a `ConcurrencyLimitLayer`, one of your own.
    /// let shown = MapRequestLayer::new(|messages: Vec<Message>| {
    ///     println!("{} messages", messages.len());
    ///     messages
    /// });
    /// let on_orders = batch_handler(on_orders).layer(shown);
    /// # drop(milena::App::new(milena::Config::builder().build()?).topic("orders", on_orders));
    /// # Ok::<(), milena::ConfigError>(())
    /// ```
    pub fn layer<Outer>(self, outer: Outer) -> BatchTopicHandler<H, Arguments, Stack<L, Outer>> {
        BatchTopicHandler {
            handler: self.handler,
            layer: Stack::new(self.layer, outer),
            size: self.size,
            options: self.options,
            arguments: PhantomData,
        }
    }

    common_options!();
}
