//! What is wrong with a configuration, said so that it can be corrected.

use super::source::Source;

/// A setting that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The value of a setting is not allowed.
    #[error("{field} ({origin}): {value:?} is not allowed; it must be {allowed}")]
    Invalid {
        /// The setting.
        field: String,
        /// The value as it was given; `***` for secrets.
        value: String,
        /// What would have been accepted.
        allowed: String,
        /// Where the value came from.
        origin: Source,
    },
    /// There is no setting of this name.
    #[error("there is no setting {name:?} ({origin}){}", nearest_hint(.nearest))]
    Unknown {
        /// The name as it was given.
        name: String,
        /// The known name that looks most like it.
        nearest: Option<&'static str>,
        /// Where the name was found.
        origin: Source,
    },
    /// Two settings that contradict each other, or one that needs another.
    #[error("{field}: {problem}")]
    Conflict {
        /// The setting to change.
        field: String,
        /// What is wrong with it, and what to do.
        problem: String,
    },
    /// A file that cannot be read.
    #[error("{path}{}: {problem}", line_hint(.line))]
    File {
        /// Its path, as it was given.
        path: String,
        /// The line, from 1, where one is to blame.
        line: Option<usize>,
        /// What is wrong with it, and what to do.
        problem: String,
    },
}

fn nearest_hint(nearest: &Option<&'static str>) -> String {
    nearest.map_or_else(String::new, |name| format!("; did you mean {name:?}?"))
}

fn line_hint(line: &Option<usize>) -> String {
    line.map_or_else(String::new, |line| format!(":{line}"))
}
