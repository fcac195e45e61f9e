//! What can go wrong with a spool.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use milena_client::ErrorClass;

/// Why a spool could not be opened, or did not take a message. Cheap to clone.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum SpoolError {
    /// Another publisher has the directory.
    #[error("spool {directory:?} is in use; give each publisher a directory of its own")]
    InUse {
        /// The directory.
        directory: PathBuf,
    },
    /// The limit is reached, and the message was not taken.
    #[error(
        "spool {directory:?} is full: {bytes_max} bytes are used up; raise its limit, or wait until the cluster is back"
    )]
    Full {
        /// The directory.
        directory: PathBuf,
        /// Its limit.
        bytes_max: u64,
    },
    /// A file is none of a spool, or of a later version of it. It is left as it is.
    #[error("{path:?} is no spool file of this version; move it away, or use another directory")]
    Format {
        /// The file.
        path: PathBuf,
    },
    /// A file or the directory could not be read or written; the disk may be full.
    #[error("spool: {path:?} cannot be {action}: {error}")]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What was to be done with it.
        action: &'static str,
        /// The operating system's answer.
        #[source]
        error: Arc<io::Error>,
    },
    /// The publisher is closed, and its spool with it.
    #[error("the spool is closed")]
    Closed,
}

impl SpoolError {
    /// Whether trying again can help.
    #[must_use]
    pub fn class(&self) -> ErrorClass {
        match self {
            SpoolError::Full { .. } | SpoolError::Io { .. } => ErrorClass::Retriable,
            SpoolError::InUse { .. } | SpoolError::Format { .. } => ErrorClass::NonRetriable,
            SpoolError::Closed => ErrorClass::Terminal,
        }
    }

    /// For `map_err`.
    pub(super) fn io(path: &Path, action: &'static str) -> impl FnOnce(io::Error) -> SpoolError {
        let path = path.to_owned();
        move |error| SpoolError::Io {
            path,
            action,
            error: Arc::new(error),
        }
    }
}
