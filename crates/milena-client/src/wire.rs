//! The seam to the wire format: error codes and message types.

pub use kafka_protocol::messages::{self, ApiKey};
pub use kafka_protocol::protocol::{Decodable, Encodable, Message, Request, StrBytes};

/// Whether trying again can help.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorClass {
    /// A later attempt can succeed.
    Retriable,
    /// Not with this request.
    NonRetriable,
    /// Not with this client instance.
    Terminal,
}

/// One of Kafka's error codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum ErrorCode {
    None,
    UnknownTopicOrPartition,
    LeaderNotAvailable,
    CoordinatorNotAvailable,
    UnsupportedVersion,
    InvalidTopicException,
    TopicAuthorizationFailed,
    Unknown(i16),
}

impl From<i16> for ErrorCode {
    fn from(code: i16) -> Self {
        match code {
            0 => Self::None,
            3 => Self::UnknownTopicOrPartition,
            5 => Self::LeaderNotAvailable,
            15 => Self::CoordinatorNotAvailable,
            17 => Self::InvalidTopicException,
            29 => Self::TopicAuthorizationFailed,
            35 => Self::UnsupportedVersion,
            other => Self::Unknown(other),
        }
    }
}

#[allow(missing_docs)]
impl ErrorCode {
    pub fn code(self) -> i16 {
        match self {
            Self::None => 0,
            Self::UnknownTopicOrPartition => 3,
            Self::LeaderNotAvailable => 5,
            Self::CoordinatorNotAvailable => 15,
            Self::InvalidTopicException => 17,
            Self::TopicAuthorizationFailed => 29,
            Self::UnsupportedVersion => 35,
            Self::Unknown(other) => other,
        }
    }
    pub fn name(self) -> String {
        format!("{:?}", self)
    }
    pub fn message(self) -> String {
        format!(
            "{:?}",
            kafka_protocol::ResponseError::try_from_code(self.code())
        )
    }
    pub fn class(self) -> ErrorClass {
        match kafka_protocol::ResponseError::try_from_code(self.code()) {
            Some(error) if error.is_retriable() => ErrorClass::Retriable,
            _ => ErrorClass::NonRetriable,
        }
    }
    pub fn is_retriable(self) -> bool {
        self.class() == ErrorClass::Retriable
    }
}
