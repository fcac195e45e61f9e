//! An application under test: publish a message, and know when and how it ended.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use milena_client::TopicPartition;
use tokio::sync::Notify;

use crate::app::{App, AppError, AppHandle, Lifecycle, MessageEnd, RunningApp};
use crate::message::Message;
use crate::publisher::{Outgoing, PublishError, Publisher};

/// Ends that are remembered; the oldest is forgotten first.
const ENDS_MAX: usize = 100_000;
/// Nothing in a test takes longer unless it is broken.
const PATIENCE: Duration = Duration::from_secs(30);

/// An application that runs on a test's broker. What it waits for it is told of: nothing
/// sleeps, and nothing is asked again and again.
///
/// ```
/// # #[tokio::main]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use milena::testing::{TestApp, TestBroker};
/// use milena::{App, Json, MessageEnd, Outgoing, handler};
///
/// async fn on_order(Json(number): Json<u32>) {
///     println!("order {number}");
/// }
///
/// let broker = TestBroker::start().await?;
/// let app = App::new(broker.config("orders-test")?).topic("orders", handler(on_order));
/// let app = TestApp::start(app).await?;
/// let end = app.publish(&Outgoing::to("orders").value("17")).await?;
/// assert_eq!(end, MessageEnd::Handled);
/// let end = app.publish(&Outgoing::to("orders").value("not a number")).await?;
/// assert_eq!(end, MessageEnd::DeadLettered);
/// app.shutdown().await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct TestApp {
    running: RunningApp,
    publisher: Publisher,
    seen: Arc<Seen>,
}

/// Why a test's application did not do what it was to.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TestError {
    /// It could not start, or ended.
    #[error(transparent)]
    App(#[from] AppError),
    /// The message was not published.
    #[error(transparent)]
    Publish(#[from] PublishError),
    /// What was waited for cannot come any more.
    #[error("{what}: the application ended before, {}", failure.as_deref().unwrap_or("as it was told to"))]
    Ended {
        /// What was waited for.
        what: String,
        /// Why it ended, if it was not told to.
        failure: Option<Arc<str>>,
    },
    /// What was waited for did not come in time.
    #[error("{what}: not within {after:?}; the application is {state}")]
    Late {
        /// What was waited for.
        what: String,
        /// For how long.
        after: Duration,
        /// How the application does.
        state: String,
    },
}

/// What the hook saw.
#[derive(Debug, Default)]
struct Seen {
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    ends: HashMap<(TopicPartition, i64), MessageEnd>,
    order: VecDeque<(TopicPartition, i64)>,
    committed: HashMap<TopicPartition, i64>,
    published: HashMap<TopicPartition, i64>,
}

/// Sees on the application's behalf.
struct Hook(Arc<Seen>);

impl TestApp {
    /// Starts an application and a publisher with its configuration.
    ///
    /// # Errors
    /// As [`App::start`].
    pub async fn start<S>(app: App<S>) -> Result<TestApp, TestError>
    where
        S: Clone + Send + Sync + 'static,
    {
        let publisher = Publisher::new(app.config())?;
        let seen = Arc::new(Seen::default());
        let running = app.lifecycle(Hook(seen.clone())).start().await?;
        Ok(TestApp {
            running,
            publisher,
            seen,
        })
    }

    /// Publishes a message and waits until it is handled or a dead letter, retries
    /// included; 30 s at most.
    ///
    /// # Errors
    /// [`TestError::Publish`], [`TestError::Ended`] or [`TestError::Late`].
    pub async fn publish(&self, message: &Outgoing) -> Result<MessageEnd, TestError> {
        let written = self.publisher.send(message).await?;
        let partition = TopicPartition::new(message.topic(), written.partition());
        let offset = written.offset().unwrap_or_default();
        let place = (partition.clone(), offset);
        self.seen.state().published.insert(partition, offset + 1);
        let what = format!("the end of {}/{}", place.0, place.1);
        self.until(&what, |state| state.ends.get(&place).copied())
            .await
    }

    /// Waits until all that was published through this is committed; 30 s at most.
    ///
    /// # Errors
    /// [`TestError::Ended`] or [`TestError::Late`].
    pub async fn committed(&self) -> Result<(), TestError> {
        self.until("the commit", |state| {
            let is_committed = |(partition, next): (&TopicPartition, &i64)| {
                state.committed.get(partition).is_some_and(|at| at >= next)
            };
            state.published.iter().all(is_committed).then_some(())
        })
        .await
    }

    /// The application.
    #[must_use]
    pub fn handle(&self) -> AppHandle {
        self.running.handle()
    }

    /// The publisher that [`TestApp::publish`] uses.
    #[must_use]
    pub fn publisher(&self) -> &Publisher {
        &self.publisher
    }

    /// Stops the application, which finishes and commits what it is at.
    ///
    /// # Errors
    /// Why it had ended, or could not end well.
    pub async fn shutdown(self) -> Result<(), TestError> {
        self.publisher.close().await?;
        Ok(self.running.shutdown().await?)
    }

    async fn until<T>(
        &self,
        what: &str,
        look: impl Fn(&State) -> Option<T>,
    ) -> Result<T, TestError> {
        let waiting = async {
            loop {
                // Registered before it is looked: no change is missed.
                let changed = self.seen.changed.notified();
                if let Some(found) = look(&self.seen.state()) {
                    return found;
                }
                changed.await;
            }
        };
        let what = || what.to_owned();
        tokio::select! {
            biased;
            found = waiting => Ok(found),
            () = self.running.ended() => Err(TestError::Ended {
                what: what(),
                failure: self.running.failure(),
            }),
            () = tokio::time::sleep(PATIENCE) => Err(TestError::Late {
                what: what(),
                after: PATIENCE,
                state: format!("{:?}", self.running.state()),
            }),
        }
    }
}

impl Seen {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lifecycle for Hook {
    fn message_ended(&self, message: &Message, end: MessageEnd) {
        if !matches!(end, MessageEnd::Handled | MessageEnd::DeadLettered) {
            return;
        }
        let partition = TopicPartition::new(message.topic().clone(), message.partition());
        let place = (partition, message.offset());
        let mut state = self.0.state();
        state.order.push_back(place.clone());
        state.ends.insert(place, end);
        if state.order.len() > ENDS_MAX
            && let Some(oldest) = state.order.pop_front()
        {
            state.ends.remove(&oldest);
        }
        drop(state);
        self.0.changed.notify_waiters();
    }

    fn committed(&self, offsets: &[(TopicPartition, i64)]) {
        let offsets = offsets.iter().cloned();
        self.0.state().committed.extend(offsets);
        self.0.changed.notify_waiters();
    }
}
