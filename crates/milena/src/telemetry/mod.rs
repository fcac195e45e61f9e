//! Logs: logfmt lines on standard error, filtered by `MILENA_LOG`.
//!
//! Owns how events reach the terminal. Libraries below only emit them.

use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

/// The variable that says what is logged: `info`, `milena=debug,warn`, …
pub const FILTER_VARIABLE: &str = "MILENA_LOG";

/// Why logging could not be set up.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TelemetryError {
    /// `MILENA_LOG` cannot be read.
    #[error(
        "MILENA_LOG: {value:?} is not allowed; it must be a level (error, warn, info, debug, trace) or target=level pairs separated by commas"
    )]
    Filter {
        /// The value as it was given.
        value: String,
    },
    /// Somebody set up logging before.
    #[error("logging is set up already")]
    AlreadyInitialised,
}

/// Sends events to standard error as logfmt lines
/// (`event=app_started group=billing topics=orders`). Without `MILENA_LOG`, `default`
/// says what is logged.
///
/// # Errors
/// When `MILENA_LOG` cannot be read, or logging is set up already.
pub fn init(default: &str) -> Result<(), TelemetryError> {
    let given = std::env::var(FILTER_VARIABLE).ok();
    let directives = given
        .filter(|given| !given.is_empty())
        .unwrap_or_else(|| default.to_owned());
    let filter = parse_filter(&directives).ok_or(TelemetryError::Filter { value: directives })?;
    let lines = tracing_logfmt::builder()
        .layer()
        .with_writer(std::io::stderr);
    tracing_subscriber::registry()
        .with(filter)
        .with(lines)
        .try_init()
        .map_err(|_| TelemetryError::AlreadyInitialised)
}

/// Levels and target=level pairs. Stricter than [`Targets`] itself, which takes a misspelt level
/// for a target and then logs nothing.
fn parse_filter(directives: &str) -> Option<Targets> {
    let mut filter = Targets::new();
    for directive in directives.split(',').map(str::trim) {
        filter = match directive.split_once('=') {
            None => filter.with_default(parse_level(directive)?),
            Some(("", _)) => return None,
            Some((target, level)) => filter.with_target(target, parse_level(level)?),
        };
    }
    Some(filter)
}

fn parse_level(level: &str) -> Option<LevelFilter> {
    let is_name = !level.is_empty() && level.chars().all(|c| c.is_ascii_alphabetic());
    level.parse().ok().filter(|_| is_name)
}

#[cfg(test)]
mod tests;
