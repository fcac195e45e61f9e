//! Which letters are meant, as every command on them takes it.

use std::ops::RangeInclusive;

use clap::Args;
use milena::dead_letter::Filter;

use super::time;

/// Which letters are meant: those that all of this applies to.
#[derive(Debug, Clone, Args)]
pub(super) struct FilterArguments {
    /// Only this partition of the dead letter topic; may be given more than once.
    #[arg(short = 'p', long = "partition", value_parser = clap::value_parser!(i32).range(0..))]
    partitions: Vec<i32>,

    /// Offsets in the dead letter topic: 42, 40..49, 40.. or ..49, ends included.
    #[arg(long, value_name = "RANGE", value_parser = range)]
    offsets: Option<RangeInclusive<i64>>,

    /// Consumed from this topic.
    #[arg(long, value_name = "TOPIC")]
    origin_topic: Option<String>,

    /// Consumed from this partition.
    #[arg(long, value_name = "PARTITION")]
    origin_partition: Option<i32>,

    /// Consumed from these offsets, written as for --offsets.
    #[arg(long, value_name = "RANGE", value_parser = range)]
    origin_offsets: Option<RangeInclusive<i64>>,

    /// Failed last at this time or later.
    #[arg(long, value_name = "TIME", value_parser = time::parse, help = format!("Failed last at this time or later: {}", time::ALLOWED))]
    since: Option<i64>,

    /// Failed last before this time, written as for --since.
    #[arg(long, value_name = "TIME", value_parser = time::parse)]
    until: Option<i64>,

    /// The failure's stage, such as decode.
    #[arg(long)]
    stage: Option<String>,

    /// The failure's class, such as retriable.
    #[arg(long)]
    class: Option<String>,

    /// The failure's code; an exception's class.
    #[arg(long)]
    code: Option<String>,

    /// The fingerprint, or how it begins.
    #[arg(long)]
    fingerprint: Option<String>,

    /// The handler that failed.
    #[arg(long)]
    handler: Option<String>,

    /// The record's key.
    #[arg(short = 'k', long)]
    key: Option<String>,

    /// A text in the key, the value, the failure's message or a header.
    #[arg(long)]
    text: Option<String>,
}

impl FilterArguments {
    pub(super) fn filter(&self) -> Filter {
        let mut filter = Filter::default();
        filter.partitions.clone_from(&self.partitions);
        filter.offsets.clone_from(&self.offsets);
        filter.origin_topic.clone_from(&self.origin_topic);
        filter.origin_partition = self.origin_partition;
        filter.origin_offsets.clone_from(&self.origin_offsets);
        filter.failed_since = self.since;
        filter.failed_before = self.until;
        filter.stage.clone_from(&self.stage);
        filter.class.clone_from(&self.class);
        filter.code.clone_from(&self.code);
        filter.fingerprint.clone_from(&self.fingerprint);
        filter.handler.clone_from(&self.handler);
        filter.key.clone_from(&self.key);
        filter.text.clone_from(&self.text);
        filter
    }
}

fn range(text: &str) -> Result<RangeInclusive<i64>, String> {
    let number = |text: &str, if_empty: i64| match text {
        "" => Some(if_empty),
        text => text.parse().ok().filter(|number| *number >= 0),
    };
    let parsed = match text.split_once("..") {
        Some(("", "")) => None,
        Some((first, last)) => number(first, 0).zip(number(last, i64::MAX)),
        None => number(text, -1)
            .filter(|number| *number >= 0)
            .map(|number| (number, number)),
    };
    parsed
        .filter(|(first, last)| first <= last)
        .map(|(first, last)| first..=last)
        .ok_or_else(|| "write it as 42, 40..49, 40.. or ..49".to_owned())
}

#[cfg(test)]
mod tests;
