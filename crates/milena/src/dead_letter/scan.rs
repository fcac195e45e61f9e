//! Reads a topic from its beginning to where it ends now.
//!
//! Owns the reading: committed records only, as those of aborted transactions are none. Knows
//! nothing of what is in the records.

use std::collections::BTreeMap;
use std::time::Duration;

use milena_client::consumer::{Consumer, ConsumerConfig, IsolationLevel, OffsetReset, SeekTo};
use milena_client::{Client, TopicPartition};
use tokio::time::Instant;

use super::error::DeadLetterError;
use super::limits::STALLED_AFTER;
use crate::message::Message;

/// How long one poll waits.
const POLL_TIMEOUT: Duration = Duration::from_millis(500);

/// A topic on its way to be read. Records that come later are not part of it.
pub(super) struct Scan {
    consumer: Consumer,
    topic: String,
    /// First offset and end of each partition that has records.
    spans: BTreeMap<TopicPartition, (i64, i64)>,
    /// Where each partition is, to notice when nothing moves.
    positions: Vec<Option<i64>>,
    moved_at: Instant,
}

impl Scan {
    /// Looks up where these partitions begin and end.
    pub(super) async fn begin(
        client: &Client,
        partitions: &[TopicPartition],
    ) -> Result<Scan, DeadLetterError> {
        Scan::begin_at(0, client, partitions).await
    }

    /// The same, from this offset on in every partition.
    pub(super) async fn begin_at(
        offset: i64,
        client: &Client,
        partitions: &[TopicPartition],
    ) -> Result<Scan, DeadLetterError> {
        let config = ConsumerConfig::new()
            .auto_offset_reset(OffsetReset::Earliest)
            .isolation_level(IsolationLevel::ReadCommitted);
        let consumer = Consumer::new(client, config)?;
        let mut spans = BTreeMap::new();
        for partition in partitions {
            let ends = consumer.watermarks(partition, STALLED_AFTER).await?;
            if ends.low < ends.high {
                spans.insert(partition.clone(), (ends.low, ends.high));
            }
        }
        let starts = spans.iter().map(|(partition, (first, end))| {
            let start = SeekTo::Offset(offset.clamp(*first, *end));
            (partition.clone(), start)
        });
        consumer.assign_from(starts.collect()).await?;
        let topic = partitions.first();
        Ok(Scan {
            consumer,
            topic: topic.map_or_else(String::new, |partition| partition.topic.to_string()),
            spans,
            positions: Vec::new(),
            moved_at: Instant::now(),
        })
    }

    /// How many offsets there are to read; a few of them may hold no record.
    pub(super) fn offsets(&self) -> u64 {
        let offsets = self.spans.values().map(|(first, end)| end - first);
        u64::try_from(offsets.sum::<i64>()).unwrap_or(0)
    }

    /// The next records, in the order of their offsets within each partition; `None` at the end.
    pub(super) async fn next(&mut self) -> Result<Option<Vec<Message>>, DeadLetterError> {
        while !self.is_done() {
            let polled = match self.consumer.poll(POLL_TIMEOUT).await {
                Ok(polled) => polled,
                Err(error) if error.is_retriable() => {
                    tracing::warn!(event = "dead_letter_scan_poll_failed", topic = %self.topic, %error);
                    self.check_moves()?;
                    continue;
                }
                Err(error) => return Err(error.into()),
            };
            let mut messages = Vec::new();
            for batch in polled.batches {
                let span = self.spans.get(batch.topic_partition());
                let end = span.map_or(0, |(_, end)| *end);
                for record in batch.into_records() {
                    let record = record?;
                    if record.offset() < end {
                        messages.push(Message::from(record));
                    }
                }
            }
            self.check_moves()?;
            if !messages.is_empty() {
                return Ok(Some(messages));
            }
        }
        Ok(None)
    }

    pub(super) async fn close(self) {
        if let Err(error) = self.consumer.close().await {
            tracing::debug!(event = "dead_letter_scan_close_failed", topic = %self.topic, %error);
        }
    }

    fn is_done(&self) -> bool {
        self.spans.iter().all(|(partition, (_, end))| {
            let position = self.consumer.position(partition);
            position.is_some_and(|position| position >= *end)
        })
    }

    fn check_moves(&mut self) -> Result<(), DeadLetterError> {
        let partitions = self.spans.keys();
        let positions: Vec<Option<i64>> = partitions
            .map(|partition| self.consumer.position(partition))
            .collect();
        if positions != self.positions {
            self.positions = positions;
            self.moved_at = Instant::now();
        } else if self.moved_at.elapsed() > STALLED_AFTER {
            return Err(DeadLetterError::Stalled {
                topic: self.topic.clone(),
                after: STALLED_AFTER,
            });
        }
        Ok(())
    }
}
