//! Changes that are shown as a plan first: `--execute`, and `-o` for the plan or what was done.

use clap::Args;

use crate::failure::Failure;
use crate::output::Output;

/// Whether to do it, and how to show it.
#[derive(Debug, Args)]
pub(crate) struct PlanArguments {
    /// Do it; without this, the plan is shown.
    #[arg(long, alias = "yes")]
    pub(crate) execute: bool,

    /// How to show it.
    #[arg(short = 'o', long, value_enum, default_value_t)]
    pub(crate) output: Output,
}

impl PlanArguments {
    /// The end of a command that has shown its plan: not doing it is no success, so that a script
    /// notices.
    pub(crate) fn finish(&self, if_only_shown: &str) -> Result<(), Failure> {
        if self.execute {
            Ok(())
        } else {
            Err(Failure::usage(if_only_shown))
        }
    }
}
