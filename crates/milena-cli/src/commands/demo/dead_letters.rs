//! Reads the dead letter topic back: what is there is what counts.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use milena_client::TopicPartition;
use milena_client::consumer::{FetchedBatch, RecordView, SeekTo};

use super::cluster::Cluster;
use super::handler::{NUMBER_HEADER, lock};
use super::plan::Event;
use super::tally::Tally;
use crate::failure::Failure;

/// How long reading back may take.
const TIMEOUT: Duration = Duration::from_secs(60);

/// Counts the dead letters and checks that each has the bytes that were published and
/// says why it is there.
pub(super) async fn read_back(
    cluster: &Cluster,
    events: &[Event],
    tally: &Mutex<Tally>,
) -> Result<usize, Failure> {
    let partitions = cluster.dead_letter_partitions();
    let mut open: HashMap<TopicPartition, i64> =
        cluster.ends(&partitions).await?.into_iter().collect();
    open.retain(|_, end| *end > 0);
    let consumer = cluster.consumer()?;
    let starts = open
        .keys()
        .map(|partition| (partition.clone(), SeekTo::Beginning));
    consumer.assign_from(starts.collect()).await?;
    let deadline = Instant::now() + TIMEOUT;
    let mut found = 0;
    while !open.is_empty() {
        if Instant::now() > deadline {
            return Err(Failure::run(
                "the dead letter topic could not be read to its end",
            ));
        }
        for batch in consumer.poll(Duration::from_millis(500)).await?.batches {
            found += check_batch(&batch, events, tally)?;
            let partition = batch.topic_partition();
            if open
                .get(partition)
                .is_some_and(|end| batch.next_offset() >= *end)
            {
                open.remove(partition);
            }
        }
    }
    consumer.close().await?;
    Ok(found)
}

fn check_batch(
    batch: &FetchedBatch,
    events: &[Event],
    tally: &Mutex<Tally>,
) -> Result<usize, Failure> {
    let mut found = 0;
    for record in batch {
        let record = record?;
        let number: Option<usize> =
            header(&record, NUMBER_HEADER).and_then(|number| number.parse().ok());
        let event = number.and_then(|number| events.get(number));
        let (Some(number), Some(event)) = (number, event) else {
            return Err(Failure::run(format!(
                "the dead letter at offset {} is not ours",
                record.offset
            )));
        };
        let is_whole = record.value == Some(event.value.as_slice())
            && record.key == event.key.as_ref().map(|key| key.as_bytes())
            && header(&record, milena::dead_letter::FAILURE_CODE).is_some();
        if !is_whole {
            return Err(Failure::run(format!(
                "the dead letter of record {number} is not what was published"
            )));
        }
        lock(tally).dead_lettered(number);
        found += 1;
    }
    Ok(found)
}

fn header<'a>(record: &RecordView<'a>, name: &str) -> Option<&'a str> {
    let header = record.headers.get_last(name)?;
    std::str::from_utf8(header.value?).ok()
}
