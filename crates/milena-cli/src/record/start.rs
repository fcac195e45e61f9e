//! kcat's `-o`: where consuming starts, and ends.

use std::str::FromStr;

/// Where to start in each partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Start {
    /// At the oldest record.
    Beginning,
    /// After the newest record.
    End,
    /// At the group's committed offset.
    Stored,
    /// At this offset.
    Offset(i64),
    /// So many records before the end.
    BeforeEnd(i64),
    /// At the first record of this time (ms) or later.
    Timestamp(i64),
}

/// What `-o` takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bound {
    Start(Start),
    /// Before the first record of this time (ms) or later.
    EndTimestamp(i64),
}

pub(crate) const ALLOWED: &str = "beginning, end, stored, an offset, -N for the last N, \
     s@MS to start or e@MS to end at a time in milliseconds";

impl FromStr for Bound {
    type Err = String;

    fn from_str(text: &str) -> Result<Bound, String> {
        let number = |text: &str| text.parse::<i64>().ok().filter(|number| *number >= 0);
        let bound = match text {
            "beginning" | "earliest" => Some(Bound::Start(Start::Beginning)),
            "end" | "latest" => Some(Bound::Start(Start::End)),
            "stored" => Some(Bound::Start(Start::Stored)),
            _ => {
                if let Some(ms) = text.strip_prefix("s@") {
                    number(ms).map(|ms| Bound::Start(Start::Timestamp(ms)))
                } else if let Some(ms) = text.strip_prefix("e@") {
                    number(ms).map(Bound::EndTimestamp)
                } else if let Some(count) = text.strip_prefix('-') {
                    number(count).map(|count| Bound::Start(Start::BeforeEnd(count)))
                } else {
                    number(text).map(|offset| Bound::Start(Start::Offset(offset)))
                }
            }
        };
        bound.ok_or_else(|| format!("it must be {ALLOWED}"))
    }
}

#[cfg(test)]
mod tests;
