//! The consumer's offsets: seeking, pausing, asking where things are.
//!
//! Owns the public methods about positions and log ends; the positions
//! themselves are `position`'s.

use std::time::Duration;

use tokio::time::Instant;

use super::Consumer;
use super::list_offsets::list_offsets;
use super::position::{OffsetAndEpoch, OffsetQuery, Position};
use crate::error::Error;
use crate::topology::{NodeId, TopicPartition};

/// Where to go on consuming a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum SeekTo {
    /// At its oldest record.
    Beginning,
    /// After its newest record.
    End,
    /// At this offset.
    Offset(i64),
    /// At the first record that is not older than this, in milliseconds since
    /// 1970; at the end if there is none.
    Timestamp(i64),
    /// At this offset, once the leader has said that the record before it still
    /// is of this epoch (KIP-320): for offsets that are stored outside of Kafka
    /// with [`ConsumedRecord::leader_epoch`](super::ConsumedRecord::leader_epoch).
    OffsetOfEpoch {
        /// Of the next record to hand out.
        offset: i64,
        /// Of the record before it.
        leader_epoch: i32,
    },
}

impl SeekTo {
    pub(super) fn check(self) -> Result<(), Error> {
        match self {
            Self::Offset(offset) | Self::OffsetOfEpoch { offset, .. } if offset < 0 => {
                Err(super::invalid_state("offsets are not negative"))
            }
            _ => Ok(()),
        }
    }

    /// Sends a position there.
    pub(super) fn send(self, position: &mut Position) {
        match self {
            Self::Beginning => position.seek_to(OffsetQuery::Earliest),
            Self::End => position.seek_to(OffsetQuery::Latest),
            Self::Offset(offset) => position.seek(offset),
            Self::Timestamp(timestamp) => position.seek_to(OffsetQuery::Timestamp(timestamp)),
            Self::OffsetOfEpoch {
                offset,
                leader_epoch,
            } => position.seek_behind(OffsetAndEpoch {
                offset,
                leader_epoch,
            }),
        }
    }
}

/// The ends of a partition's log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Watermarks {
    /// Offset of the oldest record.
    pub low: i64,
    /// Offset after the newest record that can be read under the consumer's
    /// isolation level.
    pub high: i64,
}

impl Consumer {
    /// Goes on with `partition` from there. What was fetched ahead is dropped;
    /// what was handed out is not taken back. A fetch that is under way ends first, and at the
    /// end of the log it waits (`fetch.max.wait.ms`): to start somewhere, use
    /// [`assign_from`](Self::assign_from).
    ///
    /// # Errors
    /// [`Error::InvalidState`] when the partition is not assigned or the offset
    /// is negative.
    pub async fn seek(&self, partition: &TopicPartition, to: SeekTo) -> Result<(), Error> {
        to.check()?;
        let is_assigned = self
            .shared
            .partitions()
            .jump(partition, |position| to.send(position));
        self.shared.work.notify_waiters();
        is_assigned
            .then_some(())
            .ok_or_else(|| not_assigned(partition))
    }

    /// Goes back to what does not count as processed: the records of the last call come
    /// again, and neither automatic commits nor [`close`](Self::close) count them.
    pub fn rewind(&self) {
        // Stands still until all positions are back.
        let reader = self.shared.synced_reader();
        self.shared.partitions().rewind();
        drop(reader);
        self.shared.work.notify_waiters();
    }

    /// Hands out nothing of these until they are resumed. What was fetched
    /// ahead is kept while there is room.
    ///
    /// # Errors
    /// [`Error::InvalidState`] when one is not assigned.
    pub fn pause(&self, partitions: &[TopicPartition]) -> Result<(), Error> {
        // What waits may be dropped: it is fetched again from where the reader is now.
        self.shared.sync_reader();
        self.change_all(partitions, Position::pause)
    }

    /// Goes on with these.
    ///
    /// # Errors
    /// [`Error::InvalidState`] when one is not assigned.
    pub fn resume(&self, partitions: &[TopicPartition]) -> Result<(), Error> {
        let result = self.change_all(partitions, Position::resume);
        self.shared.ready.notify_waiters();
        self.shared.room.notify_waiters();
        result
    }

    /// The partitions that are paused, sorted.
    pub fn paused(&self) -> Vec<TopicPartition> {
        let table = self.shared.partitions();
        let paused = table
            .positions()
            .filter(|(_, position)| position.is_paused());
        let mut names: Vec<TopicPartition> = paused.map(|(name, _)| name.clone()).collect();
        names.sort();
        names
    }

    /// The offset of the next record to hand out; none while it is being found
    /// out, or when the partition is not assigned.
    pub fn position(&self, partition: &TopicPartition) -> Option<i64> {
        self.shared.sync_reader();
        self.shared
            .partitions()
            .position(partition)
            .and_then(Position::position)
    }

    /// How many offsets lie between the position and the end of the log, as of
    /// the last fetch; none before it.
    pub fn lag(&self, partition: &TopicPartition) -> Option<u64> {
        self.shared.sync_reader();
        let table = self.shared.partitions();
        table
            .position(partition)?
            .lag(self.shared.config.isolation_level)
    }

    /// The broker that the partition is fetched from now: its leader, or the
    /// replica that the leader recommends (KIP-392). None while that is being
    /// found out, or when the partition is not assigned.
    pub fn read_replica(&self, partition: &TopicPartition) -> Option<NodeId> {
        let table = self.shared.partitions();
        table.position(partition)?.read_replica(Instant::now())
    }

    /// The offsets the group has committed, asked for anew; none where there is
    /// none. Waits for open transactions to end.
    ///
    /// # Errors
    /// [`Error::InvalidState`] without a group; [`Error::Broker`]; at last
    /// [`Error::Timeout`].
    pub async fn committed(
        &self,
        partitions: &[TopicPartition],
    ) -> Result<Vec<(TopicPartition, Option<i64>)>, Error> {
        self.committer()?.committed(partitions).await
    }

    /// The ends of a partition's log, asked for anew.
    ///
    /// # Errors
    /// [`Error::UnknownTopic`] and [`Error::Broker`]; at last the error of the
    /// last attempt when `timeout` has passed.
    pub async fn watermarks(
        &self,
        partition: &TopicPartition,
        timeout: Duration,
    ) -> Result<Watermarks, Error> {
        let deadline = Instant::now() + timeout;
        let low = self
            .ask_offset(partition, OffsetQuery::Earliest, deadline)
            .await?;
        let high = self
            .ask_offset(partition, OffsetQuery::Latest, deadline)
            .await?;
        Ok(Watermarks {
            low: low.unwrap_or(0),
            high: high.unwrap_or(0),
        })
    }

    /// The offset of the first record that is not older than `timestamp`, in
    /// milliseconds since 1970; none if there is no such record.
    ///
    /// # Errors
    /// As [`watermarks`](Self::watermarks).
    pub async fn offset_for_time(
        &self,
        partition: &TopicPartition,
        timestamp: i64,
        timeout: Duration,
    ) -> Result<Option<i64>, Error> {
        let deadline = Instant::now() + timeout;
        self.ask_offset(partition, OffsetQuery::Timestamp(timestamp), deadline)
            .await
    }

    async fn ask_offset(
        &self,
        partition: &TopicPartition,
        query: OffsetQuery,
        deadline: Instant,
    ) -> Result<Option<i64>, Error> {
        let client = &self.shared.client;
        client.metadata().topic(&partition.topic, deadline).await?;
        let queries = [(partition.clone(), query)];
        loop {
            let level = self.shared.config.isolation_level;
            let mut answers = list_offsets(client, level, &queries).await;
            let error = match answers.remove(partition) {
                Some(Ok(offset)) => return Ok(offset),
                Some(Err(error)) => error,
                None => Error::protocol(format!("offsets of {partition}: no answer")),
            };
            let again_at = Instant::now() + client.config().retry_backoff;
            if !error.is_retriable() || again_at >= deadline {
                return Err(error);
            }
            tokio::time::sleep_until(again_at).await;
        }
    }

    fn change_all(
        &self,
        partitions: &[TopicPartition],
        change: impl Fn(&mut Position),
    ) -> Result<(), Error> {
        let mut table = self.shared.partitions();
        for partition in partitions {
            if !table.update(partition, &change) {
                return Err(not_assigned(partition));
            }
        }
        Ok(())
    }
}

fn not_assigned(partition: &TopicPartition) -> Error {
    super::invalid_state(&format!("{partition} is not assigned to this consumer"))
}
