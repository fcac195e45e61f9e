//! Where the value of a setting came from, and which source wins.

use std::fmt;

use super::profile::Profile;

/// Where the value of a setting came from. Later ones win over earlier ones, in the order in which
/// they stand here.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Source {
    /// Nobody set it.
    #[default]
    Default,
    /// The profile has it.
    Profile(Profile),
    /// A configuration file.
    File {
        /// The file's path, as it was given.
        path: String,
        /// The line, from 1.
        line: usize,
    },
    /// A variable of the environment.
    Environment {
        /// The variable's name.
        variable: String,
    },
    /// A `kafka://` URL.
    Url {
        /// Where the URL was given: `builder`, a variable, or a file and its line.
        given_in: String,
    },
    /// The program itself.
    Builder,
}

impl Source {
    /// What stands further back is applied later.
    pub(crate) fn rank(&self) -> u8 {
        match self {
            Source::Default => 0,
            Source::Profile(_) => 1,
            Source::File { .. } => 2,
            Source::Environment { .. } => 3,
            Source::Url { .. } => 4,
            Source::Builder => 5,
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Source::Default => formatter.write_str("default"),
            Source::Profile(profile) => write!(formatter, "profile {profile}"),
            Source::File { path, line } => write!(formatter, "{path}:{line}"),
            Source::Environment { variable } => formatter.write_str(variable),
            Source::Url { given_in } => write!(formatter, "URL in {given_in}"),
            Source::Builder => formatter.write_str("builder"),
        }
    }
}
