//! What the demo publishes: real records, some of them broken, some with orders for the
//! handler to fail.
//!
//! Pure: text in, events out, the same every time.

use milena::HandlerError;
use serde::Deserialize;
use serde_json::Value;

/// 5,000 flights; see data/README.md for where they are from.
const FLIGHTS: &[u8] = include_bytes!("../../../data/flights-5k.json");

/// One record to publish.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Event {
    pub(super) key: Option<String>,
    pub(super) value: Vec<u8>,
    pub(super) fault: Fault,
}

/// What is to go wrong with a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    None,
    /// The value is cut off.
    Truncated,
    /// The value has something in it that does not belong there.
    Misfit,
    /// The handler fails at so many attempts, then succeeds.
    Fails(u32),
    /// The handler fails at every attempt.
    AlwaysFails,
}

impl Fault {
    /// At how many attempts the handler is to fail.
    pub(super) fn failures(self) -> u32 {
        match self {
            Fault::Fails(times) => times,
            Fault::AlwaysFails => u32::MAX,
            Fault::None | Fault::Truncated | Fault::Misfit => 0,
        }
    }
}

/// A flight as the handler takes it.
#[derive(Debug, Deserialize)]
pub(super) struct Flight {
    date: String,
    delay: i32,
    distance: u32,
    origin: String,
    destination: String,
}

/// What a handler checks of a record that could be read.
pub(super) trait Plausible {
    /// Fails with what is wrong, if something is.
    fn check(&self) -> Result<(), HandlerError>;
}

impl Plausible for Flight {
    fn check(&self) -> Result<(), HandlerError> {
        let is_airport =
            |code: &str| code.len() == 3 && code.bytes().all(|b| b.is_ascii_uppercase());
        let problem = if self.date.len() != "2001/01/31 23:59".len() {
            ("date", "it must be YYYY/MM/DD HH:MM")
        } else if self.delay.abs() > 24 * 60 {
            ("delay", "it must be within a day")
        } else if self.distance == 0 {
            ("distance", "it must not be 0")
        } else if !is_airport(&self.origin) || !is_airport(&self.destination) {
            (
                "origin, destination",
                "they must be airports of three letters",
            )
        } else {
            return Ok(());
        };
        Err(HandlerError::invalid(problem.0, problem.1))
    }
}

/// Whatever somebody's own lines hold is fine.
impl Plausible for Value {
    fn check(&self) -> Result<(), HandlerError> {
        Ok(())
    }
}

/// The flights in the repository, keyed by airport of departure.
pub(super) fn flights() -> Result<Vec<Event>, String> {
    let flights: Vec<Value> = serde_json::from_slice(FLIGHTS)
        .map_err(|error| format!("the data set that comes with this command: {error}"))?;
    let count = flights.len();
    let events = flights.into_iter().enumerate().map(|(index, flight)| {
        let fault = fault(index, count);
        let key = text_of(&flight, "origin");
        let value = match fault {
            Fault::Misfit => delayed_by_words(flight).to_string(),
            _ => flight.to_string(),
        };
        Event {
            key,
            value: broken(value.into_bytes(), fault),
            fault,
        }
    });
    Ok(events.collect())
}

/// Somebody's own JSON lines, keyed by a field if one is named. Empty lines are skipped,
/// and lines that are no JSON published as they are.
pub(super) fn own_lines(text: &[u8], key: Option<&str>) -> Vec<Event> {
    let lines: Vec<&[u8]> = text
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.trim_ascii().is_empty())
        .collect();
    let count = lines.len();
    let events = lines.into_iter().enumerate().map(|(index, line)| {
        let fault = fault(index, count);
        let parsed: Option<Value> = key.and_then(|_| serde_json::from_slice(line).ok());
        let key = parsed
            .zip(key)
            .and_then(|(value, key)| text_of(&value, key));
        let mut value = line.trim_ascii().to_vec();
        if fault == Fault::Misfit {
            value.extend_from_slice(b"}]");
        }
        Event {
            key,
            value: broken(value, fault),
            fault,
        }
    });
    events.collect()
}

/// Of each hundred records four go wrong, and one of all always fails.
fn fault(index: usize, count: usize) -> Fault {
    let period = count.clamp(5, 100);
    match index % period {
        0 if index == count / 2 / period * period => Fault::AlwaysFails,
        1 => Fault::Truncated,
        2 => Fault::Fails(1),
        3 => Fault::Misfit,
        4 => Fault::Fails(2),
        _ => Fault::None,
    }
}

/// A flight whose delay is a text where a number belongs.
fn delayed_by_words(mut flight: Value) -> Value {
    if let Some(delay) = flight.get_mut("delay") {
        *delay = Value::from("unknown");
    }
    flight
}

/// Cuts the value off where the fault says so; a value that survives that as JSON, a
/// number say, gets an open bracket instead.
fn broken(mut value: Vec<u8>, fault: Fault) -> Vec<u8> {
    if fault == Fault::Truncated {
        value.truncate(value.len() * 2 / 3);
        if serde_json::from_slice::<Value>(&value).is_ok() {
            value.push(b'[');
        }
    }
    value
}

/// A field as the text of a key: texts as they are, anything else as JSON.
fn text_of(value: &Value, field: &str) -> Option<String> {
    match value.get(field)? {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    }
}

#[cfg(test)]
mod tests;
