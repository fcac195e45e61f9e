//! The task that keeps a share consumer in its group.
//!
//! Owns the loop between the member's state machine and the coordinator.
//! Heartbeats do not depend on the application polling.

use std::collections::BTreeSet;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use tokio::sync::watch;
use tokio::time::Instant;

use super::member::{Consequence, ShareBeat, ShareFailure, ShareMember};
use super::requests::ShareRequests;
use super::session::PartitionId;
use crate::error::Error;

/// Where the member stands.
#[derive(Debug, Clone, Default)]
pub(super) struct Standing {
    pub(super) is_member: bool,
    pub(super) assigned: BTreeSet<PartitionId>,
    /// Why it cannot be a member.
    pub(super) fatal: Option<Error>,
}

/// Runs until the consumer is closed or dropped; then it leaves.
pub(super) async fn run(
    mut member: ShareMember,
    requests: ShareRequests,
    mut subscription: watch::Receiver<BTreeSet<Arc<str>>>,
    standing: watch::Sender<Standing>,
) {
    let mut call: Option<BoxFuture<'static, Result<ShareBeat, ShareFailure>>> = None;
    loop {
        if let Some(due) = member.take_call(Instant::now()) {
            let requests = requests.clone();
            call = Some(Box::pin(async move { requests.heartbeat(due).await }));
        }
        let wake_at = member.wake_at();
        tokio::select! {
            changed = subscription.changed() => {
                if changed.is_err() {
                    break;
                }
                let topics = subscription.borrow_and_update().clone();
                member.subscribe(topics, Instant::now());
            }
            outcome = answer(&mut call) => {
                call = None;
                on_answer(&mut member, &requests, outcome, &standing);
            }
            () = wait_until(wake_at) => {}
        }
    }
    if member.is_member() || call.is_some() {
        requests.leave().await;
    }
}

fn on_answer(
    member: &mut ShareMember,
    requests: &ShareRequests,
    outcome: Result<ShareBeat, ShareFailure>,
    standing: &watch::Sender<Standing>,
) {
    let now = Instant::now();
    let mut fatal = None;
    match outcome {
        Ok(beat) => member.on_beat(beat, now),
        Err(failure) => {
            let group = requests.coordinator.group_id();
            tracing::debug!(event = "share_heartbeat_failed", %group, ?failure);
            match member.on_failure(&failure, now) {
                Consequence::TryAgain => {}
                Consequence::FindCoordinator => requests.coordinator.forget(),
                Consequence::Fatal => fatal = Some(fatal_error(group, failure)),
            }
        }
    }
    standing.send_modify(|standing| {
        standing.is_member = member.is_member();
        standing.assigned.clone_from(member.assigned());
        if fatal.is_some() {
            standing.fatal = fatal;
        }
    });
}

fn fatal_error(group: &str, failure: ShareFailure) -> Error {
    match failure {
        ShareFailure::Code(code) => Error::broker(code, format!("member of share group {group:?}")),
        ShareFailure::Unusable(problem) => Error::protocol(problem),
        ShareFailure::Unreachable => Error::protocol("the coordinator cannot be reached"),
    }
}

/// Waits for the answer; for ever without a call. Safe to drop and call again.
async fn answer(
    call: &mut Option<BoxFuture<'static, Result<ShareBeat, ShareFailure>>>,
) -> Result<ShareBeat, ShareFailure> {
    match call {
        Some(call) => call.await,
        None => std::future::pending().await,
    }
}

async fn wait_until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}
