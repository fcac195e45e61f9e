//! Values and keys as bytes, in the forms that Kafka's own serializers have.

use bytes::Bytes;

/// Turns something into the bytes of a key or a value, byte for byte as the Java client's
/// serializers do:
///
/// | Type | Bytes | In Java |
/// |---|---|---|
/// | `str`, `String` | UTF-8 | `StringSerializer` |
/// | `[u8]`, `[u8; N]`, `Vec<u8>`, [`Bytes`] | as they are | `ByteArraySerializer` |
/// | `i16`, `i32`, `i64`, `u16`, `u32`, `u64` | big-endian | `ShortSerializer`, `IntegerSerializer`, `LongSerializer` |
/// | `f32`, `f64` | big-endian | `FloatSerializer`, `DoubleSerializer` |
/// | `bool` | one byte, 1 or 0 | `BooleanSerializer` |
/// | [`Uuid`](uuid::Uuid) | its text | `UUIDSerializer` |
/// | `()` | none; for null leave the value out | |
/// | `&T` | as of `T` | |
///
/// JSON of any `serde` type is [`Outgoing::json`](crate::Outgoing::json), any other of its
/// formats [`Outgoing::value_with`](crate::Outgoing::value_with). A type with a form of its own
/// implements this:
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

impl<const LENGTH: usize> ToBytes for [u8; LENGTH] {
    fn to_bytes(&self) -> Bytes {
        self.as_slice().to_bytes()
    }
}

impl ToBytes for Vec<u8> {
    fn to_bytes(&self) -> Bytes {
        self.as_slice().to_bytes()
    }
}

impl ToBytes for bool {
    fn to_bytes(&self) -> Bytes {
        Bytes::from_static(if *self { &[1] } else { &[0] })
    }
}

impl ToBytes for uuid::Uuid {
    fn to_bytes(&self) -> Bytes {
        let mut text = [0; uuid::fmt::Hyphenated::LENGTH];
        self.hyphenated().encode_lower(&mut text).to_bytes()
    }
}

impl ToBytes for () {
    fn to_bytes(&self) -> Bytes {
        Bytes::new()
    }
}

impl<T: ToBytes + ?Sized> ToBytes for &T {
    fn to_bytes(&self) -> Bytes {
        (**self).to_bytes()
    }
}

#[cfg(test)]
mod tests;
