//! The application on an embedded broker, or on the cluster that `MILENA_TEST_BROKERS` names:
//! what is handled, what is retried, what ends in the dead letter topic, and what is committed.

mod absent_cluster;
mod background;
mod batches;
mod commit;
mod dead_letter_operations;
mod dead_letters;
mod direct;
mod exactly_once;
mod failures;
mod handling;
mod health;
mod hooks;
mod lifecycle;
mod metrics;
mod order;
mod pausing;
mod prefix;
mod processes;
mod reliable;
mod reliable_limits;
mod reliable_spool;
mod reliable_trail;
mod reserved;
mod retry_topic;
mod schedule;
mod setup;
mod skipping;
mod testing;
mod tracing;
