//! What becomes of a letter: a decision from the letter and the rules alone.

use super::SkipReason;
use crate::dead_letter::letter::DeadLetter;

/// What was asked for.
#[derive(Debug, Clone)]
pub(super) struct Rules {
    /// The dead letter topic.
    pub(super) own_topic: String,
    pub(super) to: Option<String>,
    pub(super) redrives_max: u32,
    pub(super) again: bool,
    pub(super) keep_diagnostics: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Decision {
    Send { topic: String },
    Skip(SkipReason),
}

impl Rules {
    pub(super) fn decide(&self, letter: &DeadLetter, is_redriven: bool) -> Decision {
        if is_redriven && !self.again {
            return Decision::Skip(SkipReason::AlreadyRedriven);
        }
        if letter.redrive.count >= self.redrives_max {
            return Decision::Skip(SkipReason::TooOften);
        }
        if !letter.has_payload {
            return Decision::Skip(SkipReason::NoPayload);
        }
        match self.to.as_ref().or(letter.origin.topic.as_ref()) {
            None => Decision::Skip(SkipReason::NoOrigin),
            Some(topic) if *topic == self.own_topic => Decision::Skip(SkipReason::Loop),
            Some(topic) => Decision::Send {
                topic: topic.clone(),
            },
        }
    }
}

#[cfg(test)]
mod tests;
