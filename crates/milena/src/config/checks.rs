//! Settings that contradict each other, or need one another.

use super::publisher::PublisherSettings;
use super::{Config, ConfigError};

/// Says what the settings, each of them allowed, cannot be together.
pub(super) fn check(config: &Config) -> Result<(), ConfigError> {
    check_credentials(config)?;
    check_timeouts(config)?;
    check_publisher(&config.publisher)
}

fn check_credentials(config: &Config) -> Result<(), ConfigError> {
    let problem = match (&config.username, &config.password) {
        (Some(_), None) => Some(("password", "a username is set, so a password is needed")),
        (None, Some(_)) => Some(("username", "a password is set, so a username is needed")),
        _ => None,
    };
    problem.map_or(Ok(()), |(field, problem)| conflict(field, problem))
}

fn check_timeouts(config: &Config) -> Result<(), ConfigError> {
    if config.revocation_timeout > config.rebalance_timeout {
        return conflict(
            "revocation.timeout.ms",
            "it must not exceed max.poll.interval.ms, after which the group goes on without us",
        );
    }
    if config.delivery_timeout < config.linger + config.request_timeout {
        return conflict(
            "delivery.timeout.ms",
            "it must be at least linger.ms + request.timeout.ms",
        );
    }
    Ok(())
}

fn check_publisher(settings: &PublisherSettings) -> Result<(), ConfigError> {
    if settings.retry_delay > settings.retry_delay_max {
        return conflict(
            "milena.publisher.retry.delay.max.ms",
            "it must be at least milena.publisher.retry.delay.ms",
        );
    }
    if !settings.has_dead_letters && settings.dead_letter_topic.is_some() {
        return conflict(
            "milena.publisher.dead.letter.topic",
            "there are no dead letters with milena.publisher.dead.letters=false; leave one of them out",
        );
    }
    Ok(())
}

fn conflict(field: &str, problem: &str) -> Result<(), ConfigError> {
    Err(ConfigError::Conflict {
        field: field.to_owned(),
        problem: problem.to_owned(),
    })
}
