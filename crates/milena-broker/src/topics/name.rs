//! Which names a topic may have: Apache Kafka's rule.

use crate::limits::TOPIC_NAME_LENGTH_MAX;

/// Checks a topic name; the error is a sentence for whoever chose it.
pub(crate) fn check_name(name: &str) -> Result<(), String> {
    if name.is_empty() {
        return Err("a topic name cannot be empty".to_owned());
    }
    if name == "." || name == ".." {
        return Err(format!("a topic cannot be named '{name}'"));
    }
    if name.len() > TOPIC_NAME_LENGTH_MAX {
        return Err(format!(
            "a topic name has at most {TOPIC_NAME_LENGTH_MAX} characters"
        ));
    }
    let legal = |character: char| character.is_ascii_alphanumeric() || "._-".contains(character);
    match name.chars().find(|character| !legal(*character)) {
        Some(character) => Err(format!(
            "'{}' is not allowed in a topic name; use letters, digits, '.', '_' and '-'",
            character.escape_debug()
        )),
        None => Ok(()),
    }
}
