//! What becomes of trace contexts: the setting `trace.context`.

use std::fmt;
use std::str::FromStr;

/// Whether trace contexts travel with messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum TraceMode {
    /// Headers are left alone.
    Off,
    /// A context that is there is carried on.
    #[default]
    Continue,
    /// Where there is none, one is made.
    Generate,
}

pub(crate) const TRACE_MODES_ALLOWED: &str = "off, continue or generate";

impl fmt::Display for TraceMode {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            TraceMode::Off => "off",
            TraceMode::Continue => "continue",
            TraceMode::Generate => "generate",
        })
    }
}

impl FromStr for TraceMode {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<TraceMode, &'static str> {
        match text {
            "off" => Ok(TraceMode::Off),
            "continue" => Ok(TraceMode::Continue),
            "generate" => Ok(TraceMode::Generate),
            _ => Err(TRACE_MODES_ALLOWED),
        }
    }
}
