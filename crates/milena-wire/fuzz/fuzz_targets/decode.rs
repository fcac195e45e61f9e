//! Gives arbitrary bytes to everything that reads bytes from the wire.
//!
//! `cargo fuzz run decode -- -max_total_time=300` in `crates/milena-wire/fuzz`, with a nightly
//! toolchain or `RUSTC_BOOTSTRAP=1`; copy `tests/golden/*.bin` into `corpus/decode` to start from
//! real batches. What it finds becomes a case in `tests/wire/hostile.rs`.
#![no_main]

#[path = "../../tests/wire/decode_everything.rs"]
mod decode_everything;

libfuzzer_sys::fuzz_target!(|data: &[u8]| decode_everything::decode_everything(data));
