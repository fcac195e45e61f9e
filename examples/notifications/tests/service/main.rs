//! The service on the embedded broker, or on the cluster that `MILENA_TEST_BROKERS` names, with
//! SQLite and PostgreSQL.

mod certificates;
mod crash;
#[path = "../../../../sim/tests/points/crash.rs"]
mod crash_point;
mod databases;
mod end_to_end;
mod jobs;
mod points;
#[path = "../../../../sim/src/ports/mod.rs"]
#[expect(unreachable_pub, reason = "it is public in the suite")]
mod ports;
mod postgres;
mod process;
mod receiver;
mod setup;
mod webhook;
