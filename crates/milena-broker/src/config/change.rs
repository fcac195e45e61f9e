//! Changes of settings: which are allowed, and what comes out.
//!
//! Plain functions: settings and changes in, settings or a refusal out. Codes are those of Apache Kafka.

use milena_wire::error_code::ErrorCode;

use super::layers::Settings;
use super::properties::nearest_broker;
use super::property_names;
use super::topic::{TopicProperty, ValueType, in_topic_unit};
use crate::log::validate::Refusal;

/// What is done to one setting; the numbers are the protocol's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Operation {
    Set(String),
    Delete,
    /// Adds to a list what is not in it yet.
    Append(String),
    /// Takes out of a list what is in it.
    Subtract(String),
}

impl Operation {
    /// Reads an operation of IncrementalAlterConfigs.
    pub(crate) fn read(number: i8, name: &str, value: Option<&str>) -> Result<Self, Refusal> {
        let value = || {
            let value = value.map(|value| value.trim().to_owned());
            value.ok_or_else(|| invalid_request(format!("Null value not supported for : {name}")))
        };
        match number {
            0 => value().map(Operation::Set),
            1 => Ok(Operation::Delete),
            2 => value().map(Operation::Append),
            3 => value().map(Operation::Subtract),
            other => Err(invalid_request(format!(
                "unknown operation {other} on {name}"
            ))),
        }
    }
}

/// What kind of thing the settings belong to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Subject {
    Topic,
    Broker,
}

impl Subject {
    fn property(self, name: &str) -> Option<(&'static TopicProperty, i64)> {
        match self {
            Subject::Topic => TopicProperty::named(name).map(|property| (property, 1)),
            Subject::Broker => TopicProperty::behind(name),
        }
    }

    /// Why a name cannot be set.
    fn unknown(self, name: &str) -> Refusal {
        if self == Subject::Broker && property_names().any(|known| known == name) {
            return invalid_request(format!("{name} cannot be changed while the broker runs"));
        }
        let nearest = match self {
            Subject::Topic => TopicProperty::nearest(name),
            Subject::Broker => nearest_broker(name),
        };
        let kind = match self {
            Subject::Topic => "topic",
            Subject::Broker => "broker",
        };
        let hint = nearest.map_or_else(String::new, |nearest| format!(", did you mean {nearest}?"));
        invalid_config(format!("Unknown {kind} config name: {name}{hint}"))
    }
}

/// Checks settings that are to stand as they are.
pub(crate) fn check(subject: Subject, settings: &Settings) -> Result<(), Refusal> {
    for (name, value) in settings {
        let (property, factor) = subject
            .property(name)
            .ok_or_else(|| subject.unknown(name))?;
        property
            .check(&in_topic_unit(value, factor))
            .map_err(|reason| {
                let text = format!("Invalid value {value} for configuration {name}: {reason}");
                match subject {
                    Subject::Topic => invalid_config(text),
                    // Apache Kafka's code for the same mistake on a broker (KAFKA-13609).
                    Subject::Broker => invalid_request(text),
                }
            })?;
    }
    Ok(())
}

/// Applies changes to settings. `inherited` is the value of a setting that is not among them.
pub(crate) fn apply(
    subject: Subject,
    settings: &Settings,
    changes: &[(String, Operation)],
    inherited: &dyn Fn(&str) -> Option<String>,
) -> Result<Settings, Refusal> {
    let mut changed = settings.clone();
    for (position, (name, operation)) in changes.iter().enumerate() {
        if changes
            .iter()
            .take(position)
            .any(|(other, _)| other == name)
        {
            return Err(invalid_request(format!("{name} is changed twice")));
        }
        let value = match operation {
            Operation::Set(value) => Some(value.clone()),
            Operation::Delete => None,
            Operation::Append(items) => {
                let mut list = list(subject, name, "APPEND", &changed, inherited)?;
                for item in items.split(',').map(str::trim) {
                    if !list.iter().any(|present| present == item) {
                        list.push(item.to_owned());
                    }
                }
                Some(list.join(","))
            }
            Operation::Subtract(items) => {
                let mut list = list(subject, name, "SUBTRACT", &changed, inherited)?;
                list.retain(|present| !items.split(',').any(|item| item.trim() == present));
                Some(list.join(","))
            }
        };
        match value {
            Some(value) => {
                changed.insert(name.clone(), value);
            }
            None => {
                if subject.property(name).is_none() {
                    return Err(subject.unknown(name));
                }
                changed.remove(name);
            }
        }
    }
    check(subject, &changed)?;
    Ok(changed)
}

fn list(
    subject: Subject,
    name: &str,
    verb: &str,
    settings: &Settings,
    inherited: &dyn Fn(&str) -> Option<String>,
) -> Result<Vec<String>, Refusal> {
    let (property, _) = subject
        .property(name)
        .ok_or_else(|| subject.unknown(name))?;
    if property.value_type != ValueType::List {
        return Err(invalid_config(format!(
            "Can't {verb} to key {name} because its type is not LIST."
        )));
    }
    let current = settings.get(name).cloned().or_else(|| inherited(name));
    let current = current.unwrap_or_default();
    let items = current.split(',').map(str::trim);
    Ok(items
        .filter(|item| !item.is_empty())
        .map(str::to_owned)
        .collect())
}

fn invalid_request(message: String) -> Refusal {
    Refusal::new(ErrorCode::InvalidRequest, message)
}

fn invalid_config(message: String) -> Refusal {
    Refusal::new(ErrorCode::InvalidConfig, message)
}

#[cfg(test)]
mod tests;
