//! `milena service`: the notification service of `examples/notifications`, within this program.

use clap::Args;
use milena_notifications::{GROUP, Service, Settings};

use super::config::SourceArguments;
use crate::failure::Failure;

/// Which cluster, which database, which way to the users.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    sources: SourceArguments,

    #[command(flatten)]
    settings: Settings,
}

/// Runs until SIGINT or SIGTERM. SIGUSR1 pauses the consumer, SIGUSR2 resumes it.
pub(crate) async fn run(arguments: Arguments) -> Result<(), Failure> {
    let mut config = arguments.sources.builder()?.build()?;
    if config.group_id().is_none() {
        config = arguments.sources.builder()?.group_id(GROUP).build()?;
    }
    let service = Service::new(config, &arguments.settings).await?;
    Ok(service.run().await?)
}
