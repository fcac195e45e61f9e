//! The client over TCP against the embedded broker: one binary, a module a subject.

mod admin;
mod cluster;
mod connections;
mod groups;
mod producer;
mod support;
