//! The binary as its users see it: exit codes, output, errors.

mod admin;
mod config;
mod demo;
mod dlq;
mod records;
#[cfg(all(feature = "service", unix))]
mod service;
mod setup;
mod topics;
mod wrong_input;
