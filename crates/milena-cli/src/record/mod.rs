//! Records as text: what `consume` prints and `produce` reads.
//!
//! Pure: bytes in, bytes out. Knows no terminal and no broker.

pub(crate) mod base64;
pub(crate) mod format;
pub(crate) mod json_line;
pub(crate) mod start;

/// A record with everything a user can see of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct TextRecord {
    pub(crate) topic: String,
    pub(crate) partition: i32,
    pub(crate) offset: i64,
    pub(crate) timestamp: i64,
    pub(crate) is_log_append_time: bool,
    pub(crate) key: Option<Vec<u8>>,
    pub(crate) value: Option<Vec<u8>>,
    pub(crate) headers: Vec<TextHeader>,
}

/// A header's name and value.
pub(crate) type TextHeader = (String, Option<Vec<u8>>);
