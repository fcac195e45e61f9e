//! The broker over TCP, spoken to in raw protocol requests.

mod client;
mod produce_fetch;
mod protocol;
mod topics;
