//! The consumer's grip on its group's task.
//!
//! Owns the commands to the task and the view on its state; what the task
//! makes of them is `driver`'s.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::{Notify, mpsc, oneshot, watch};
use tokio::task::AbortHandle;

use super::action::Subscribed;
use super::committer::{Committer, Membership};
use super::coordinator::GroupCoordinator;
use super::driver::Driver;
use crate::consumer::shared::Shared;
use crate::error::Error;

/// Commands that wait for the task.
const COMMANDS_WAITING_MAX: usize = 16;
/// How long closing may take before the task is cut off.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(60);

/// What the application wants of its member.
#[derive(Debug)]
pub(super) enum Command {
    Subscribe(Subscribed),
    /// Give up everything, leave, tell how the last commit went.
    Close(oneshot::Sender<Result<(), Error>>),
}

/// One member of a group. Dropping it leaves the group in the background.
pub(crate) struct GroupHandle {
    committer: Committer,
    commands: mpsc::Sender<Command>,
    task: AbortHandle,
}

impl GroupHandle {
    /// Starts the task; it sends nothing before a subscription.
    pub(crate) fn start(shared: &Arc<Shared>, coordinator: &Arc<GroupCoordinator>) -> Self {
        let (membership, memberships) = watch::channel(Membership::default());
        let (commands, inbox) = mpsc::channel(COMMANDS_WAITING_MAX);
        let committer = Committer {
            shared: Arc::clone(shared),
            coordinator: Arc::clone(coordinator),
            membership: memberships,
            is_subscribed: Arc::new(AtomicBool::new(false)),
            refused: Arc::new(Notify::new()),
        };
        let driver = Driver::new(committer.clone(), membership, inbox);
        let task = tokio::spawn(driver.run()).abort_handle();
        Self {
            committer,
            commands,
            task,
        }
    }

    pub(crate) fn committer(&self) -> Committer {
        self.committer.clone()
    }

    /// Whether topics were ever subscribed to.
    pub(crate) fn is_subscribed(&self) -> bool {
        self.committer.is_subscribed.load(Ordering::Acquire)
    }

    /// The member's state; none when it never subscribed.
    pub(crate) fn status(&self) -> Option<Membership> {
        let membership = self.committer.membership.borrow().clone();
        self.is_subscribed().then_some(membership)
    }

    pub(crate) async fn subscribe(&self, subscribed: Subscribed) -> Result<(), Error> {
        self.committer.is_subscribed.store(true, Ordering::Release);
        let command = Command::Subscribe(subscribed);
        self.commands.send(command).await.map_err(|_| Error::Closed)
    }

    /// Gives everything up and leaves; whatever happens, the task is over
    /// afterwards.
    pub(crate) async fn close(&self) -> Result<(), Error> {
        let (done, is_done) = oneshot::channel();
        if self.commands.send(Command::Close(done)).await.is_err() {
            return Ok(());
        }
        let result = match tokio::time::timeout(CLOSE_TIMEOUT, is_done).await {
            Ok(Ok(result)) => result,
            Ok(Err(_)) => Ok(()),
            Err(_) => Err(Error::Timeout {
                what: "leaving the group".to_owned(),
                after: CLOSE_TIMEOUT,
            }),
        };
        self.task.abort();
        result
    }
}
