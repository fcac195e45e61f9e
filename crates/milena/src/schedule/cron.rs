//! Cron expressions in a time zone.
//!
//! Owns reading them and the next time after one; the arithmetic is the crate `croner`'s
//! (daylight saving included), time zones are those of the machine.

use std::fmt;

use croner::Cron;
use croner::parser::{CronParser, Seconds};
use jiff::Timestamp;
use jiff::tz::TimeZone;

/// A checked expression with its time zone.
#[derive(Debug, Clone)]
pub(crate) struct CronTable {
    cron: Cron,
    text: String,
    zone: TimeZone,
}

impl CronTable {
    /// Reads an expression of five fields, or six with the seconds first; the text of
    /// the error says what is wrong.
    pub(crate) fn parse(text: &str, zone: TimeZone) -> Result<CronTable, String> {
        let parser = CronParser::builder().seconds(Seconds::Optional).build();
        let cron = parser.parse(text).map_err(|error| {
            format!(
                "{text:?} is no cron expression: {}; it has five fields (minute, hour, day of \
                 month, month, day of week), or six with the seconds first, as in \
                 \"0 */5 * * * *\"",
                error.to_string().trim_end_matches('.'),
            )
        })?;
        Ok(CronTable {
            cron,
            text: text.trim().to_owned(),
            zone,
        })
    }

    /// The first time after `after`; `None` when there is none any more.
    pub(crate) fn next_after(&self, after: Timestamp) -> Option<Timestamp> {
        let start = after.to_zoned(self.zone.clone());
        let next = self.cron.find_next_occurrence(&start, false).ok()?;
        Some(next.timestamp())
    }

    /// The last time up to `until`; `None` when there was none.
    pub(crate) fn latest_until(&self, until: Timestamp) -> Option<Timestamp> {
        let until = until.to_zoned(self.zone.clone());
        let latest = self.cron.find_previous_occurrence(&until, true).ok()?;
        Some(latest.timestamp())
    }
}

impl fmt::Display for CronTable {
    /// `0 */5 * * * * (UTC)`.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let zone = self.zone.iana_name().unwrap_or("a POSIX time zone");
        write!(formatter, "{} ({zone})", self.text)
    }
}

/// A time zone by its IANA name (`Europe/Berlin`) or in POSIX's form
/// (`CET-1CEST,M3.5.0,M10.5.0/3`), which needs no time zone files.
pub(crate) fn time_zone(name: &str) -> Result<TimeZone, String> {
    if name.eq_ignore_ascii_case("UTC") {
        return Ok(TimeZone::UTC);
    }
    TimeZone::get(name).or_else(|error| {
        TimeZone::posix(name).map_err(|_| {
            format!(
                "there is no time zone {name:?} ({error}); use an IANA name such as \
                 \"Europe/Berlin\" and install the system's time zone files (tzdata), or \
                 write it as POSIX does: \"CET-1CEST,M3.5.0,M10.5.0/3\""
            )
        })
    })
}

#[cfg(test)]
mod tests;
