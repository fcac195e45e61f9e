//! Retries through a topic: a record that is to be tried again later is written to the
//! group's retry topic, and its partition goes on.
//!
//! One topic for all delays and all topics of the group. A topic for each delay would keep
//! each in order of its due times, so that its consumer only ever waits for the first, but
//! would have to be made, watched and consumed for each delay anybody configures, and
//! rounds delays. Here the consumer reads ahead, keeps what is not due in memory, bounded,
//! and hands it out in order of the due times ([`parking`]).
//!
//! Nothing is lost between the steps: the record is acknowledged by the retry topic before
//! its offset is committed, and what it becomes from there (handled, a retry again, a dead
//! letter) before the retry topic's.

mod lanes;
mod limits;
mod parking;
mod place;
mod record;
mod worker;

pub(super) use self::place::{RetryTopic, ensure_topic};
pub(super) use self::worker::RetryRoute;
