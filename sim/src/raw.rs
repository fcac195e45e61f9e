//! Requests that no client of ours sends, each on a connection of its own.
//!
//! Knows frames and no client: it is for what well-behaved clients never do.

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use milena_client::{Admin, NodeId};
use milena_wire::rpc::{self, ApiKey, Request};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const CORRELATION_ID: i32 = 1;

/// Sends `request` to a node of the cluster; its response.
///
/// # Errors
/// When the node is not there, hangs up, or answers something else.
pub async fn call<R: Request>(
    admin: &Admin,
    node: NodeId,
    version: i16,
    request: &R,
) -> Result<R::Response> {
    let cluster = admin.describe_cluster().await?;
    let broker = cluster.brokers.into_iter().find(|one| one.node == node);
    let broker = broker.with_context(|| format!("there is no node {node}"))?;
    let mut stream = TcpStream::connect((broker.host, u16::try_from(broker.port)?)).await?;
    let frame = rpc::encode_request(version, CORRELATION_ID, "milena-sim", request)?;
    stream.write_all(&frame).await?;
    let length = stream.read_i32().await.context("the broker hung up")?;
    let mut frame = vec![0; usize::try_from(length)?];
    stream.read_exact(&mut frame).await?;
    let mut frame = Bytes::from(frame);
    ensure!(
        rpc::take_correlation_id(&mut frame)? == CORRELATION_ID,
        "this answers another request"
    );
    let api = ApiKey::try_from(R::KEY).map_err(|()| anyhow::anyhow!("an unknown request"))?;
    rpc::skip_response_head(api, version, &mut frame)?;
    Ok(rpc::decode_response(version, &mut frame)?)
}
