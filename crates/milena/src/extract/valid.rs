//! `Valid<E>`: what another extractor read, checked.

use super::{FromMessage, Json, OptionalFromMessage};
use crate::failure::HandlerError;
use crate::message::Message;
use crate::validate::{Problems, Validate};

/// What `E` reads, if it makes sense: `Valid<Json<Order>>`, where `Order` implements
/// [`Validate`]. What does not fails at stage `validate`, with the paths of the fields, and
/// is not retried; with the default settings it goes to the dead letter topic as it came.
///
/// ```
/// use milena::{Json, Problems, Valid, Validate, handler};
///
/// #[derive(serde::Deserialize)]
/// struct Order { customer: String }
///
/// impl Validate for Order {
///     fn validate(&self, problems: &mut Problems) {
///         problems.check(!self.customer.is_empty(), "customer", "must not be empty");
///     }
/// }
///
/// async fn on_order(Valid(Json(order)): Valid<Json<Order>>) {
///     println!("an order of {}", order.customer);
/// }
/// # let _: milena::TopicHandler<_, (Valid<Json<Order>>,)> = handler(on_order);
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Valid<E>(pub E);

impl<S, E: FromMessage<S> + Validate> FromMessage<S> for Valid<E> {
    type Rejection = HandlerError;

    fn from_message(message: &Message, state: &S) -> Result<Valid<E>, HandlerError> {
        checked(E::from_message(message, state).map_err(Into::into)?)
    }
}

impl<S, E: OptionalFromMessage<S> + Validate> OptionalFromMessage<S> for Valid<E> {
    type Rejection = HandlerError;

    fn from_message_optional(
        message: &Message,
        state: &S,
    ) -> Result<Option<Valid<E>>, HandlerError> {
        let read = E::from_message_optional(message, state).map_err(Into::into)?;
        read.map(checked).transpose()
    }
}

fn checked<E: Validate>(read: E) -> Result<Valid<E>, HandlerError> {
    Problems::of(&read).map(|()| Valid(read))
}

impl<T: Validate> Validate for Json<T> {
    fn validate(&self, problems: &mut Problems) {
        self.0.validate(problems);
    }
}
