//! The broker over TCP, spoken to in raw protocol requests.

mod client;
mod groups;
mod hostile;
mod produce_fetch;
mod protocol;
mod restart;
mod security;
mod topics;
mod transactions;
