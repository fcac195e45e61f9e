//! Records without end for brokers that are killed or paused again and again.
//!
//! One producer, one lane a partition. A lane keeps a window of records open, so that trouble always
//! finds some on their way. Knows no broker.

use crate::history::{History, Place, RecordId};
use anyhow::{Context, Result};
use milena_client::producer::{Delivery, Producer, Record};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinSet;

const OPEN_MAX: usize = 200;
const PROGRESS_WAIT: Duration = Duration::from_secs(60);

/// Lanes at work.
#[derive(Debug)]
pub struct Load {
    history: Arc<Mutex<History>>,
    acknowledged: watch::Receiver<usize>,
    stop: watch::Sender<bool>,
    lanes: JoinSet<Result<()>>,
}

struct Lane {
    producer: Producer,
    topic: String,
    partition: i32,
    history: Arc<Mutex<History>>,
    acknowledged: Arc<watch::Sender<usize>>,
}

impl Load {
    /// Starts one lane for each of the first `partitions` partitions of `topic`.
    pub fn start(producer: &Producer, topic: &str, partitions: i32) -> Self {
        let (stop, stopped) = watch::channel(false);
        let (counter, acknowledged) = watch::channel(0);
        let counter = Arc::new(counter);
        let history = Arc::default();
        let mut lanes = JoinSet::new();
        for partition in 0..partitions {
            let lane = Lane {
                producer: producer.clone(),
                topic: topic.to_owned(),
                partition,
                history: Arc::clone(&history),
                acknowledged: Arc::clone(&counter),
            };
            lanes.spawn(lane.run(stopped.clone()));
        }
        Self {
            history,
            acknowledged,
            stop,
            lanes,
        }
    }

    /// How many records were acknowledged so far.
    pub fn acknowledged_count(&self) -> usize {
        *self.acknowledged.borrow()
    }

    /// Waits for `more` acknowledgements from now on.
    ///
    /// # Errors
    /// As soon as a lane fails, and when they do not come in time.
    pub async fn until_acknowledged(&mut self, more: usize) -> Result<()> {
        let wanted = self.acknowledged_count() + more;
        tokio::select! {
            reached = self.acknowledged.wait_for(|count| *count >= wanted) => {
                reached?;
                Ok(())
            }
            ended = self.lanes.join_next() => ended.context("there are no lanes")??,
            () = tokio::time::sleep(PROGRESS_WAIT) => {
                anyhow::bail!("no {more} acknowledgements within {PROGRESS_WAIT:?}")
            }
        }
    }

    /// Ends the lanes when all they sent is settled; what was promised.
    ///
    /// # Errors
    /// The first failure of a lane.
    pub async fn stop(mut self) -> Result<History> {
        self.stop.send_replace(true);
        while let Some(ended) = self.lanes.join_next().await {
            ended??;
        }
        let history = self.history.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(history.clone())
    }
}

impl Lane {
    async fn run(self, stopped: watch::Receiver<bool>) -> Result<()> {
        let lane = u32::try_from(self.partition)?;
        let mut open = VecDeque::new();
        for number in 0.. {
            if *stopped.borrow() {
                break;
            }
            let id = RecordId { lane, number };
            let value = id.to_string();
            let record = Record::to(&self.topic)
                .value(&value)
                .partition(self.partition);
            open.push_back((id, self.producer.enqueue(record).await?));
            if open.len() >= OPEN_MAX {
                self.settle_oldest(&mut open).await?;
            }
        }
        while !open.is_empty() {
            self.settle_oldest(&mut open).await?;
        }
        Ok(())
    }

    async fn settle_oldest(&self, open: &mut VecDeque<(RecordId, Delivery)>) -> Result<()> {
        let (id, delivery) = open.pop_front().context("nothing is open")?;
        let metadata = delivery.await.with_context(|| format!("record {id}"))?;
        let place = metadata.offset().map(|offset| Place {
            partition: metadata.partition(),
            offset,
        });
        let mut history = self.history.lock().unwrap_or_else(PoisonError::into_inner);
        history.acknowledged(id, place);
        drop(history);
        self.acknowledged.send_modify(|count| *count += 1);
        Ok(())
    }
}
