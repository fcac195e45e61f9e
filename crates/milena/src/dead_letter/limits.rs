//! How much may be said about a failure. The payload has no limit here: whatever the
//! source topic took is kept.

use std::time::Duration;

/// Bytes of `milena-failure-message`.
pub(super) const MESSAGE_BYTES_MAX: usize = 2 * 1024;
/// Bytes of `milena-failure-trace`.
pub(super) const TRACE_BYTES_MAX: usize = 8 * 1024;
/// Attempts that `milena-history` remembers: the first and the latest.
pub(super) const HISTORY_ENTRIES_MAX: usize = 10;
/// Bytes of one message within `milena-history`.
pub(super) const HISTORY_MESSAGE_BYTES_MAX: usize = 200;
/// Bytes of all diagnostics together, names and length fields included.
pub(super) const DIAGNOSTICS_BYTES_MAX: usize = 16 * 1024;
/// What a header costs on the wire beyond its name and value: two varints.
pub(super) const HEADER_OVERHEAD_BYTES: usize = 8;
/// What a record costs beyond its key, value and headers, its batch's header included.
pub(super) const RECORD_OVERHEAD_BYTES: usize = 96;

/// Groups of letters that a summary tells apart; further ones are only counted.
pub(super) const GROUPS_MAX: usize = 10_000;
/// Letters that are redriven in one transaction, and marked with one record.
pub(super) const TRANSACTION_LETTERS_MAX: usize = 500;
/// Letters of which a redrive's report says why they were refused; further ones are counted, and in
/// the audit topic.
pub(super) const REFUSALS_MAX: usize = 100;
/// How long nothing may come from a topic that has more.
pub(super) const STALLED_AFTER: Duration = Duration::from_secs(30);
/// How often a letter may be redriven, unless told otherwise.
pub(super) const REDRIVES_MAX: u32 = 3;

const _: () = assert!(MESSAGE_BYTES_MAX + TRACE_BYTES_MAX < DIAGNOSTICS_BYTES_MAX);
const _: () = assert!(HISTORY_ENTRIES_MAX >= 2);

/// The longest beginning of `text` of at most `bytes_max` bytes that is still text.
pub(super) fn cut(text: &str, bytes_max: usize) -> &str {
    let mut end = bytes_max.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}
