//! `State<T>`: what the application shares with its handlers.

use std::convert::Infallible;

use super::FromMessage;
use crate::message::Message;

/// A clone of the application's state, or of a part of it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct State<T>(pub T);

/// Takes a part out of the application's state, so that a handler names only what it
/// needs. Every state is a part of itself.
///
/// ```
/// use milena::FromRef;
///
/// #[derive(Clone)]
/// struct Database;
///
/// #[derive(Clone)]
/// struct AppState { database: Database, region: &'static str }
///
/// impl FromRef<AppState> for Database {
///     fn from_ref(state: &AppState) -> Database {
///         state.database.clone()
///     }
/// }
/// ```
///
/// A handler that asks for what the application does not have does not compile:
///
/// ```compile_fail,E0277
/// use milena::{App, Config, State, handler};
///
/// #[derive(Clone)]
/// struct Database;
///
/// async fn on_order(State(_): State<Database>) {}
///
/// # let app = App::new(Config::builder().build().unwrap());
/// app.topic("orders", handler(on_order)); // without `.state(Database)` before it
/// ```
#[diagnostic::on_unimplemented(
    message = "the application's state `{T}` has no part `{Self}`",
    note = "call `.state(…)` with it before `.topic(…)`, or implement `FromRef<{T}>` for `{Self}`"
)]
pub trait FromRef<T> {
    /// Takes the part out, usually by cloning it.
    fn from_ref(whole: &T) -> Self;
}

impl<T: Clone> FromRef<T> for T {
    fn from_ref(whole: &T) -> T {
        whole.clone()
    }
}

impl<S, T: FromRef<S>> FromMessage<S> for State<T> {
    type Rejection = Infallible;

    fn from_message(_message: &Message, state: &S) -> Result<State<T>, Infallible> {
        Ok(State(T::from_ref(state)))
    }
}
