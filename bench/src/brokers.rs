//! The brokers that clients are measured against, each served by a process of its own.

use crate::null_broker;
use anyhow::Result;
use clap::ValueEnum;
use std::io::{Read, Write};

/// What answers the clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Broker {
    /// Acknowledges what is produced without looking at it, serves the same batches for ever.
    Null,
}

impl Broker {
    pub(crate) const ALL: [Self; 1] = [Self::Null];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Null => "null",
        }
    }
}

/// Serves `broker` until stdin ends, that is, until the process that started this one lets go.
pub(crate) fn serve(broker: Broker, partitions: i32) -> Result<()> {
    match broker {
        Broker::Null => {
            let address = null_broker::start(partitions)?;
            println!("{address}");
            std::io::stdout().flush()?;
            wait_for_end_of_stdin()
        }
    }
}

fn wait_for_end_of_stdin() -> Result<()> {
    std::io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}
