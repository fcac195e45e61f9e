//! Producer ids that are never given out twice.
//!
//! Owns the file with the first id that may still be unused. Ids are reserved in
//! blocks, so that the file is written once in a thousand times; a restart skips
//! what is left of a block.

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use super::codec::{self, FileContent, Reader, Writer};
use super::{corrupt, failed};
use crate::error::BrokerError;
use crate::limits::PRODUCER_ID_BLOCK;

/// The producer ids of a data directory.
pub(crate) struct ProducerIds {
    path: PathBuf,
    range: Mutex<Range>,
}

struct Range {
    next: i64,
    /// What is below it is ours, and written down as such.
    reserved: i64,
}

impl ProducerIds {
    pub(crate) fn open(path: PathBuf) -> Result<ProducerIds, BrokerError> {
        let next = match codec::read_file(&path).map_err(failed("read", &path))? {
            FileContent::Missing => 0,
            FileContent::Payload(payload) => Reader::new(&payload)
                .take_i64()
                .ok_or_else(|| corrupt(&path, "it is not a list of producer ids"))?,
            FileContent::Damaged => {
                return Err(corrupt(&path, "it is damaged; restore it from a backup"));
            }
        };
        Ok(ProducerIds {
            path,
            range: Mutex::new(Range {
                next,
                reserved: next,
            }),
        })
    }

    pub(crate) fn next(&self) -> Result<i64, BrokerError> {
        let mut range = self.range.lock().unwrap_or_else(PoisonError::into_inner);
        if range.next == range.reserved {
            let reserved = range.reserved + PRODUCER_ID_BLOCK;
            let mut writer = Writer::default();
            writer.put_i64(reserved);
            codec::write_file(&self.path, &writer.into_bytes())
                .map_err(failed("write", &self.path))?;
            range.reserved = reserved;
        }
        let id = range.next;
        range.next += 1;
        Ok(id)
    }
}
