//! The notification service as a program of its own. `milena service` is the same within the
//! `milena` command.
//!
//! ```text
//! MILENA_BOOTSTRAP_SERVERS=localhost:9092 notifications --database sqlite://notifications.db
//! ```

use anyhow::Result;
use clap::Parser;
use milena::Config;
use milena_notifications::{GROUP, Service, Settings};

/// Keep the notifications of a topic in a database, and deliver them.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    #[command(flatten)]
    settings: Settings,
}

#[tokio::main]
async fn main() -> Result<()> {
    let Arguments { settings } = Arguments::parse();
    milena::telemetry::init("info")?;
    let mut config = Config::from_env()?;
    if config.group_id().is_none() {
        config = Config::builder().environment().group_id(GROUP).build()?;
    }
    Service::new(config, &settings).await?.run().await
}
