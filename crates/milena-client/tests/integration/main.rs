//! The client over TCP against the embedded broker: one binary, a module a subject.

mod producer;
mod support;
