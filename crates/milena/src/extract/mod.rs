//! Extractors: what the arguments of a handler may be.
//!
//! Owns the trait that reads an argument from a message, and the argument types, one
//! file each. Reading is synchronous: the message is in memory. The value is a counted
//! slice of the fetched buffer, so extractors may stand in any order and more than one
//! may read it. Knows nothing of retries or commits.

mod batch;
mod headers;
mod json;
mod key;
mod meta;
mod outbox;
mod state;
mod valid;
mod value;

use std::convert::Infallible;

use crate::failure::HandlerError;
use crate::message::Message;

pub use self::batch::{Batch, FromBatch};
pub use self::json::Json;
pub use self::key::{FromKey, Key};
pub use self::meta::Meta;
pub(crate) use self::outbox::Content;
pub use self::outbox::Outbox;
pub use self::state::{FromRef, State};
pub use self::valid::Valid;

/// Reads one argument of a handler from a message.
///
/// Implemented for [`Json<T>`], [`Bytes`](::bytes::Bytes), [`Key<T>`],
/// [`Headers`](crate::Headers), [`Meta`], [`State<T>`], [`Valid<T>`](Valid), the whole
/// [`Message`], for `Option` of those that may be absent, for `Result` of all, and for tuples.
///
/// A type that does not implement it is no argument of a handler:
///
/// ```compile_fail,E0277
/// use milena::{App, Config, handler};
///
/// struct Tenant(String);
///
/// async fn on_order(Tenant(_): Tenant) {}
///
/// # let app = App::new(Config::builder().build().unwrap());
/// app.topic("orders", handler(on_order));
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be read from a message",
    label = "not an extractor",
    note = "arguments of a handler are `Json<T>` (with `T: serde::de::DeserializeOwned`), `Bytes`, `Key<T>`, `Headers`, `Meta`, `State<T>` (with `T` from the application's state), `Valid<Json<T>>` (with `T: Validate`), `Message`, `Outbox`, or `Option`/`Result` of them"
)]
pub trait FromMessage<S>: Sized {
    /// Why it could not be read; becomes the failure of the record, unless the handler
    /// asks for a `Result`.
    type Rejection: Into<HandlerError>;

    /// Reads the argument.
    ///
    /// # Errors
    /// When the message does not have it, or in another form.
    fn from_message(message: &Message, state: &S) -> Result<Self, Self::Rejection>;
}

/// An extractor that may find nothing, without that being an error.
///
/// What is always there has no `Option`:
///
/// ```compile_fail,E0277
/// use milena::{App, Config, Meta, handler};
///
/// async fn on_order(_: Option<Meta>) {}
///
/// # let app = App::new(Config::builder().build().unwrap());
/// app.topic("orders", handler(on_order));
/// ```
#[diagnostic::on_unimplemented(
    message = "`Option<{Self}>` cannot be read from a message",
    note = "`Option` works for what may be absent: `Json<T>`, `Bytes` (a null value) and `Key<T>` (a null key)"
)]
pub trait OptionalFromMessage<S>: Sized {
    /// Why it is there but could not be read.
    type Rejection: Into<HandlerError>;

    /// Reads the argument, or finds that it is absent.
    ///
    /// # Errors
    /// When it is there in another form.
    fn from_message_optional(message: &Message, state: &S)
    -> Result<Option<Self>, Self::Rejection>;
}

impl<S, T: OptionalFromMessage<S>> FromMessage<S> for Option<T> {
    type Rejection = T::Rejection;

    fn from_message(message: &Message, state: &S) -> Result<Option<T>, T::Rejection> {
        T::from_message_optional(message, state)
    }
}

impl<S, T: FromMessage<S>> FromMessage<S> for Result<T, T::Rejection> {
    type Rejection = Infallible;

    fn from_message(message: &Message, state: &S) -> Result<Self, Infallible> {
        Ok(T::from_message(message, state))
    }
}

impl<S> FromMessage<S> for Message {
    type Rejection = Infallible;

    fn from_message(message: &Message, _state: &S) -> Result<Message, Infallible> {
        Ok(message.clone())
    }
}

macro_rules! impl_for_tuple {
    ($($part:ident),*) => {
        /// All parts, or the first failure of one.
        impl<S, $($part: FromMessage<S>,)*> FromMessage<S> for ($($part,)*) {
            type Rejection = HandlerError;

            fn from_message(message: &Message, state: &S) -> Result<Self, HandlerError> {
                Ok(($($part::from_message(message, state).map_err(Into::into)?,)*))
            }
        }
    };
}

impl_for_tuple!(A1, A2);
impl_for_tuple!(A1, A2, A3);
impl_for_tuple!(A1, A2, A3, A4);

#[cfg(test)]
mod tests;
