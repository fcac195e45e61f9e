//! Trims diagnostics until they fit: trace, history, message, then whatever is least
//! missed. The payload is not its business.

use super::history::Attempt;
use super::limits::{HEADER_OVERHEAD_BYTES, cut};
use super::names;

/// A diagnostic header.
pub(super) type Diagnostic = (&'static str, String);

/// What goes when cutting texts is not enough, the least missed first. What is not listed
/// is given up last, from the end.
const EXPENDABLE: [&str; 8] = [
    names::HOST,
    names::ORIGIN_TIMESTAMP_TYPE,
    names::ORIGIN_TIMESTAMP,
    names::APP,
    names::FAILED_FIRST,
    names::FAILED_LAST,
    names::FAILURE_FINGERPRINT,
    names::HANDLER,
];

/// Makes `diagnostics` at most `bytes_max` large. `history` is what the header
/// [`names::HISTORY`] holds.
pub(super) fn trim(diagnostics: &mut Vec<Diagnostic>, mut history: Vec<Attempt>, bytes_max: usize) {
    cut_text(diagnostics, names::FAILURE_TRACE, bytes_max);
    while excess(diagnostics, bytes_max) > 0 && !history.is_empty() {
        history.remove(0);
        set_history(diagnostics, &history);
    }
    cut_text(diagnostics, names::FAILURE_MESSAGE, bytes_max);
    for name in EXPENDABLE {
        if excess(diagnostics, bytes_max) > 0 {
            diagnostics.retain(|(candidate, _)| *candidate != name);
        }
    }
    while excess(diagnostics, bytes_max) > 0 {
        diagnostics.pop();
    }
}

/// Puts the history, as JSON, in place of the one that is there; an empty one is left out.
pub(super) fn set_history(diagnostics: &mut Vec<Diagnostic>, history: &[Attempt]) {
    diagnostics.retain(|(name, _)| *name != names::HISTORY);
    if !history.is_empty()
        && let Ok(json) = serde_json::to_string(history)
    {
        diagnostics.push((names::HISTORY, json));
    }
}

/// What a header costs.
pub(super) fn header_bytes(name: &str, value_bytes: usize) -> usize {
    name.len() + value_bytes + HEADER_OVERHEAD_BYTES
}

fn excess(diagnostics: &[Diagnostic], bytes_max: usize) -> usize {
    let total: usize = diagnostics
        .iter()
        .map(|(name, value)| header_bytes(name, value.len()))
        .sum();
    total.saturating_sub(bytes_max)
}

/// Cuts the text by what is too much, or leaves it out when nothing would remain.
fn cut_text(diagnostics: &mut Vec<Diagnostic>, name: &str, bytes_max: usize) {
    let excess = excess(diagnostics, bytes_max);
    let Some(index) = diagnostics
        .iter()
        .position(|(candidate, _)| *candidate == name)
    else {
        return;
    };
    if excess == 0 {
        return;
    }
    let kept = diagnostics
        .get(index)
        .map(|(_, text)| cut(text, text.len().saturating_sub(excess)).to_owned())
        .unwrap_or_default();
    if kept.is_empty() {
        diagnostics.remove(index);
    } else if let Some((_, text)) = diagnostics.get_mut(index) {
        *text = kept;
    }
}
