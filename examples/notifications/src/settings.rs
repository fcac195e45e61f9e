//! What the service is told on the command line or by the environment. The cluster, the group and
//! everything else of Kafka is `milena::Config`'s.

use std::time::Duration;

use clap::Args;
use milena::Secret;

/// Where notifications come from, are kept and go to.
#[derive(Debug, Clone, Args)]
pub struct Settings {
    /// The database: sqlite://FILE or postgres://USER:PASSWORD@HOST/DATABASE. Its tables are made.
    /// With ?sslmode=verify-full&sslrootcert=FILE, PostgreSQL is trusted only with a certificate.
    #[arg(
        long,
        env = "NOTIFICATIONS_DATABASE",
        value_name = "URL",
        default_value = "sqlite://notifications.db",
        hide_env_values = true
    )]
    pub database: Secret,

    /// The topic of the messages, without the configured prefix.
    #[arg(long, env = "NOTIFICATIONS_TOPIC", default_value = "notifications")]
    pub topic: String,

    /// Deliver by POST to this URL. Without, notifications are logged. For https the system's
    /// authorities are trusted, or those in the PEM file that SSL_CERT_FILE names.
    #[arg(
        long,
        env = "NOTIFICATIONS_WEBHOOK",
        value_name = "URL",
        hide_env_values = true
    )]
    pub webhook: Option<Secret>,

    /// How often unsent notifications are looked for, in seconds.
    #[arg(
        long = "every",
        env = "NOTIFICATIONS_EVERY",
        value_name = "SECONDS",
        default_value = "30",
        value_parser = seconds
    )]
    pub every: Duration,
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse::<f64>().ok().filter(|seconds| *seconds > 0.0);
    seconds
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
        .ok_or_else(|| "it must be a number of seconds above 0".to_owned())
}

#[cfg(test)]
mod tests;
