//! A broker that does nothing but answer, so that only the client costs.
//!
//! One thread a connection, answers in order. It keeps no record: what is produced is acknowledged
//! with offsets counted up per partition, what is fetched comes from batches encoded once.

mod answers;
mod batches;

use answers::Answers;
use anyhow::{Context, Result, ensure};
use bytes::{Bytes, BytesMut};
use std::io::{BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;

const FRAME_BYTES_MAX: usize = 100 * 1024 * 1024;
const READ_BUFFER_BYTES: usize = 256 * 1024;

/// Starts listening on a free port of loopback; every topic has `partitions` partitions.
pub(crate) fn start(partitions: i32) -> Result<SocketAddr> {
    let listener = TcpListener::bind(("127.0.0.1", 0))?;
    let address = listener.local_addr()?;
    let answers = Arc::new(Answers::new(address, partitions)?);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let answers = Arc::clone(&answers);
            std::thread::spawn(move || {
                if let Err(error) = serve(stream, &answers) {
                    eprintln!("null broker: {error:#}");
                }
            });
        }
    });
    Ok(address)
}

fn serve(stream: TcpStream, answers: &Answers) -> Result<()> {
    stream.set_nodelay(true)?;
    let mut writer = stream.try_clone()?;
    let mut reader = BufReader::with_capacity(READ_BUFFER_BYTES, stream);
    let mut frame = BytesMut::new();
    while let Some(request) = read_frame(&mut reader, &mut frame)? {
        if let Some(response) = answers.answer(request)? {
            let length = i32::try_from(response.len()).context("a response beyond 2 GiB")?;
            writer.write_all(&length.to_be_bytes())?;
            writer.write_all(&response)?;
        }
    }
    Ok(())
}

/// The next request, or `None` when the client closed or broke the connection.
fn read_frame(reader: &mut impl Read, frame: &mut BytesMut) -> Result<Option<Bytes>> {
    let mut length = [0; 4];
    if reader.read_exact(&mut length).is_err() {
        return Ok(None);
    }
    let length = usize::try_from(i32::from_be_bytes(length)).context("a negative frame length")?;
    ensure!(length <= FRAME_BYTES_MAX, "a frame of {length} bytes");
    frame.clear();
    frame.resize(length, 0);
    reader.read_exact(frame)?;
    Ok(Some(frame.split().freeze()))
}
