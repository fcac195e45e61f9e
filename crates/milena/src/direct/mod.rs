//! Producing and consuming without an application: for scripts, tests, and programs with a
//! loop of their own.
//!
//! Owns clients that are connected, used and shut down by hand, with errors that name what
//! was forgotten; parsing messages, storing those that failed, administering topics. Retries, commits by
//! watermark and stopping in order are the application's ([`App`](crate::App)).

mod connection;
mod consumer;
mod dead_letter_handler;
mod error;
mod handlers;
mod parser;
mod producer;
mod scoped;
mod topic_admin;

pub use self::consumer::{Consumer, PartitionEnd};
pub use self::dead_letter_handler::{DeadLetterHandler, FailureDetails};
pub use self::error::DirectError;
pub use self::parser::{MessageParser, ParseError, ParseErrorKind, ParsedMessage};
pub use self::producer::Producer;
pub use self::scoped::{with_consumer, with_producer};
pub use self::topic_admin::TopicAdmin;
