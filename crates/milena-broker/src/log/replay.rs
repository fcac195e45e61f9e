//! The producers of a log, from its batches.
//!
//! For a log whose end was cut off: what was remembered of producers may be about records that
//! are gone. Changes no log.

use bytes::Bytes;
use milena_wire::batch::Batches;

use super::producers::Producers;
use super::{BatchStore, LogError, Piece, ReadLimit, recovery};

/// How much is read at once.
const READ_BYTES: usize = 1 << 20;

/// What the batches that are there say of those who produced them.
pub(super) fn producers(store: &dyn BatchStore, now_ms: i64) -> Result<Producers, LogError> {
    let limit = ReadLimit {
        bytes_max: READ_BYTES,
        first_batch_bytes_max: usize::MAX,
        before: i64::MAX,
    };
    let mut producers = Producers::default();
    let mut offset = store.start_offset();
    loop {
        let pieces = store.read(offset, limit)?;
        if pieces.is_empty() {
            return Ok(producers);
        }
        for piece in pieces {
            for batch in Batches::new(whole(piece)) {
                let batch = batch.map_err(|error| LogError::Damaged {
                    offset,
                    reason: error.to_string(),
                })?;
                recovery::note_producer(&mut producers, &batch.header, batch.bytes(), now_ms);
                offset = batch.header.next_offset();
            }
        }
    }
}

fn whole(piece: Piece) -> Bytes {
    match piece {
        Piece::Whole(bytes) => bytes,
        Piece::Patched { head, body } => [head.as_slice(), &body].concat().into(),
    }
}
