//! Asks a node whether it serves clients: ApiVersions, then Metadata, over one connection.
//!
//! Two requests by hand, so that the automation builds without the client it tests.

use anyhow::{Context, Result, ensure};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

const TIMEOUT: Duration = Duration::from_secs(5);
const RESPONSE_BYTES_MAX: usize = 1024 * 1024;
const API_METADATA: i16 = 3;
const API_VERSIONS: i16 = 18;

/// How many brokers the node at `port` on loopback knows of.
pub(super) fn brokers_known(port: u16) -> Result<usize> {
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    let mut stream = TcpStream::connect_timeout(&address, TIMEOUT)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.set_write_timeout(Some(TIMEOUT))?;
    let versions = round_trip(&mut stream, API_VERSIONS, 0, &[])?;
    let error_code = i16::from_be_bytes(first_bytes(&versions)?);
    ensure!(
        error_code == 0,
        "ApiVersions answered with error code {error_code}"
    );
    let no_topics = 0_i32.to_be_bytes();
    let metadata = round_trip(&mut stream, API_METADATA, 1, &no_topics)?;
    let brokers = i32::from_be_bytes(first_bytes(&metadata)?);
    usize::try_from(brokers).context("Metadata answered with a negative number of brokers")
}

/// Sends one request and returns the response after its correlation id.
fn round_trip(stream: &mut TcpStream, api: i16, version: i16, body: &[u8]) -> Result<Vec<u8>> {
    let client_id = b"xtask";
    let mut payload = Vec::with_capacity(64);
    payload.extend(api.to_be_bytes());
    payload.extend(version.to_be_bytes());
    payload.extend(i32::from(api).to_be_bytes());
    payload.extend(5_i16.to_be_bytes());
    payload.extend(client_id);
    payload.extend(body);
    let length = i32::try_from(payload.len()).context("a request beyond 2 GiB")?;
    stream.write_all(&length.to_be_bytes())?;
    stream.write_all(&payload)?;

    let mut length = [0; 4];
    stream.read_exact(&mut length)?;
    let length = usize::try_from(i32::from_be_bytes(length)).context("a negative frame length")?;
    ensure!(
        (4..=RESPONSE_BYTES_MAX).contains(&length),
        "a response of {length} bytes"
    );
    let mut response = vec![0; length];
    stream.read_exact(&mut response)?;
    let correlation_id = i32::from_be_bytes(first_bytes(&response)?);
    ensure!(
        correlation_id == i32::from(api),
        "the response belongs to request {correlation_id}"
    );
    Ok(response.split_off(4))
}

fn first_bytes<const COUNT: usize>(bytes: &[u8]) -> Result<[u8; COUNT]> {
    bytes
        .first_chunk()
        .copied()
        .context("the response is too short")
}
