//! `Batch<T>`: what a batch handler gets of each record, and what it may ask for beside it.

use super::state::{FromRef, State};

/// What a [`batch_handler`](fn@crate::batch_handler) gets: one `T` for each record, in the
/// partition's order. `T` is any [extractor](super::FromMessage), or a tuple of them:
/// `Batch<(Json<Order>, Meta)>`.
///
/// Records that cannot be read as a `T` are not part of it: they fail by themselves, and go
/// to the dead letter topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch<T>(pub Vec<T>);

impl<T> IntoIterator for Batch<T> {
    type Item = T;
    type IntoIter = std::vec::IntoIter<T>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

/// Reads an argument of a batch handler other than the batch itself.
///
/// That is the state alone; this does not compile:
///
/// ```compile_fail,E0277
/// use milena::{App, Batch, Bytes, Config, Meta, batch_handler};
///
/// async fn on_orders(_: Batch<Bytes>, _: Meta) {} // `Batch<(Bytes, Meta)>`
///
/// # let app = App::new(Config::builder().build().unwrap());
/// app.topic("orders", batch_handler(on_orders));
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be an argument of a batch handler after the batch",
    label = "belongs into the batch, or is no extractor",
    note = "after `Batch<T>` come `State<T>` arguments; what differs from record to record is read with the record: `Batch<(Json<Order>, Meta)>`"
)]
pub trait FromBatch<S>: Sized {
    /// Reads the argument.
    fn from_batch(state: &S) -> Self;
}

impl<S, T: FromRef<S>> FromBatch<S> for State<T> {
    fn from_batch(state: &S) -> State<T> {
        State(T::from_ref(state))
    }
}
