//! `cargo xtask tidy`: what STYLE asks and a command can check.
//!
//! Owns the list of checks and the report. Each check takes sources or metadata and returns
//! problems; none of them prints or runs a build.

mod bans;
mod layers;
mod pitfalls;
mod sizes;
mod source;

use crate::workspace;
use anyhow::{Result, ensure};
use source::SourceFile;
use std::fmt;
use std::path::PathBuf;

/// The folders whose Rust sources are checked.
const SOURCE_DIRS: [&str; 5] = ["crates", "sim", "xtask", "bench", "examples"];

/// Something that has to change before the tree is tidy.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Problem {
    path: PathBuf,
    /// 0 when the problem is the file as a whole.
    line: usize,
    message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(formatter, "{}: {}", self.path.display(), self.message),
            line => write!(
                formatter,
                "{}:{line}: {}",
                self.path.display(),
                self.message
            ),
        }
    }
}

/// Checks the checkout, prints the sizes, fails with the list of problems on stderr.
pub(crate) fn run() -> Result<()> {
    let files = source::load(workspace::root(), &SOURCE_DIRS)?;
    let mut problems = check(&files);
    problems.extend(pitfalls::check(&files));
    problems.extend(layers::check(&layers::load(workspace::root())?));
    problems.sort();
    print!("{}", sizes::report(&files));
    for problem in &problems {
        eprintln!("tidy: {problem}");
    }
    ensure!(
        problems.is_empty(),
        "tidy found {} problem(s)",
        problems.len()
    );
    Ok(())
}

fn check(files: &[SourceFile]) -> Vec<Problem> {
    let mut problems = Vec::new();
    for file in files {
        problems.extend(bans::check(file));
        problems.extend(sizes::check(file));
    }
    problems
}

#[cfg(test)]
mod tests;
