//! `milena broker`: a single-node broker for development and tests.

use clap::Args;

use crate::failure::Failure;

/// Run a single-node broker for development and tests.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Where to listen.
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:9092")]
    pub(crate) listen: String,
}

/// Runs the broker until it is told to stop.
pub(crate) async fn run(arguments: Arguments) -> Result<(), Failure> {
    Err(Failure::run(format!(
        "the broker on {} is not part of this build",
        arguments.listen
    )))
}
