//! `Meta`: where a record is from, and how often it was tried.

use std::convert::Infallible;
use std::sync::Arc;

use super::FromMessage;
use crate::message::{Message, TimestampType};

/// Everything about a record but its key, value and headers.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Meta {
    /// The topic, without the configured prefix.
    pub topic: Arc<str>,
    /// The partition within the topic.
    pub partition: i32,
    /// The offset within the partition.
    pub offset: i64,
    /// Milliseconds since the Unix epoch.
    pub timestamp: i64,
    /// Where the timestamp is from.
    pub timestamp_type: TimestampType,
    /// Which attempt at handling this is, from 1.
    pub attempt: u32,
}

impl<S> FromMessage<S> for Meta {
    type Rejection = Infallible;

    fn from_message(message: &Message, _state: &S) -> Result<Meta, Infallible> {
        Ok(Meta {
            topic: message.topic().clone(),
            partition: message.partition(),
            offset: message.offset(),
            timestamp: message.timestamp(),
            timestamp_type: message.timestamp_type(),
            attempt: message.attempt(),
        })
    }
}
