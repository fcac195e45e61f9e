//! Messages on disk while the cluster is gone: what is configured, how a message looks as
//! bytes, and the files.
//!
//! Blocks on files and knows no task, no cluster and no clock; `reliable/spooler` decides when
//! messages come here, `reliable/replay` when they leave.

mod batch;
mod entry;
mod error;
mod frame;
mod lanes;
mod limits;
mod position;
mod segment;
mod store;

use std::path::{Path, PathBuf};
use std::time::Duration;

pub(super) use self::batch::{Batch, Lane};
pub(super) use self::entry::{Entry, decode, encode};
pub use self::error::SpoolError;
use self::limits::{SPOOL_BYTES_DEFAULT, SPOOL_BYTES_MIN, SYNC_INTERVAL_DEFAULT};
pub(super) use self::store::{Store, Stored};

/// A directory in which a [`ReliablePublisher`](crate::ReliablePublisher) keeps messages while
/// the cluster is gone; for [`ReliableBuilder::spool`](crate::ReliableBuilder::spool).
///
/// One publisher at a time may use it; a second one gets [`SpoolError::InUse`].
///
/// ```
/// use std::time::Duration;
/// use milena::{Spool, SpoolSync};
///
/// let spool = Spool::at("/var/lib/orders/spool")
///     .bytes_max(256 << 20)
///     .sync(SpoolSync::Interval(Duration::from_millis(100)));
/// # let _ = spool;
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "a spool does nothing until a publisher has it"]
pub struct Spool {
    directory: PathBuf,
    bytes_max: u64,
    sync: SpoolSync,
}

/// When what is written to a spool is forced to the disk (`fdatasync`). Written it is at once,
/// so that it survives the end of the process in any case; this is about the machine's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum SpoolSync {
    /// Before a message counts as spooled. Those that come at once share one.
    Always,
    /// At the latest after so long.
    Interval(Duration),
    /// When the operating system sees fit.
    Never,
}

impl Spool {
    pub(crate) const BYTES_DEFAULT: u64 = SPOOL_BYTES_DEFAULT;
    pub(crate) const BYTES_MIN: u64 = SPOOL_BYTES_MIN;
    pub(crate) const SYNC_DEFAULT: SpoolSync = SpoolSync::Interval(SYNC_INTERVAL_DEFAULT);

    /// A spool in `directory`, which is made if there is none: at most 1 GiB, forced to the
    /// disk every second.
    pub fn at(directory: impl AsRef<Path>) -> Spool {
        Spool {
            directory: directory.as_ref().to_owned(),
            bytes_max: Spool::BYTES_DEFAULT,
            sync: Spool::SYNC_DEFAULT,
        }
    }

    /// How many bytes its files may have together; at least 1 MiB. An eighth of it is for
    /// messages that were taken before the cluster went away; with the rest used up, new
    /// messages are refused with [`SpoolError::Full`].
    pub fn bytes_max(mut self, bytes: u64) -> Spool {
        self.bytes_max = bytes.max(SPOOL_BYTES_MIN);
        self
    }

    /// When what is written is forced to the disk.
    pub fn sync(mut self, sync: SpoolSync) -> Spool {
        self.sync = sync;
        self
    }

    /// How often to force what is written to the disk; `None` when not by time.
    pub(super) fn sync_interval(&self) -> Option<Duration> {
        match self.sync {
            SpoolSync::Interval(interval) => Some(interval),
            SpoolSync::Always | SpoolSync::Never => None,
        }
    }
}

impl From<&str> for Spool {
    fn from(directory: &str) -> Spool {
        Spool::at(directory)
    }
}

impl From<&Path> for Spool {
    fn from(directory: &Path) -> Spool {
        Spool::at(directory)
    }
}

impl From<PathBuf> for Spool {
    fn from(directory: PathBuf) -> Spool {
        Spool::at(directory)
    }
}

#[cfg(test)]
mod tests;
