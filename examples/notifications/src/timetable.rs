//! When a job of the service runs, as it is written on the command line.
//!
//! Owns the text only: the framework reads cron expressions, and keeps the clock.

use std::str::FromStr;
use std::time::Duration;

use milena::{App, Job, JobFunction};

/// What may follow a number, and how many seconds it stands for.
const UNITS: [(&str, f64); 5] = [
    ("ms", 0.001),
    ("s", 1.0),
    ("m", 60.0),
    ("h", 3_600.0),
    ("d", 86_400.0),
];

/// When a job runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Timetable {
    /// Every so often.
    Every(Duration),
    /// When a cron expression says so.
    Cron(String),
    /// Not in this process.
    Never,
}

impl Timetable {
    /// Gives the application this job. Cron expressions go by `zone`, or UTC.
    pub(crate) fn schedule<S, F, Arguments>(
        &self,
        app: App<S>,
        zone: Option<&str>,
        job: Job<F, Arguments>,
    ) -> App<S>
    where
        S: Clone + Send + Sync + 'static,
        F: JobFunction<Arguments, S>,
    {
        match (self, zone) {
            (Timetable::Never, _) => app,
            (Timetable::Every(period), _) => app.every(*period, job),
            (Timetable::Cron(expression), None) => app.cron(expression, job),
            (Timetable::Cron(expression), Some(zone)) => app.cron(expression, job.time_zone(zone)),
        }
    }
}

impl FromStr for Timetable {
    type Err = &'static str;

    /// `30`, `0.5`, `30s`, `5m` and so on are periods, `never` is what it says, and what has several
    /// words is a cron expression.
    fn from_str(text: &str) -> Result<Timetable, Self::Err> {
        let text = text.trim();
        if text == "never" {
            return Ok(Timetable::Never);
        }
        if text.contains(char::is_whitespace) {
            return Ok(Timetable::Cron(text.to_owned()));
        }
        period(text).map(Timetable::Every).ok_or(
            "it must be a number above 0 of seconds, or with one of ms, s, m, h, d after it (5m), \
             a cron expression (\"0 8 * * MON-FRI\"), or never",
        )
    }
}

/// A number above 0 with its unit; without one, of seconds.
pub(crate) fn period(text: &str) -> Option<Duration> {
    let digits = text.trim_end_matches(|character: char| character.is_ascii_alphabetic());
    let seconds = match text.get(digits.len()..)? {
        "" => 1.0,
        unit => UNITS.iter().find(|(name, _)| *name == unit)?.1,
    };
    let number = digits.parse::<f64>().ok().filter(|number| *number > 0.0)?;
    let period = Duration::try_from_secs_f64(number * seconds).ok()?;
    (!period.is_zero()).then_some(period)
}

#[cfg(test)]
mod tests;
