//! `Key` and `Key<T>`: the record's key.

use bytes::Bytes;

use super::{FromMessage, OptionalFromMessage};
use crate::failure::HandlerError;
use crate::message::Message;

/// The record's key, as bytes or as a `T`. A null key is a failure; `Option<Key<T>>`
/// accepts it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key<T = Bytes>(pub T);

/// What a key can be read as. Integers are big-endian, as Kafka's own serializers write
/// them.
///
/// Nothing else compiles:
///
/// ```compile_fail,E0277
/// use milena::{App, Config, Key, handler};
///
/// async fn on_order(Key(_): Key<bool>) {}
///
/// # let app = App::new(Config::builder().build().unwrap());
/// app.topic("orders", handler(on_order));
/// ```
#[diagnostic::on_unimplemented(
    message = "a key cannot be read as `{Self}`",
    note = "`Key<T>` takes `Bytes`, `Vec<u8>`, `String`, `i32` and `i64`"
)]
pub trait FromKey: Sized {
    /// Reads the key; `Err` says what was expected.
    ///
    /// # Errors
    /// When the bytes are something else.
    fn from_key(key: Bytes) -> Result<Self, &'static str>;
}

impl<S, T: FromKey> FromMessage<S> for Key<T> {
    type Rejection = HandlerError;

    fn from_message(message: &Message, _state: &S) -> Result<Key<T>, HandlerError> {
        let null_key =
            || HandlerError::decode("null-key", "the key is null; `Option<Key>` accepts that");
        read(message.key_bytes().ok_or_else(null_key)?)
    }
}

impl<S, T: FromKey> OptionalFromMessage<S> for Key<T> {
    type Rejection = HandlerError;

    fn from_message_optional(
        message: &Message,
        _state: &S,
    ) -> Result<Option<Key<T>>, HandlerError> {
        message.key_bytes().map(read).transpose()
    }
}

fn read<T: FromKey>(key: Bytes) -> Result<Key<T>, HandlerError> {
    T::from_key(key)
        .map(Key)
        .map_err(|expected| HandlerError::decode("key", format_args!("the key is not {expected}")))
}

impl FromKey for Bytes {
    fn from_key(key: Bytes) -> Result<Bytes, &'static str> {
        Ok(key)
    }
}

impl FromKey for Vec<u8> {
    fn from_key(key: Bytes) -> Result<Vec<u8>, &'static str> {
        Ok(key.to_vec())
    }
}

impl FromKey for String {
    fn from_key(key: Bytes) -> Result<String, &'static str> {
        std::str::from_utf8(&key)
            .map(str::to_owned)
            .map_err(|_| "UTF-8 text")
    }
}

impl FromKey for i32 {
    fn from_key(key: Bytes) -> Result<i32, &'static str> {
        <[u8; 4]>::try_from(&key[..])
            .map(i32::from_be_bytes)
            .map_err(|_| "an integer of 4 bytes")
    }
}

impl FromKey for i64 {
    fn from_key(key: Bytes) -> Result<i64, &'static str> {
        <[u8; 8]>::try_from(&key[..])
            .map(i64::from_be_bytes)
            .map_err(|_| "an integer of 8 bytes")
    }
}
