//! `auto.offset.reset` as a text.

use std::time::Duration;

use super::OffsetReset;

pub(super) const ALLOWED: &str = "earliest, latest, none or by_duration: with an ISO 8601 duration";

/// Reads what Kafka or librdkafka call it; `None` for what is neither.
pub(super) fn parse(text: &str) -> Option<OffsetReset> {
    if let Some(duration) = text.strip_prefix("by_duration:") {
        let duration = duration.parse::<jiff::SignedDuration>().ok()?;
        return Duration::try_from(duration)
            .ok()
            .map(OffsetReset::ByDuration);
    }
    match text {
        "earliest" | "smallest" | "beginning" => Some(OffsetReset::Earliest),
        "latest" | "largest" | "end" => Some(OffsetReset::Latest),
        "none" | "error" => Some(OffsetReset::None),
        _ => None,
    }
}

/// As `auto.offset.reset` has it.
pub(crate) fn text(reset: OffsetReset) -> String {
    match reset {
        OffsetReset::Earliest => "earliest".to_owned(),
        OffsetReset::Latest => "latest".to_owned(),
        OffsetReset::ByDuration(age) => {
            format!(
                "by_duration:PT{}.{:03}S",
                age.as_secs(),
                age.subsec_millis()
            )
        }
        OffsetReset::None => "none".to_owned(),
    }
}
