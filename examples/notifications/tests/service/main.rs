//! The service on the embedded broker, or on the cluster that `MILENA_TEST_BROKERS` names, with
//! SQLite and PostgreSQL.

mod certificates;
mod crash;
mod databases;
mod end_to_end;
#[path = "../../../../sim/src/ports/mod.rs"]
#[expect(unreachable_pub, reason = "it is public in the suite")]
mod ports;
mod postgres;
mod setup;
mod webhook;
