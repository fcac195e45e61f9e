//! A group whose members come and go while connections break: all of them together read everything
//! at least once, and commit it.
//!
//! Owns the members and what they read. Knows no broker and no trouble.

use crate::history::RecordId;
use anyhow::{Context, Result, bail, ensure};
use milena_client::consumer::{Consumer, ConsumerConfig};
use milena_client::{Client, ClientConfig, Error, ErrorCode};
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;

const POLL_TIMEOUT: Duration = Duration::from_millis(50);
/// How long the last commit may be refused.
const COMMIT_WAIT: Duration = Duration::from_secs(30);

/// One member: what it is made of, when it comes and how it goes.
#[derive(Clone, Debug)]
pub struct Member {
    /// Its client.
    pub client: ClientConfig,
    /// Its consumer, with a group.
    pub consumer: ConsumerConfig,
    /// What it subscribes to.
    pub topic: String,
    /// When it joins.
    pub joins_after: Duration,
    /// How long it stays; to the end if this is `None`, and then it commits all it read.
    pub stays: Option<Duration>,
    /// Whether it goes without a word: it is dropped, not closed.
    pub is_dropped: bool,
    /// Closing must not take longer.
    pub close_wait: Duration,
}

/// The members at work.
#[derive(Debug)]
pub struct Readers {
    read: Arc<Reads>,
    stop: watch::Sender<bool>,
    members: JoinSet<Result<()>>,
}

#[derive(Debug, Default)]
struct Reads {
    ids: Mutex<BTreeSet<RecordId>>,
    count: watch::Sender<usize>,
}

impl Readers {
    /// Starts all members.
    pub fn start(plans: Vec<Member>) -> Self {
        let (stop, stopped) = watch::channel(false);
        let read = Arc::<Reads>::default();
        let mut members = JoinSet::new();
        for member in plans {
            members.spawn(member.run(Arc::clone(&read), stopped.clone()));
        }
        Self {
            read,
            stop,
            members,
        }
    }

    /// Waits until `missing` finds nothing missing in what was read, then ends the members; how much
    /// was read, repetitions included.
    ///
    /// # Errors
    /// What is missing after `wait`; the first failure of a member.
    pub async fn finish(
        mut self,
        missing: impl Fn(&BTreeSet<RecordId>) -> Vec<RecordId>,
        wait: Duration,
    ) -> Result<usize> {
        let missing =
            |reads: &Reads| missing(&reads.ids.lock().unwrap_or_else(PoisonError::into_inner));
        let mut count = self.read.count.subscribe();
        let deadline = Instant::now() + wait;
        while !missing(&self.read).is_empty() {
            tokio::select! {
                changed = count.changed() => changed?,
                Some(ended) = self.members.join_next() => ended??,
                () = tokio::time::sleep_until(deadline) => {
                    let missing = missing(&self.read);
                    bail!("the group did not read {} records within {wait:?}, such as {:?}",
                        missing.len(), missing.first());
                }
            }
        }
        self.stop.send_replace(true);
        while let Some(ended) = self.members.join_next().await {
            ended??;
        }
        Ok(*count.borrow())
    }
}

impl Member {
    async fn run(self, read: Arc<Reads>, mut stopped: watch::Receiver<bool>) -> Result<()> {
        tokio::time::sleep(self.joins_after).await;
        let client = Client::new(self.client)?;
        let consumer = Consumer::new(&client, self.consumer)?;
        consumer.subscribe([self.topic]).await?;
        let leaves_at = self.stays.map(|stays| Instant::now() + stays);
        let mut is_over = || match leaves_at {
            Some(leaves_at) => Instant::now() >= leaves_at,
            None => *stopped.borrow_and_update(),
        };
        while !is_over() {
            work(&consumer, &read).await?;
        }
        if leaves_at.is_none() {
            commit_for_sure(&consumer).await?;
        }
        if !self.is_dropped {
            let closing = tokio::time::timeout(self.close_wait, consumer.close()).await;
            let closed = closing
                .with_context(|| format!("a member is not closed after {:?}", self.close_wait))?;
            closed.or_else(tolerate)?;
        }
        drop(consumer);
        client.close().await;
        Ok(())
    }
}

/// Polls once and commits what came.
async fn work(consumer: &Consumer, read: &Reads) -> Result<()> {
    let polled = match consumer.poll(POLL_TIMEOUT).await {
        Ok(polled) => polled,
        Err(error) => return tolerate(error),
    };
    let mut ids = Vec::new();
    for batch in &polled.batches {
        for record in batch {
            ids.push(RecordId::of_value(record?.value)?);
        }
    }
    if ids.is_empty() {
        return Ok(());
    }
    let more = ids.len();
    read.ids
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .extend(ids);
    read.count.send_modify(|count| *count += more);
    consumer.commit().await.or_else(tolerate)
}

/// What a member may be told while connections break, and goes on after.
fn tolerate(error: Error) -> Result<()> {
    let is_rebalance = matches!(
        error.code(),
        Some(
            ErrorCode::RebalanceInProgress
                | ErrorCode::IllegalGeneration
                | ErrorCode::UnknownMemberId
        )
    );
    match error {
        Error::PartitionsLost { .. } => Ok(()),
        error if error.is_retriable() || is_rebalance => Ok(()),
        error => Err(error.into()),
    }
}

async fn commit_for_sure(consumer: &Consumer) -> Result<()> {
    let deadline = Instant::now() + COMMIT_WAIT;
    while let Err(error) = consumer.commit().await {
        ensure!(Instant::now() < deadline, "cannot commit: {error}");
        tolerate(error)?;
    }
    Ok(())
}
