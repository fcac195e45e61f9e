//! What the service is told on the command line or by the environment. The cluster, the group and
//! everything else of Kafka is `milena::Config`'s.

use std::time::Duration;

use clap::Args;
use milena::Secret;

use crate::timetable::{Timetable, period};

/// Where notifications come from, are kept and go to, and when.
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

    /// When unsent notifications are looked for and delivered: every so many seconds, every 30s, 5m
    /// or 1h, by a cron expression ("0 8 * * MON-FRI"), or never in this process.
    #[arg(
        long,
        env = "NOTIFICATIONS_EVERY",
        value_name = "WHEN",
        default_value = "30s"
    )]
    pub every: Timetable,

    /// When it is reported how many notifications wait, and how long the oldest does
    /// (event=notifications_waiting); written as --every.
    #[arg(
        long,
        env = "NOTIFICATIONS_REPORT",
        value_name = "WHEN",
        default_value = "5m"
    )]
    pub report: Timetable,

    /// When notifications are forgotten that were sent long ago (--keep); written as --every.
    #[arg(
        long,
        env = "NOTIFICATIONS_FORGET",
        value_name = "WHEN",
        default_value = "15m"
    )]
    pub forget: Timetable,

    /// How long notifications that were sent are kept. Longer than the topic keeps its messages: one
    /// that comes again after that is a new notification.
    #[arg(
        long,
        env = "NOTIFICATIONS_KEEP",
        value_name = "TIME",
        default_value = "30d",
        value_parser = time
    )]
    pub keep: Duration,

    /// The time zone of cron expressions (Europe/Berlin); UTC by default.
    #[arg(long, env = "NOTIFICATIONS_TIME_ZONE", value_name = "ZONE")]
    pub time_zone: Option<String>,
}

fn time(text: &str) -> Result<Duration, &'static str> {
    period(text).ok_or("it must be a number above 0 with one of s, m, h, d after it, as in 30d")
}

#[cfg(test)]
mod tests;
