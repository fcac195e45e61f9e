//! Measures what a record costs on the hot paths: appended to a batch, and read from one.
//!
//! `cargo run --release -p milena-wire --example batch_speed` prints nanoseconds per record: of the
//! fastest batch of 128 KiB among many, so that what else the machine does matters little.

use milena_wire::Compression;
use milena_wire::batch::{
    BatchEncoder, BatchError, BatchStamp, Header, RawBatch, RecordData, RecordView,
};
use milena_wire::limits::DECOMPRESSED_BYTES_MAX;
use std::hint::black_box;
use std::time::{Duration, Instant};

const BATCH_BYTES: usize = 128 * 1024;
const TIMESTAMP: i64 = 1_700_000_000_000;
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
        timestamp: TIMESTAMP,
        key,
        value: Some(&value),
        headers,
    };
    println!("{:28} append  finish   check    read   bytes", "");
    let none = Compression::None;
    measure("value of 100 bytes", 3_000, none, || {
        fill(&record(None, &[]))
    })?;
    let key: &[u8] = b"customer-0123456";
    measure("with a key of 16 bytes", 3_000, none, || {
        fill(&record(Some(key), &[]))
    })?;
    measure("with 2 headers", 3_000, none, || {
        fill(&record(None, HEADERS))
    })?;
    for codec in Compression::ALL {
        measure(&format!("json, {codec}"), 100, codec, fill_with_json)?;
    }
    Ok(())
}

/// Prints one line; `fill` gives a full batch and how long appending took.
fn measure(
    what: &str,
    batches: usize,
    codec: Compression,
    fill: impl Fn() -> Result<(BatchEncoder, Duration), BatchError>,
) -> Result<(), BatchError> {
    let mut best = [f64::MAX; 4];
    let mut bytes = 0;
    for _ in 0..batches {
        let (encoder, appending) = fill()?;
        let records = f64::from(encoder.records_count());
        let (batch, finishing) = timed(|| encoder.finish(BatchStamp::NONE, codec, None));
        let batch = RawBatch::parse(batch?)?;
        bytes = batch.bytes().len() / records as usize;
        let (checked, checking) = timed(|| batch.verify_crc());
        checked?;
        let (read, reading) = timed(|| read(&batch));
        read?;
        for (best, time) in best
            .iter_mut()
            .zip([appending, finishing, checking, reading])
        {
            *best = best.min(time.as_nanos() as f64 / records);
        }
    }
    let [append, finish, check, read] = best;
    println!("{what:28} {append:6.1} {finish:7.1} {check:7.1} {read:7.1} {bytes:7}");
    Ok(())
}

fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let started = Instant::now();
    let result = work();
    (result, started.elapsed())
}

fn fill(record: &RecordData<'_>) -> Result<(BatchEncoder, Duration), BatchError> {
    let mut encoder = BatchEncoder::with_capacity(BATCH_BYTES);
    let (filled, appending) = timed(|| {
        while encoder.encoded_bytes() + encoder.record_bytes(record) <= BATCH_BYTES {
            encoder.append(black_box(record))?;
        }
        Ok(())
    });
    filled.map(|()| (encoder, appending))
}

fn fill_with_json() -> Result<(BatchEncoder, Duration), BatchError> {
    let mut encoder = BatchEncoder::with_capacity(BATCH_BYTES);
    for number in 0_u64.. {
        let noise = number.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29);
        let value = format!(
            r#"{{"order":{number},"customer":"c-{:05}","amount":{},"currency":"EUR","token":"{:08x}"}}"#,
            noise >> 50,
            noise % 10_000,
            noise.wrapping_mul(noise) >> 32,
        );
        let record = RecordData {
            timestamp: TIMESTAMP,
            value: Some(value.as_bytes()),
            ..RecordData::default()
        };
        if encoder.encoded_bytes() + encoder.record_bytes(&record) > BATCH_BYTES {
            break;
        }
        encoder.append(&record)?;
    }
    Ok((encoder, Duration::ZERO))
}

fn read(batch: &RawBatch) -> Result<(), BatchError> {
    for record in &batch.open(DECOMPRESSED_BYTES_MAX)? {
        let record: RecordView<'_> = record?;
        black_box(record);
    }
    Ok(())
}
