//! What commands show: as a table for people, as JSON or YAML for programs.
//!
//! Owns the `-o` of `topic` and `group`. Knows no command: each hands over rows for the
//! tables and a value for the rest.

mod yaml;

use std::io::Write as _;

use clap::ValueEnum;
use comfy_table::{ContentArrangement, Table, presets};
use serde::Serialize;

use crate::failure::Failure;

/// How a result is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum Output {
    /// The columns that matter most.
    #[default]
    Table,
    /// All columns.
    Wide,
    /// One JSON document.
    Json,
    /// One YAML document.
    Yaml,
}

/// A table's header and rows.
#[derive(Debug, Default)]
pub(crate) struct Rows {
    pub(crate) header: Vec<&'static str>,
    pub(crate) rows: Vec<Vec<String>>,
}

/// Shows `value`, or the table that `rows` makes of it (all columns if told so).
pub(crate) fn show<T: Serialize>(
    output: Output,
    value: &T,
    rows: impl FnOnce(bool) -> Rows,
) -> Result<(), Failure> {
    let text = match output {
        Output::Table => table(rows(false)),
        Output::Wide => table(rows(true)),
        Output::Json => {
            serde_json::to_string_pretty(value).map_err(|error| Failure::run(error.to_string()))?
        }
        Output::Yaml => yaml::document(
            &serde_json::to_value(value).map_err(|error| Failure::run(error.to_string()))?,
        ),
    };
    print(&text)
}

/// Prints a text and a newline; a closed pipe is a quiet end.
pub(crate) fn print(text: &str) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.trim_end().as_bytes())?;
    out.write_all(b"\n")?;
    Ok(out.flush()?)
}

/// A value for a table's cell; `-` when there is none.
pub(crate) fn or_dash<T: ToString>(value: Option<T>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| value.to_string())
}

/// Columns aligned with spaces, without lines: easy to read, and to cut.
pub(crate) fn table(rows: Rows) -> String {
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(rows.header);
    for row in rows.rows {
        table.add_row(row);
    }
    let text = table.to_string();
    text.lines()
        .map(|line| line.trim_end().trim_start_matches(' '))
        .collect::<Vec<_>>()
        .join("\n")
}
