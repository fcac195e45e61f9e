//! Measures what a record costs on the hot paths: appended to a batch, and read from one.
//!
//! `cargo run --release -p milena-wire --example batch_speed` prints the CPU time of one thread in
//! nanoseconds per record, the best of several rounds.

use bytes::Bytes;
use milena_wire::Compression;
use milena_wire::batch::{BatchEncoder, BatchError, BatchStamp, Batches, Header, RecordData};
use milena_wire::limits::DECOMPRESSED_BYTES_MAX;
use std::hint::black_box;
use std::time::{Duration, Instant};

const BATCH_BYTES: usize = 128 * 1024;
const BATCHES: usize = 200;
const ROUNDS: usize = 15;
const HEADERS: &[Header<'_>] = &[
    Header {
        key: "traceparent",
        value: Some(b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
    },
    Header {
        key: "content-type",
        value: Some(b"application/json"),
    },
];

fn main() -> Result<(), BatchError> {
    let value: Vec<u8> = (0..100_u8).map(|byte| byte.wrapping_mul(37)).collect();
    let record = |key, headers| RecordData {
        timestamp: 0,
        key,
        value: Some(&value),
        headers,
    };
    measure("value of 100 bytes", &record(None, &[]))?;
    measure(
        "with a key of 16 bytes",
        &record(Some(b"customer-0123456"), &[]),
    )?;
    measure("with 2 headers", &record(None, HEADERS))
}

/// Prints one line for records like this one.
fn measure(what: &str, record: &RecordData<'_>) -> Result<(), BatchError> {
    let mut append_ns = f64::MAX;
    let mut finish_ns = f64::MAX;
    let mut read_ns = f64::MAX;
    let mut crc_ns = f64::MAX;
    for _ in 0..ROUNDS {
        let mut appending = Duration::ZERO;
        let mut finishing = Duration::ZERO;
        let mut fetched = Vec::new();
        let mut records = 0;
        for _ in 0..BATCHES {
            let started = Instant::now();
            let encoder = fill(record)?;
            let filled = Instant::now();
            records += encoder.records_count() as usize;
            let batch = encoder.finish(BatchStamp::NONE, Compression::None, None)?;
            finishing += filled.elapsed();
            appending += filled - started;
            fetched.extend_from_slice(&batch);
        }
        append_ns = append_ns.min(per_record(appending, records));
        finish_ns = finish_ns.min(per_record(finishing, records));

        let fetched = Bytes::from(fetched);
        let started = Instant::now();
        for batch in Batches::new(fetched.clone()) {
            batch?.verify_crc()?;
        }
        crc_ns = crc_ns.min(per_record(started.elapsed(), records));

        let started = Instant::now();
        for batch in Batches::new(fetched) {
            for record in &batch?.open(DECOMPRESSED_BYTES_MAX)? {
                black_box(record?);
            }
        }
        read_ns = read_ns.min(per_record(started.elapsed(), records));
    }
    println!(
        "{what:24} append {append_ns:5.1}  finish {finish_ns:5.1}  check {crc_ns:5.1}  read {read_ns:5.1}"
    );
    Ok(())
}

fn fill(record: &RecordData<'_>) -> Result<BatchEncoder, BatchError> {
    let mut encoder = BatchEncoder::with_capacity(BATCH_BYTES);
    let mut record = *record;
    while encoder.encoded_bytes() + encoder.record_bytes(&record) <= BATCH_BYTES {
        record.timestamp = 1_700_000_000_000 + i64::from(encoder.records_count() / 64);
        encoder.append(black_box(&record))?;
    }
    Ok(encoder)
}

fn per_record(elapsed: Duration, records: usize) -> f64 {
    elapsed.as_nanos() as f64 / records as f64
}
