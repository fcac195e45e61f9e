//! A compacted topic: offsets have gaps, batches are rewritten, and everybody reads the same rest.

use super::line::{CREATE_TIME, Line};
use super::{all_read, consume, produce, topic};
use anyhow::{Result, ensure};
use milena_client::Compression;
use milena_sim::target::BROKERS_VARIABLE;
use std::time::{Duration, Instant};

const KEYS: i64 = 10;
const ROUNDS: i64 = 40;
const COMPACTION_WAIT: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread")]
async fn what_compaction_left_is_read_alike() -> Result<()> {
    if std::env::var_os(BROKERS_VARIABLE).is_none() {
        eprintln!("left out: the embedded broker does not compact");
        return Ok(());
    }
    let settings = [
        ("cleanup.policy", "compact"),
        ("segment.bytes", "1048576"),
        ("segment.ms", "100"),
        ("min.cleanable.dirty.ratio", "0.01"),
        ("max.compaction.lag.ms", "100"),
    ];
    let (target, topic) = topic("compacted", &settings).await?;
    for codec in [Compression::None, Compression::Gzip, Compression::Lz4] {
        produce(&target, &topic, codec, &rounds()).await?;
    }
    let deadline = Instant::now() + COMPACTION_WAIT;
    for attempt in 1.. {
        // A later timestamp rolls the segment before it, which can then be cleaned.
        let round = ROUNDS + attempt;
        let last = [line(KEYS, round), line(KEYS + 1, round)];
        produce(&target, &topic, Compression::None, &last).await?;
        let left = consume(&target, &topic).await?;
        let is_compacted = left.len() < usize::try_from(KEYS * ROUNDS)?;
        // Cleaning may go on between two readers, so that one attempt proves nothing.
        let read = all_read(&target, &topic, &left).await;
        match read {
            Ok(()) if is_compacted => return Ok(()),
            Err(error) if Instant::now() > deadline => return Err(error),
            _ => ensure!(Instant::now() < deadline, "{} records are left", left.len()),
        }
    }
    Ok(())
}

fn rounds() -> Vec<Line> {
    let numbers = (0..ROUNDS).flat_map(|round| (0..KEYS).map(move |key| (key, round)));
    numbers.map(|(key, round)| line(key, round)).collect()
}

fn line(key: i64, round: i64) -> Line {
    Line {
        partition: i32::try_from(key % 2).unwrap_or(0),
        offset: -1,
        timestamp_type: CREATE_TIME.to_owned(),
        timestamp: 1_700_000_000_000 + 1_000 * round,
        key: Some(format!("key {key}").into_bytes()),
        value: Some(format!("round {round}").into_bytes()),
        headers: vec![("round".to_owned(), Some(round.to_be_bytes().to_vec()))],
    }
}
