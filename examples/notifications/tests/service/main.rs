//! The service on the embedded broker, or on the cluster that `MILENA_TEST_BROKERS` names, with
//! SQLite and PostgreSQL.

mod certificates;
mod crash;
mod databases;
mod end_to_end;
mod postgres;
mod setup;
mod webhook;
