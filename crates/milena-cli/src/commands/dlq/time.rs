//! Times on the command line and in tables.

use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};

pub(super) const ALLOWED: &str =
    "a time such as 2026-01-31T12:00:00Z, milliseconds since 1970, or how long ago: 30m, 2h, 7d";

/// Milliseconds since the Unix epoch, of a time or of how long ago it was.
pub(super) fn parse(text: &str) -> Result<i64, String> {
    parse_at(text, Timestamp::now())
}

fn parse_at(text: &str, now: Timestamp) -> Result<i64, String> {
    if let Ok(milliseconds) = text.parse::<i64>() {
        return Ok(milliseconds);
    }
    if let Ok(time) = text.parse::<Timestamp>() {
        return Ok(time.as_millisecond());
    }
    let ago = text.parse::<Span>().ok().filter(|span| !span.is_negative());
    let time = ago.and_then(|ago| now.to_zoned(TimeZone::UTC).checked_sub(ago).ok());
    match time {
        Some(time) => Ok(time.timestamp().as_millisecond()),
        None => Err(format!("it must be {ALLOWED}")),
    }
}

/// RFC 3339, in UTC; a number that is no time as it is.
pub(super) fn show(milliseconds: i64) -> String {
    match Timestamp::from_millisecond(milliseconds) {
        Ok(time) if milliseconds % 1000 == 0 => format!("{time:.0}"),
        Ok(time) => format!("{time:.3}"),
        Err(_) => milliseconds.to_string(),
    }
}

#[cfg(test)]
mod tests;
