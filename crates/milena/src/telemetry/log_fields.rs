//! What lines of the log show of the spans around them: what somebody said of his own, and the
//! trace. What spans hold for tracing systems would make each line three times as long, and
//! events say themselves which topic, partition and offset they are about.

use std::fmt;

use tracing::field::{Field, Visit};
use tracing_subscriber::field::RecordFields;
use tracing_subscriber::fmt::FormatFields;
use tracing_subscriber::fmt::format::Writer;

/// Names that begin so are for tracing systems.
const LEFT_OUT: [&str; 2] = ["messaging.", "otel."];

/// Writes fields as logfmt.
pub(super) struct LogFields;

impl<'writer> FormatFields<'writer> for LogFields {
    fn format_fields<R: RecordFields>(&self, writer: Writer<'writer>, fields: R) -> fmt::Result {
        let mut pairs = Pairs {
            writer,
            is_first: true,
            written: Ok(()),
        };
        fields.record(&mut pairs);
        pairs.written
    }
}

struct Pairs<'writer> {
    writer: Writer<'writer>,
    is_first: bool,
    written: fmt::Result,
}

impl Pairs<'_> {
    fn write(&mut self, name: &str, value: &str) -> fmt::Result {
        if !std::mem::take(&mut self.is_first) {
            self.writer.write_char(' ')?;
        }
        if value.chars().any(needs_quotes) {
            write!(self.writer, "{name}=\"{}\"", value.escape_debug())
        } else {
            write!(self.writer, "{name}={value}")
        }
    }
}

impl Visit for Pairs<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        let name = field.name();
        if self.written.is_ok() && !LEFT_OUT.iter().any(|start| name.starts_with(start)) {
            self.written = self.write(name, value);
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.record_str(field, &format!("{value:?}"));
    }
}

fn needs_quotes(one: char) -> bool {
    one <= ' ' || matches!(one, '=' | '"')
}
