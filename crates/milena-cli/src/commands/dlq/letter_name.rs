//! One letter as it is written on the command line: `TOPIC:PARTITION:OFFSET`.

use std::fmt;
use std::str::FromStr;

/// One letter, as clap reads it and lists show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct LetterName {
    pub(super) topic: String,
    pub(super) partition: i32,
    pub(super) offset: i64,
}

impl FromStr for LetterName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parsed = text.rsplit_once(':').and_then(|(rest, offset)| {
            let (topic, partition) = rest.rsplit_once(':')?;
            let name = LetterName {
                topic: topic.to_owned(),
                partition: partition.parse().ok()?,
                offset: offset.parse().ok()?,
            };
            let is_name = !name.topic.is_empty() && name.partition >= 0 && name.offset >= 0;
            is_name.then_some(name)
        });
        parsed
            .ok_or_else(|| "write it as TOPIC:PARTITION:OFFSET, such as orders.dlq:0:42".to_owned())
    }
}

impl fmt::Display for LetterName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "{}:{}:{}",
            self.topic, self.partition, self.offset
        )
    }
}
