//! Values and keys as bytes, in the forms that Kafka's own serializers have.

use bytes::Bytes;

/// Turns something into the bytes of a key or a value. Texts are UTF-8; integers and floats
/// are big-endian, as the Java client's `ShortSerializer`, `IntegerSerializer`,
/// `LongSerializer`, `FloatSerializer` and `DoubleSerializer` write them. JSON of any `serde`
/// type is [`Outgoing::json`](crate::Outgoing::json); for other formats implement it:
///
/// ```
/// use milena::{Bytes, Outgoing, ToBytes};
///
/// struct Point { x: u8, y: u8 }
///
/// impl ToBytes for Point {
///     fn to_bytes(&self) -> Bytes {
///         Bytes::from(vec![self.x, self.y])
///     }
/// }
///
/// let message = Outgoing::to("points").key_from(&7_i64).value_from(&Point { x: 1, y: 2 });
/// # let _ = message;
/// assert_eq!(7_i64.to_bytes()[..], [0, 0, 0, 0, 0, 0, 0, 7]);
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` has no form as bytes",
    note = "implement `ToBytes` for it, or use `Outgoing::json` for a `serde` type"
)]
pub trait ToBytes {
    /// The bytes.
    fn to_bytes(&self) -> Bytes;
}

impl ToBytes for str {
    fn to_bytes(&self) -> Bytes {
        Bytes::copy_from_slice(self.as_bytes())
    }
}

impl ToBytes for String {
    fn to_bytes(&self) -> Bytes {
        self.as_str().to_bytes()
    }
}

impl ToBytes for [u8] {
    fn to_bytes(&self) -> Bytes {
        Bytes::copy_from_slice(self)
    }
}

impl ToBytes for Bytes {
    fn to_bytes(&self) -> Bytes {
        self.clone()
    }
}

macro_rules! big_endian {
    ($($number:ty),*) => {
        $(impl ToBytes for $number {
            fn to_bytes(&self) -> Bytes {
                Bytes::copy_from_slice(&self.to_be_bytes())
            }
        })*
    };
}

big_endian!(i16, i32, i64, u16, u32, u64, f32, f64);

#[cfg(test)]
mod tests;
