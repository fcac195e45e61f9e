//! What a reliable publisher can be told by configuration: its rows of the table.

use std::path::PathBuf;
use std::time::Duration;

use super::servers::topic_problem;
use super::settings::{POSITIVE_MS, Setting, milliseconds, parse_ms};
use crate::publisher::{Breaker, ReliableBuilder, Spool, SpoolSync};
use crate::rate::RateLimit;
use crate::retry::Retry;

/// Rows are named so; where a name is looked up, this may be left out.
pub(crate) const PREFIX: &str = "milena.";

/// The settings that begin with `milena.publisher.`; [`crate::ReliableBuilder`] starts from them.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct PublisherSettings {
    pub(crate) retry_attempts: u32,
    pub(crate) retry_delay: Duration,
    pub(crate) retry_delay_max: Duration,
    pub(crate) has_dead_letters: bool,
    pub(crate) dead_letter_topic: Option<String>,
    /// 0 for no breaker.
    pub(crate) breaker_failures: u32,
    pub(crate) breaker_pause: Duration,
    /// 0 for no limit.
    pub(crate) rate_limit: u32,
    pub(crate) rate_burst: u32,
    pub(crate) waiting_max: usize,
    pub(crate) waiting_bytes: usize,
    pub(crate) spool_directory: Option<PathBuf>,
    pub(crate) spool_bytes: u64,
    pub(crate) spool_sync: SpoolSync,
}

impl PublisherSettings {
    /// The spool, if there is to be one.
    pub(crate) fn spool(&self) -> Option<Spool> {
        let directory = self.spool_directory.as_ref()?;
        let spool = Spool::at(directory).bytes_max(self.spool_bytes);
        Some(spool.sync(self.spool_sync))
    }
}

impl Default for PublisherSettings {
    fn default() -> PublisherSettings {
        PublisherSettings {
            retry_attempts: Retry::ATTEMPTS_DEFAULT,
            retry_delay: Retry::DELAY_DEFAULT,
            retry_delay_max: Retry::DELAY_MAX_DEFAULT,
            has_dead_letters: true,
            dead_letter_topic: None,
            breaker_failures: 0,
            breaker_pause: Breaker::PAUSE_DEFAULT,
            rate_limit: 0,
            rate_burst: RateLimit::BURST_DEFAULT,
            waiting_max: ReliableBuilder::WAITING_MAX_DEFAULT,
            waiting_bytes: ReliableBuilder::WAITING_BYTES_DEFAULT,
            spool_directory: None,
            spool_bytes: Spool::BYTES_DEFAULT,
            spool_sync: Spool::SYNC_DEFAULT,
        }
    }
}

macro_rules! whole_number {
    ($name:literal, $field:ident, $range:expr, $allowed:literal) => {
        Setting {
            name: $name,
            allowed: $allowed,
            apply: |config, text| {
                let number = text.parse().ok()?;
                config.publisher.$field = $range.contains(&number).then_some(number)?;
                Some(())
            },
            read: |config| Some(config.publisher.$field.to_string()),
            is_secret: false,
        }
    };
}

pub(crate) static PUBLISHER_SETTINGS: &[Setting] = &[
    whole_number!(
        "milena.publisher.retry.attempts",
        retry_attempts,
        1..=1_000_000,
        "a whole number from 1 to 1000000"
    ),
    milliseconds!(
        "milena.publisher.retry.delay.ms",
        publisher.retry_delay,
        POSITIVE_MS,
        1
    ),
    milliseconds!(
        "milena.publisher.retry.delay.max.ms",
        publisher.retry_delay_max,
        POSITIVE_MS,
        1
    ),
    Setting {
        name: "milena.publisher.dead.letters",
        allowed: "true or false",
        apply: |config, text| {
            config.publisher.has_dead_letters = text.parse().ok()?;
            Some(())
        },
        read: |config| Some(config.publisher.has_dead_letters.to_string()),
        is_secret: false,
    },
    Setting {
        name: "milena.publisher.dead.letter.topic",
        allowed: "the name of a topic: at most 249 ASCII letters, digits, '.', '_' and '-'",
        apply: |config, text| {
            let topic = topic_problem(text).is_none().then(|| text.to_owned())?;
            config.publisher.dead_letter_topic = Some(topic);
            Some(())
        },
        read: |config| config.publisher.dead_letter_topic.clone(),
        is_secret: false,
    },
    whole_number!(
        "milena.publisher.breaker.failures",
        breaker_failures,
        0..=1_000_000,
        "a whole number from 0 (no breaker) to 1000000"
    ),
    milliseconds!(
        "milena.publisher.breaker.pause.ms",
        publisher.breaker_pause,
        POSITIVE_MS,
        1
    ),
    whole_number!(
        "milena.publisher.rate.limit",
        rate_limit,
        0..=1_000_000_000,
        "a whole number of messages a second from 0 (no limit) to 1000000000"
    ),
    whole_number!(
        "milena.publisher.rate.burst",
        rate_burst,
        1..=1_000_000_000,
        "a whole number of messages from 1 to 1000000000"
    ),
    whole_number!(
        "milena.publisher.waiting.max",
        waiting_max,
        1..=100_000_000,
        "a whole number of messages from 1 to 100000000"
    ),
    whole_number!(
        "milena.publisher.waiting.bytes",
        waiting_bytes,
        1 << 20..=1 << 40,
        "a whole number of bytes from 1048576 to 1099511627776"
    ),
    Setting {
        name: "milena.publisher.spool.directory",
        allowed: "the path of a directory",
        apply: |config, text| {
            let path = (!text.is_empty()).then(|| PathBuf::from(text))?;
            config.publisher.spool_directory = Some(path);
            Some(())
        },
        read: |config| {
            let directory = config.publisher.spool_directory.as_ref()?;
            Some(directory.display().to_string())
        },
        is_secret: false,
    },
    whole_number!(
        "milena.publisher.spool.bytes",
        spool_bytes,
        Spool::BYTES_MIN..=1 << 44,
        "a whole number of bytes from 1048576 to 17592186044416"
    ),
    Setting {
        name: "milena.publisher.spool.sync",
        allowed: "always, never, or a whole number of milliseconds from 1 to 86400000",
        apply: |config, text| {
            config.publisher.spool_sync = match text {
                "always" => SpoolSync::Always,
                "never" => SpoolSync::Never,
                ms => SpoolSync::Interval(parse_ms(ms, 1)?),
            };
            Some(())
        },
        read: |config| {
            Some(match config.publisher.spool_sync {
                SpoolSync::Always => "always".to_owned(),
                SpoolSync::Never => "never".to_owned(),
                SpoolSync::Interval(interval) => interval.as_millis().to_string(),
            })
        },
        is_secret: false,
    },
];
