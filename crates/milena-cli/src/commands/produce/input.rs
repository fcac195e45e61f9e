//! Reads standard input or files, on a thread of its own: reading blocks.

use std::fmt;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::mpsc;

use crate::failure::Failure;

/// Lines handed over at once; fewer when no more are there yet.
const CHUNK_LINES_MAX: usize = 512;
/// Chunks read ahead.
const CHUNKS_AHEAD: usize = 16;
/// The longest line or file; a broker takes 1 MiB unless told otherwise.
const RECORD_BYTES_MAX: u64 = 256 << 20;

/// What in the input is a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// A line.
    Lines,
    /// A line of JSON.
    Json,
    /// A file.
    Whole,
}

/// Where in the input a record is from, for error messages.
#[derive(Debug, Clone)]
pub(super) struct Origin {
    source: Arc<str>,
    line: u64,
}

impl fmt::Display for Origin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} line {}", self.source, self.line)
    }
}

type Chunk = Result<Vec<(Origin, Vec<u8>)>, Failure>;

/// The input, read ahead.
pub(super) struct Input {
    chunks: mpsc::Receiver<Chunk>,
}

impl Input {
    /// Begins to read.
    pub(super) fn open(shape: Shape, files: &[PathBuf]) -> Input {
        let (sender, chunks) = mpsc::channel(CHUNKS_AHEAD);
        let files = files.to_vec();
        // Nobody joins it: a read of a terminal cannot be interrupted.
        std::thread::spawn(move || {
            if let Err(failure) = read_all(shape, &files, &sender) {
                let _ = sender.blocking_send(Err(failure));
            }
        });
        Input { chunks }
    }

    /// The next records; none at the end.
    pub(super) async fn next(&mut self) -> Option<Chunk> {
        self.chunks.recv().await
    }
}

fn read_all(shape: Shape, files: &[PathBuf], sender: &mpsc::Sender<Chunk>) -> Result<(), Failure> {
    if files.is_empty() {
        return read_lines("standard input", BufReader::new(io::stdin().lock()), sender);
    }
    for path in files {
        let name = path.display().to_string();
        let wrong = |error: io::Error| Failure::usage(format!("{name}: {error}"));
        let file = File::open(path).map_err(wrong)?;
        match shape {
            Shape::Lines | Shape::Json => read_lines(&name, BufReader::new(file), sender)?,
            Shape::Whole => {
                let mut bytes = Vec::new();
                file.take(RECORD_BYTES_MAX)
                    .read_to_end(&mut bytes)
                    .map_err(wrong)?;
                let origin = Origin {
                    source: name.as_str().into(),
                    line: 1,
                };
                let _ = sender.blocking_send(Ok(vec![(origin, bytes)]));
            }
        }
    }
    Ok(())
}

fn read_lines<R: Read>(
    name: &str,
    mut reader: BufReader<R>,
    sender: &mpsc::Sender<Chunk>,
) -> Result<(), Failure> {
    let source: Arc<str> = name.into();
    let mut chunk = Vec::new();
    for number in 1.. {
        let mut line = Vec::new();
        let limited = &mut (&mut reader).take(RECORD_BYTES_MAX);
        let bytes = limited
            .read_until(b'\n', &mut line)
            .map_err(|error| Failure::usage(format!("{name}: {error}")))?;
        if bytes > 0 {
            if line.last() == Some(&b'\n') {
                line.pop();
            }
            let origin = Origin {
                source: source.clone(),
                line: number,
            };
            chunk.push((origin, line));
        }
        // Somebody who types wants each line to go at once.
        let is_due = bytes == 0 || chunk.len() == CHUNK_LINES_MAX || reader.buffer().is_empty();
        if is_due && !chunk.is_empty() {
            let full = std::mem::take(&mut chunk);
            if sender.blocking_send(Ok(full)).is_err() {
                return Ok(()); // enough was read
            }
        }
        if bytes == 0 {
            return Ok(());
        }
    }
    Ok(())
}
