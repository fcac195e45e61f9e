//! The demo's handler, and the headers that tell it what to do.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use milena::{HandlerError, Headers, Json, Key, Meta, State};

use super::plan::Plausible;
use super::tally::Tally;

/// The record's number, counted from 0 in the order of publishing.
pub(super) const NUMBER_HEADER: &str = "demo-number";
/// At how many attempts the handler is to fail.
pub(super) const FAILURES_HEADER: &str = "demo-failures";
/// When the record was handed to the publisher, in nanoseconds of this process.
pub(super) const PUBLISHED_HEADER: &str = "demo-published-ns";

/// What the handler works with.
#[derive(Clone)]
pub(super) struct Demo {
    tally: Arc<Mutex<Tally>>,
}

impl Demo {
    pub(super) fn new(tally: Arc<Mutex<Tally>>) -> Demo {
        Demo { tally }
    }
}

/// Handles an event: fails as often as its header says, and then counts it.
pub(super) async fn on_event<T: Plausible>(
    Json(event): Json<T>,
    headers: Headers,
    meta: Meta,
    key: Option<Key<String>>,
    State(demo): State<Demo>,
) -> Result<(), HandlerError> {
    event.check()?;
    let failures: u32 = number(&headers, FAILURES_HEADER)?;
    if meta.attempt <= failures {
        return Err(HandlerError::retriable("the warehouse does not answer").with_code("warehouse"));
    }
    let record = number(&headers, NUMBER_HEADER)?;
    let published = Duration::from_nanos(number(&headers, PUBLISHED_HEADER)?);
    let latency = process_time().saturating_sub(published);
    let key = key.as_ref().map(|Key(key)| key.as_str());
    lock(&demo.tally).handled(record, key, latency);
    Ok(())
}

/// A number in a header.
pub(super) fn number<N: std::str::FromStr>(
    headers: &Headers,
    name: &str,
) -> Result<N, HandlerError> {
    headers
        .text(name)
        .and_then(|text| text.parse().ok())
        .ok_or_else(|| HandlerError::invalid(name, "this header must be a number"))
}

/// The time since the process first asked.
pub(super) fn process_time() -> Duration {
    static START: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
    START.get_or_init(Instant::now).elapsed()
}

/// A handler that panicked leaves the counts as they were.
pub(super) fn lock(tally: &Mutex<Tally>) -> std::sync::MutexGuard<'_, Tally> {
    tally.lock().unwrap_or_else(PoisonError::into_inner)
}
