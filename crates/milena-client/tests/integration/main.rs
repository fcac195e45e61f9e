//! The client over TCP against the embedded broker: one binary, a module a subject.

mod admin;
mod cluster;
mod connections;
mod consumer_fetch;
mod consumer_offsets;
mod consumer_support;
mod group_members;
mod group_offsets;
mod groups;
mod leader_epochs;
mod metrics;
mod producer;
mod support;
