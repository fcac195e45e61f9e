//! What the client and the broker say during one run, kept in memory and written out if it fails.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt::MakeWriter;

/// The log of one run.
#[derive(Clone, Debug, Default)]
pub(crate) struct Log {
    bytes: Arc<Mutex<Vec<u8>>>,
}

impl Log {
    /// Does `work` and takes down what this thread says meanwhile.
    pub(crate) fn of<T>(&self, work: impl FnOnce() -> T) -> T {
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(LevelFilter::DEBUG)
            .with_ansi(false)
            .with_writer(self.clone())
            .finish();
        tracing::subscriber::with_default(subscriber, work)
    }

    /// Writes the log to a file; says where it is.
    pub(crate) fn keep(&self, seed: u64) -> String {
        let file = std::env::temp_dir().join(format!("milena-chaos-{seed}.log"));
        let bytes = self.bytes.lock().unwrap_or_else(PoisonError::into_inner);
        match std::fs::write(&file, &*bytes) {
            Ok(()) => format!("its log is {}", file.display()),
            Err(error) => format!("its log cannot be kept: {error}"),
        }
    }
}

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut all = self.bytes.lock().unwrap_or_else(PoisonError::into_inner);
        all.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Log {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}
