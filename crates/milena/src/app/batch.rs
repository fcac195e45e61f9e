//! Fetched batches as messages.

use std::sync::Arc;

use milena_client::Error;
use milena_client::consumer::FetchedBatch;
use tokio::sync::OwnedSemaphorePermit;

use crate::message::Message;

/// A batch that waits for its worker, and the room it takes.
#[derive(Debug)]
pub(super) struct QueuedBatch {
    batch: FetchedBatch,
    room: OwnedSemaphorePermit,
}

impl QueuedBatch {
    pub(super) fn new(batch: FetchedBatch, room: OwnedSemaphorePermit) -> QueuedBatch {
        QueuedBatch { batch, room }
    }

    /// The offset after this batch.
    pub(super) fn next_offset(&self) -> i64 {
        self.batch.next_offset()
    }

    /// The records as messages of `topic`. The room is given back when they are dropped.
    pub(super) fn into_messages(
        self,
        topic: Arc<str>,
    ) -> impl Iterator<Item = Result<Message, Error>> + Send {
        let QueuedBatch { batch, room } = self;
        batch.with_topic(topic).into_records().map(move |record| {
            let _held_until_the_end = &room;
            record.map(Message::from)
        })
    }
}

/// A batch whose records are being taken out.
pub(super) struct OpenBatch {
    pub(super) messages: Box<dyn Iterator<Item = Result<Message, Error>> + Send>,
    pub(super) next_offset: i64,
}

impl OpenBatch {
    pub(super) fn new(batch: QueuedBatch, topic: Arc<str>) -> OpenBatch {
        OpenBatch {
            next_offset: batch.next_offset(),
            messages: Box::new(batch.into_messages(topic)),
        }
    }
}
