//! The parts of a log that no longer grow: reading their batches, and writing what is left of them.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use milena_wire::batch::RawBatch;

use super::PartSize;
use crate::log::{LogError, segment};

/// A part as it was when it was looked at.
#[derive(Debug)]
pub(crate) struct Part {
    pub(crate) base_offset: i64,
    pub(crate) size: PartSize,
    pub(crate) content: Content,
}

/// Where its batches are.
#[derive(Debug)]
pub(crate) enum Content {
    Batches(Vec<RawBatch>),
    File { file: Arc<File>, path: PathBuf },
}

/// What is to stand in its place.
#[derive(Debug)]
pub(crate) enum Cleaned {
    Batches(Vec<RawBatch>),
    File(PathBuf),
}

impl Part {
    /// Hands over its batches one after the other, until `visit` says no.
    pub(super) fn visit(
        &self,
        mut visit: impl FnMut(RawBatch) -> Result<bool, LogError>,
    ) -> Result<(), LogError> {
        match &self.content {
            Content::Batches(batches) => {
                for batch in batches {
                    if !visit(batch.clone())? {
                        break;
                    }
                }
                Ok(())
            }
            Content::File { file, .. } => segment::visit(file, self.size.bytes, &mut visit),
        }
    }

    /// Begins to write what is left of it.
    pub(super) fn writer(&self) -> Result<Writer, LogError> {
        match &self.content {
            Content::Batches(_) => Ok(Writer::Batches(Vec::new())),
            Content::File { path, .. } => Writer::create(path).map_err(failed("write")),
        }
    }
}

/// Collects the batches that are left.
pub(super) enum Writer {
    Batches(Vec<RawBatch>),
    File { file: File, path: PathBuf },
}

impl Writer {
    fn create(segment: &Path) -> io::Result<Writer> {
        let path = segment.with_extension("cleaned");
        let file = File::create(&path)?;
        Ok(Writer::File { file, path })
    }

    pub(super) fn push(&mut self, batch: RawBatch) -> Result<(), LogError> {
        match self {
            Writer::Batches(batches) => {
                batches.push(batch);
                Ok(())
            }
            Writer::File { file, .. } => file.write_all(batch.bytes()).map_err(failed("write")),
        }
    }

    /// Ends it; a file is on disk then.
    pub(super) fn finish(self) -> Result<Cleaned, LogError> {
        match self {
            Writer::Batches(batches) => Ok(Cleaned::Batches(batches)),
            Writer::File { file, path } => {
                file.sync_all().map_err(failed("flush"))?;
                Ok(Cleaned::File(path))
            }
        }
    }
}

fn failed(action: &'static str) -> impl Fn(io::Error) -> LogError {
    move |source| LogError::Storage { action, source }
}
