//! The seam to the wire format: error codes and message types.

pub use kafka_protocol::messages::ApiKey;
pub use kafka_protocol::protocol::Request;

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
pub struct ErrorCode(i16);

impl From<i16> for ErrorCode {
    fn from(code: i16) -> Self {
        Self(code)
    }
}

impl ErrorCode {
    /// The number on the wire.
    pub fn code(self) -> i16 {
        self.0
    }
    /// Kafka's name.
    pub fn name(self) -> String {
        format!("{}", self.0)
    }
    /// What it means.
    pub fn message(self) -> String {
        format!("{:?}", kafka_protocol::ResponseError::try_from_code(self.0))
    }
    /// Whether trying again can help.
    pub fn class(self) -> ErrorClass {
        match kafka_protocol::ResponseError::try_from_code(self.0) {
            Some(error) if error.is_retriable() => ErrorClass::Retriable,
            _ => ErrorClass::NonRetriable,
        }
    }
}
