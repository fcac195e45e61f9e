//! Whether what was registered fits together, before anything is connected.

use super::contexts::{dead_letter_topic, retry_topic_name};
use super::exactly_once;
use super::topic::Retries;
use super::{Parts, TopicEntry};
use crate::config::{Config, ConfigError, topic_problem};

/// The group to consume in, when everything fits together; none without topics.
pub(super) fn check(config: &Config, parts: &Parts) -> Result<Option<String>, ConfigError> {
    if let Some(problem) = &parts.problem {
        return Err(problem.clone());
    }
    if config.health_address.is_some() && !cfg!(feature = "http") {
        return Err(ConfigError::Conflict {
            field: "health.address".to_owned(),
            problem: "this program was built without HTTP; enable milena's feature `http`, or \
                      leave it out"
                .to_owned(),
        });
    }
    for (index, job) in parts.scheduled.iter().enumerate() {
        let mut earlier = parts.scheduled.iter().take(index);
        if earlier.any(|earlier| earlier.name() == job.name()) {
            return Err(ConfigError::Conflict {
                field: format!("job {}", job.name()),
                problem: "there are two of this name; give one another, with `.name(…)`".to_owned(),
            });
        }
    }
    if parts.topics.is_empty() && !parts.scheduled.is_empty() {
        return Ok(None);
    }
    check_topics(config, &parts.topics).map(Some)
}

/// The group, when the topics fit together.
fn check_topics(config: &Config, topics: &[TopicEntry]) -> Result<String, ConfigError> {
    let conflict = |field: &str, problem: String| {
        Err(ConfigError::Conflict {
            field: field.to_owned(),
            problem,
        })
    };
    let Some(group) = config.group_id() else {
        return conflict(
            "group.id",
            "an application needs a group; set MILENA_GROUP_ID".to_owned(),
        );
    };
    if topics.is_empty() {
        return conflict(
            "topic",
            "an application needs at least one topic, or a job".to_owned(),
        );
    }
    for (index, entry) in topics.iter().enumerate() {
        let name = config.topic_name(&entry.topic);
        if let Some(problem) = topic_problem(&name) {
            return conflict("topic", format!("{name:?}: {problem}"));
        }
        if topics
            .iter()
            .take(index)
            .any(|earlier| earlier.topic == entry.topic)
        {
            return conflict(
                "topic",
                format!("{name:?} has two handlers; a topic takes one"),
            );
        }
        if let Some(problem) = exactly_once::problem(&entry.options) {
            return conflict("exactly_once", format!("{name:?}: {problem}"));
        }
        if entry.options.retries == Retries::ThroughTopic {
            let retry_topic = retry_topic_name(config, group);
            if let Some(problem) = topic_problem(&retry_topic) {
                return conflict("retry", format!("{retry_topic:?}: {problem}"));
            }
            if topics
                .iter()
                .any(|other| config.topic_name(&other.topic) == retry_topic)
            {
                return conflict(
                    "retry",
                    format!(
                        "{retry_topic:?} takes the group's retries, and cannot have a handler; \
                         name the topic, or the group, otherwise"
                    ),
                );
            }
        }
        if let Some(dead_letter_topic) = dead_letter_topic(config, &entry.options, &entry.topic) {
            if let Some(problem) = topic_problem(&dead_letter_topic) {
                return conflict("dead_letter", format!("{dead_letter_topic:?}: {problem}"));
            }
            if dead_letter_topic == name {
                return conflict(
                    "dead_letter",
                    format!("{name:?} cannot take its own dead letters"),
                );
            }
        }
    }
    Ok(group.to_owned())
}
