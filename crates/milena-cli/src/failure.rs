//! How a command fails: the line on stderr and the exit code.
//!
//! Owns the documented exit codes. Knows nothing of any single command.

use std::fmt;
use std::process::ExitCode;

/// Why a command did not succeed.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The arguments or the input are wrong; exit code 2. The text says what to do.
    Usage(String),
    /// The input was fine and it still did not work; exit code 1.
    Run(String),
    /// Whoever read our output went away; nothing to say, exit code 0.
    ClosedPipe,
}

impl Failure {
    pub(crate) fn usage(message: impl Into<String>) -> Failure {
        Failure::Usage(message.into())
    }

    pub(crate) fn run(message: impl Into<String>) -> Failure {
        Failure::Run(message.into())
    }

    pub(crate) fn exit_code(&self) -> ExitCode {
        match self {
            Failure::ClosedPipe => ExitCode::SUCCESS,
            Failure::Run(_) => ExitCode::from(1),
            Failure::Usage(_) => ExitCode::from(2),
        }
    }

    pub(crate) fn is_quiet(&self) -> bool {
        matches!(self, Failure::ClosedPipe)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Usage(message) | Failure::Run(message) => {
                formatter.write_str(&one_line(message))
            }
            Failure::ClosedPipe => formatter.write_str("the output was closed"),
        }
    }
}

/// Errors of the libraries below, with their whole chain of causes.
impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Failure {
        if let Some(io) = error.downcast_ref::<std::io::Error>()
            && io.kind() == std::io::ErrorKind::BrokenPipe
        {
            return Failure::ClosedPipe;
        }
        Failure::Run(format!("{error:#}"))
    }
}

/// Input and output of the terminal.
impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Failure {
        if error.kind() == std::io::ErrorKind::BrokenPipe {
            return Failure::ClosedPipe;
        }
        Failure::Run(error.to_string())
    }
}

/// clap explains itself over several lines; we say it in one.
pub(crate) fn from_clap(error: &clap::Error) -> Failure {
    use clap::error::ErrorKind;
    if error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        return Failure::usage("no command given; '--help' lists them");
    }
    let text = error.render().to_string();
    let mut said: Vec<String> = Vec::new();
    for line in text.lines().map(str::trim) {
        if line.starts_with("Usage:") || line.starts_with("For more information") {
            break;
        }
        if !line.is_empty() {
            said.push(line.trim_start_matches("error: ").to_owned());
        }
    }
    Failure::usage(format!("{}; try '--help'", said.join(" ")))
}

fn one_line(text: &str) -> String {
    text.split(['\n', '\r'])
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect::<Vec<_>>()
        .join(" ")
}

#[cfg(test)]
mod tests;
