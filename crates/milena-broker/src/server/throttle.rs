//! Quotas at work: what a request used is counted; a client that used too much is told so with its
//! answer, and its connection is not read from until the pause is over (KIP-13, KIP-124, KIP-219).
//!
//! Owns where the pause stands in a response. What is too much is `quotas`' to say.

use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use milena_wire::rpc::ApiKey;
use tokio::time::Instant;

use super::reply::{Reply, RequestContext, ResponseFrame};
use crate::clock;
use crate::node::Node;
use crate::quotas::Limited;

/// Length and correlation id.
const FRAME_HEAD_BYTES: usize = 8;
/// `throttle_time_ms`.
const FIELD_BYTES: usize = 4;
/// Produce responses end with tagged fields from here on.
const PRODUCE_FLEXIBLE_SINCE: i16 = 9;

/// A request that is being handled.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Meter {
    began: Instant,
    request_bytes: usize,
}

impl Meter {
    /// Begins to count, if anybody has a quota.
    pub(crate) fn start(node: &Node, request_bytes: usize) -> Option<Self> {
        node.quotas.are_limiting().then(|| Self {
            began: clock::now(),
            request_bytes,
        })
    }

    /// Ends counting; has the client pause if it has to.
    pub(crate) fn stop(self, node: &Arc<Node>, context: &RequestContext, reply: Reply) -> Reply {
        // As Kafka counts: the share of one processor that this took of a second.
        let handled = clock::now().saturating_duration_since(self.began);
        let handled = record(
            node,
            context,
            Limited::Handled,
            handled.as_secs_f64() * 100.0,
        );
        match reply {
            Reply::Ready(frame) => Reply::Ready(self.settle(node, context, handled, frame)),
            Reply::Later(frame) => {
                let (node, context) = (node.clone(), context.clone());
                Reply::Later(Box::pin(async move {
                    self.settle(&node, &context, handled, frame.await)
                }))
            }
            Reply::Nothing => {
                let frame = self.settle(node, context, handled, ResponseFrame::default());
                if frame.pause.is_zero() {
                    return Reply::Nothing;
                }
                Reply::Ready(frame)
            }
            ending @ (Reply::Last(_) | Reply::Disconnect) => ending,
        }
    }

    fn settle(
        self,
        node: &Node,
        context: &RequestContext,
        handled: Duration,
        frame: ResponseFrame,
    ) -> ResponseFrame {
        let moved = match ApiKey::try_from(context.api_key) {
            Ok(ApiKey::Produce) => {
                record(node, context, Limited::Produced, self.request_bytes as f64)
            }
            Ok(ApiKey::Fetch) => record(node, context, Limited::Fetched, frame.bytes() as f64),
            _ => Duration::ZERO,
        };
        match handled.max(moved) {
            Duration::ZERO => frame,
            pause => paused(context, frame, pause),
        }
    }
}

fn record(node: &Node, context: &RequestContext, limited: Limited, used: f64) -> Duration {
    let who = (context.principal.name(), context.client_id());
    node.quotas.record(limited, who, used, clock::now())
}

/// Tells the client of the pause, where its response has a place for it.
fn paused(context: &RequestContext, mut frame: ResponseFrame, pause: Duration) -> ResponseFrame {
    tracing::debug!(
        event = "throttled",
        api_key = context.api_key,
        client_id = context.client_id(),
        pause_ms = pause.as_millis(),
    );
    frame.pause = pause;
    let told = i32::try_from(pause.as_millis()).unwrap_or(i32::MAX);
    if let Some(chunk) = frame.chunks.first_mut()
        && let Some(at) = position(context, chunk.len())
    {
        let own = std::mem::take(chunk).try_into_mut();
        let mut own = own.unwrap_or_else(|shared| BytesMut::from(&shared[..]));
        if let Some(field) = own.get_mut(at..at + FIELD_BYTES) {
            field.copy_from_slice(&told.to_be_bytes());
        }
        *chunk = own.freeze();
    }
    frame
}

/// Where `throttle_time_ms` stands in the first chunk of a response.
fn position(context: &RequestContext, chunk_bytes: usize) -> Option<usize> {
    let api = ApiKey::try_from(context.api_key).ok()?;
    let version = context.api_version;
    if api == ApiKey::Produce {
        let tags_bytes = usize::from(version >= PRODUCE_FLEXIBLE_SINCE);
        return chunk_bytes.checked_sub(FIELD_BYTES + tags_bytes);
    }
    let has_tags = api.response_header_version(version) >= 1;
    let head_bytes = FRAME_HEAD_BYTES + usize::from(has_tags);
    (version >= first_since(api)?).then_some(head_bytes)
}

/// The version from which on a response begins with `throttle_time_ms`.
fn first_since(api: ApiKey) -> Option<i16> {
    match api {
        ApiKey::OffsetCommit | ApiKey::OffsetFetch | ApiKey::Metadata => Some(3),
        ApiKey::ListOffsets
        | ApiKey::JoinGroup
        | ApiKey::CreateTopics
        | ApiKey::OffsetForLeaderEpoch => Some(2),
        ApiKey::Fetch
        | ApiKey::FindCoordinator
        | ApiKey::Heartbeat
        | ApiKey::LeaveGroup
        | ApiKey::SyncGroup
        | ApiKey::DescribeGroups
        | ApiKey::ListGroups
        | ApiKey::DeleteTopics => Some(1),
        // Elsewhere, or nowhere.
        ApiKey::ApiVersions
        | ApiKey::OffsetDelete
        | ApiKey::SaslAuthenticate
        | ApiKey::SaslHandshake
        | ApiKey::WriteTxnMarkers => None,
        _ => Some(0),
    }
}

#[cfg(test)]
mod tests;
