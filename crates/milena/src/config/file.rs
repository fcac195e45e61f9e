//! Configuration files: TOML and YAML, flattened to names, values and the lines they stand on.
//!
//! Knows no setting. `group.id`, `group_id` and a table `group` with an `id` in it are the same, as
//! are a list and its items joined by commas.

mod yaml;

use std::path::Path;

use toml_span::value::{Table, Value, ValueInner};

use super::error::ConfigError;

/// The largest file that is read. Configurations have a few hundred bytes.
const FILE_BYTES_MAX: u64 = 1 << 20;
/// How deep tables may be in one another.
const DEPTH_MAX: usize = 16;

/// One value of a file.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct FileValue {
    /// The names of the tables it is in and its own, joined by dots.
    pub(crate) name: String,
    pub(crate) text: String,
    /// From 1.
    pub(crate) line: usize,
}

/// What is wrong with a text, and in which line.
#[derive(Debug, PartialEq, Eq)]
struct Malformed {
    line: usize,
    problem: String,
}

/// Reads a file; its extension says whether it is TOML or YAML.
pub(crate) fn read(path: &Path) -> Result<Vec<FileValue>, ConfigError> {
    let error = |line, problem| ConfigError::File {
        path: path.display().to_string(),
        line,
        problem,
    };
    let parse = match path.extension().and_then(|extension| extension.to_str()) {
        Some("toml") => toml,
        Some("yaml" | "yml") => yaml::parse,
        _ => {
            let problem = "its name must end in .toml, .yaml or .yml";
            return Err(error(None, problem.to_owned()));
        }
    };
    let unreadable = |cause: std::io::Error| error(None, format!("cannot read it: {cause}"));
    let bytes = std::fs::metadata(path).map_err(unreadable)?.len();
    if bytes > FILE_BYTES_MAX {
        let problem = format!("it has {bytes} bytes; at most {FILE_BYTES_MAX} are read");
        return Err(error(None, problem));
    }
    let text = std::fs::read_to_string(path).map_err(unreadable)?;
    parse(&text).map_err(|malformed| error(Some(malformed.line), malformed.problem))
}

fn toml(text: &str) -> Result<Vec<FileValue>, Malformed> {
    let root = toml_span::parse(text).map_err(|error| Malformed {
        line: line_of(text, error.span.start),
        problem: error.to_string(),
    })?;
    let mut values = Vec::new();
    if let Some(table) = root.as_table() {
        flatten(text, "", table, &mut values)?;
    }
    values.sort_by_key(|value| value.line);
    Ok(values)
}

fn flatten(
    text: &str,
    outer: &str,
    table: &Table<'_>,
    values: &mut Vec<FileValue>,
) -> Result<(), Malformed> {
    for (key, value) in table {
        let name = joined(outer, &key.name);
        let line = line_of(text, key.span.start);
        if let Some(inner) = value.as_table() {
            flatten(text, &name, inner, values)?;
            continue;
        }
        let scalar = match value.as_array() {
            None => scalar(value),
            Some(items) => items
                .iter()
                .map(scalar)
                .collect::<Option<Vec<String>>>()
                .map(|items| items.join(",")),
        };
        let text = scalar.ok_or_else(|| Malformed {
            line,
            problem: format!("{name}: a text, a number, true, false or a list of them is expected"),
        })?;
        values.push(FileValue { name, text, line });
    }
    Ok(())
}

fn scalar(value: &Value<'_>) -> Option<String> {
    match value.as_ref() {
        ValueInner::String(text) => Some(text.to_string()),
        ValueInner::Integer(number) => Some(number.to_string()),
        ValueInner::Float(number) => Some(number.to_string()),
        ValueInner::Boolean(is_true) => Some(is_true.to_string()),
        _ => None,
    }
}

/// The name of something in the table `outer`.
fn joined(outer: &str, name: &str) -> String {
    match outer {
        "" => name.to_owned(),
        outer => format!("{outer}.{name}"),
    }
}

fn line_of(text: &str, offset: usize) -> usize {
    let before = text.as_bytes().iter().take(offset);
    before.filter(|byte| **byte == b'\n').count() + 1
}

#[cfg(test)]
mod tests;
