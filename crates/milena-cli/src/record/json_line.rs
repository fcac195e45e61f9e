//! One record as one line of JSON: kcat's `-J`, with a form for bytes that are no text.
//!
//! `{"topic":…,"partition":…,"offset":…,"tstype":"create","ts":…,"headers":[name,value,…],
//! "key":…,"payload":…}`. Key, payload and header values are texts or null; those that are
//! not UTF-8 are `"key_base64"`, `"payload_base64"` and `{"base64":…}`. What [`write()`]
//! makes, [`read`] turns back into the same bytes.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::{TextHeader, TextRecord, base64};

/// The record's line, without a newline.
pub(crate) fn write(record: &TextRecord) -> Vec<u8> {
    let (key, key_base64) = text_or_base64(record.key.as_deref());
    let (payload, payload_base64) = text_or_base64(record.value.as_deref());
    let line = LineOut {
        topic: &record.topic,
        partition: record.partition,
        offset: record.offset,
        tstype: if record.is_log_append_time {
            "logappend"
        } else {
            "create"
        },
        ts: record.timestamp,
        headers: record.headers.iter().flat_map(header_out).collect(),
        key: key_base64.is_none().then_some(key),
        key_base64,
        payload: payload_base64.is_none().then_some(payload),
        payload_base64,
    };
    serde_json::to_vec(&line).expect("invariant: texts and numbers are always JSON")
}

#[derive(Serialize)]
struct LineOut<'a> {
    topic: &'a str,
    partition: i32,
    offset: i64,
    tstype: &'static str,
    ts: i64,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    headers: Vec<HeaderPart<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<Option<&'a str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key_base64: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    payload: Option<Option<&'a str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    payload_base64: Option<String>,
}

/// A header's name or value within the flat list.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum HeaderPart<'a> {
    Text(Cow<'a, str>),
    Bytes { base64: String },
    Null(()),
}

fn header_out((name, value): &TextHeader) -> [HeaderPart<'_>; 2] {
    let value = match (value, text_or_base64(value.as_deref())) {
        (None, _) => HeaderPart::Null(()),
        (_, (_, Some(base64))) => HeaderPart::Bytes { base64 },
        (_, (text, None)) => HeaderPart::Text(Cow::Borrowed(text.unwrap_or_default())),
    };
    [HeaderPart::Text(Cow::Borrowed(name)), value]
}

fn text_or_base64(bytes: Option<&[u8]>) -> (Option<&str>, Option<String>) {
    match bytes.map(|bytes| (bytes, std::str::from_utf8(bytes))) {
        None => (None, None),
        Some((_, Ok(text))) => (Some(text), None),
        Some((bytes, Err(_))) => (None, Some(base64::encode(bytes))),
    }
}

/// Reads a line. Fields that are absent are as if null; where the record was does not
/// matter, and neither do fields we do not know. The error says what is wrong.
pub(crate) fn read(line: &[u8]) -> Result<TextRecord, String> {
    let line: LineIn = serde_json::from_slice(line).map_err(|error| error.to_string())?;
    Ok(TextRecord {
        topic: line.topic,
        partition: line.partition,
        offset: line.offset,
        timestamp: line.ts.unwrap_or(-1),
        is_log_append_time: line.tstype == "logappend",
        key: bytes_of("key", line.key, line.key_base64)?,
        value: bytes_of("payload", line.payload, line.payload_base64)?,
        headers: headers_of(line.headers)?,
    })
}

#[derive(Deserialize)]
#[serde(default)]
#[derive(Default)]
struct LineIn {
    topic: String,
    partition: i32,
    offset: i64,
    tstype: String,
    ts: Option<i64>,
    headers: Vec<HeaderPart<'static>>,
    key: Option<String>,
    key_base64: Option<String>,
    payload: Option<String>,
    payload_base64: Option<String>,
}

fn bytes_of(
    field: &str,
    text: Option<String>,
    encoded: Option<String>,
) -> Result<Option<Vec<u8>>, String> {
    match (text, encoded) {
        (Some(_), Some(_)) => Err(format!("{field} and {field}_base64 exclude each other")),
        (Some(text), None) => Ok(Some(text.into_bytes())),
        (None, None) => Ok(None),
        (None, Some(encoded)) => match base64::decode(&encoded) {
            Some(bytes) => Ok(Some(bytes)),
            None => Err(format!("{field}_base64 is not base64")),
        },
    }
}

fn headers_of(parts: Vec<HeaderPart<'_>>) -> Result<Vec<TextHeader>, String> {
    let mut headers = Vec::with_capacity(parts.len() / 2);
    let mut parts = parts.into_iter();
    while let Some(name) = parts.next() {
        let HeaderPart::Text(name) = name else {
            return Err("headers: a header's name must be a text".to_owned());
        };
        let value = match parts.next() {
            Some(HeaderPart::Text(text)) => Some(text.into_owned().into_bytes()),
            Some(HeaderPart::Bytes { base64 }) => Some(
                base64::decode(&base64)
                    .ok_or_else(|| format!("headers: the value of {name:?} is not base64"))?,
            ),
            Some(HeaderPart::Null(())) => None,
            None => return Err(format!("headers: {name:?} has no value")),
        };
        headers.push((name.into_owned(), value));
    }
    Ok(headers)
}

#[cfg(test)]
mod tests;
