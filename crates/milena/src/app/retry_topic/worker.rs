//! The worker of a retry topic's partition: reads ahead, waits, and has what is due handled
//! by the topic it came from.
//!
//! Owns the tasks and the clock; what is due and what may be committed is decided in
//! `parking`. Keeps a record until its task has ended: one that is given back holds up the
//! commit of all after it, unless it is written again.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{BoxFuture, join_all};
use tokio::task::JoinSet;

use super::limits::LOOK_INTERVAL_MS_MAX;
use super::parking::{Parked, Parking, Sharing};
use super::place::RetryTopic;
use super::record::Waiting;
use crate::app::batch::OpenBatch;
use crate::app::dispatcher::Registered;
use crate::app::error::AppError;
use crate::app::failed::{Ended, Failed};
use crate::app::route::{Route, RouteContext, Seat};
use crate::app::stop::StopFlag;
use crate::app::worker::own_topic;
use crate::dead_letter::History;
use crate::failure::HandlerError;
use crate::message::Message;
use crate::wall_clock;

/// The retry topic as one of the application's topics.
pub(in crate::app) struct RetryRoute {
    /// The topics that records come back to, as the cluster names them.
    pub(in crate::app) routes: HashMap<Arc<str>, Registered>,
    /// To write records again.
    pub(in crate::app) retry_topic: Arc<RetryTopic>,
    /// What to do with records of a topic that has no handler any more.
    pub(in crate::app) strays: Arc<Strays>,
}

/// Makes the context of a topic, as the cluster names it, that has no handler.
pub(in crate::app) type Strays = dyn Fn(&str) -> Arc<RouteContext> + Send + Sync;

impl Route for RetryRoute {
    fn work(&self, context: Arc<RouteContext>, seat: Seat) -> BoxFuture<'static, ()> {
        let sources = self.routes.values();
        let sources = sources.filter(|route| route.context.retry_topic.is_some());
        let sharing = match sources.count() {
            1 => Sharing::OneTopic,
            _ => Sharing::Topics,
        };
        let worker = RetryWorker {
            routes: self.routes.clone(),
            retry_topic: self.retry_topic.clone(),
            strays: self.strays.clone(),
            topic: own_topic(&context),
            context,
            seat,
            parking: Parking::new(sharing),
            under_way: HashMap::new(),
            running: JoinSet::new(),
            open: None,
        };
        Box::pin(worker.run())
    }

    fn handle_again(
        &self,
        context: Arc<RouteContext>,
        message: Message,
        _history: History,
        stop: Arc<StopFlag>,
    ) -> BoxFuture<'static, Ended> {
        // Nothing is moved from here to here.
        let error = HandlerError::decode("retry-record", "a retry of a retry topic's record");
        let failed = Failed::new(message, error);
        Box::pin(async move { failed.settle_for_good(&context, &stop).await })
    }
}

struct RetryWorker {
    routes: HashMap<Arc<str>, Registered>,
    retry_topic: Arc<RetryTopic>,
    strays: Arc<Strays>,
    topic: Arc<str>,
    context: Arc<RouteContext>,
    seat: Seat,
    parking: Parking<Waiting>,
    /// By offset.
    under_way: HashMap<i64, UnderWay>,
    running: JoinSet<(i64, Ended)>,
    open: Option<OpenBatch>,
}

/// A record that a task has, and how to have it back.
struct UnderWay {
    parked: Parked<Waiting>,
    stop: Arc<StopFlag>,
}

impl RetryWorker {
    async fn run(mut self) {
        let mut looks = tokio::time::interval(Duration::from_millis(LOOK_INTERVAL_MS_MAX as u64));
        looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        while !self.seat.stop.is_raised() && self.park().await {
            self.start_due();
            self.publish_watermark();
            let wants_batch = self.open.is_none() && self.parking.has_room();
            let wait = self.until_due();
            tokio::select! {
                biased;
                () = self.seat.stop.raised() => break,
                Some(joined) = self.running.join_next() => {
                    let Ok((offset, ended)) = joined else { break };
                    if !self.end(offset, ended).await {
                        break;
                    }
                }
                batch = self.seat.batches.recv(), if wants_batch => match batch {
                    Some(batch) => self.open = Some(OpenBatch::new(batch, self.topic.clone())),
                    None => break,
                },
                () = tokio::time::sleep(wait.unwrap_or_default()), if wait.is_some() => {}
                _ = looks.tick() => self.move_holding().await,
            }
        }
        self.wind_up().await;
    }

    /// Those under way may finish, and those that hold up the commit go to the end of the
    /// log; whoever told us to stop limits how long.
    async fn wind_up(mut self) {
        for under_way in self.under_way.values() {
            under_way.stop.raise();
        }
        while let Some(joined) = self.running.join_next().await {
            if let Ok((offset, ended)) = joined
                && let Some(given_back) = self.take_end(offset, ended)
            {
                self.parking.put_back(given_back.parked);
            }
        }
        // Those whose tasks died.
        for (_, lost) in self.under_way.drain() {
            self.parking.put_back(lost.parked);
        }
        let holding = self.parking.take_holding_at_the_end();
        self.write_again(holding).await;
        self.publish_watermark();
    }

    /// How long until a record is due.
    fn until_due(&self) -> Option<Duration> {
        let due_ms = self.parking.next_due_ms()?;
        let wait_ms = (due_ms - now_ms()).clamp(0, LOOK_INTERVAL_MS_MAX);
        Some(Duration::from_millis(wait_ms.unsigned_abs()))
    }

    /// Reads while there is room; false when a batch cannot be read.
    async fn park(&mut self) -> bool {
        while let Some(open) = &mut self.open
            && self.parking.has_room()
        {
            match open.messages.next() {
                Some(Ok(message)) => {
                    if !self.park_one(message).await {
                        return false;
                    }
                }
                Some(Err(error)) => {
                    self.context.fail(AppError::Client(error));
                    return false;
                }
                None => {
                    self.parking.skip_to(open.next_offset);
                    self.open = None;
                }
            }
        }
        true
    }

    /// False when the record was given back.
    async fn park_one(&mut self, message: Message) -> bool {
        match Waiting::read(&message) {
            Ok(waiting) => {
                self.parking.park(Parked {
                    offset: message.offset(),
                    due_ms: waiting.due_ms,
                    topic: waiting.topic.clone(),
                    bytes: waiting.bytes(),
                    since_ms: now_ms(),
                    record: waiting,
                });
                true
            }
            Err(error) => {
                // Somebody else wrote it. It is a dead letter of the retry topic itself.
                let offset = message.offset();
                self.parking.pass(offset);
                let failed = Failed::new(message, error);
                let ended = failed.settle_for_good(&self.context, &self.seat.stop).await;
                self.finish(offset, ended)
            }
        }
    }

    fn start_due(&mut self) {
        while let Some(parked) = self.parking.begin(now_ms()) {
            let offset = parked.offset;
            let stop = Arc::new(StopFlag::default());
            let handling = self.handling(parked.record.clone(), stop.clone());
            self.running.spawn(async move { (offset, handling.await) });
            self.under_way.insert(offset, UnderWay { parked, stop });
        }
    }

    fn handling(&self, waiting: Waiting, stop: Arc<StopFlag>) -> BoxFuture<'static, Ended> {
        if let Some(home) = self.routes.get(&waiting.topic) {
            let (message, history) = waiting.open(home.context.topic.clone());
            let followed = home.context.handling.follow(&message);
            let route = &home.route;
            let handling = route.handle_again(home.context.clone(), message, history, stop);
            return match followed {
                None => handling,
                Some(followed) => Box::pin(followed.through(handling, |ended| ended.name())),
            };
        }
        // Its handler was taken out of the application, which is no reason to lose it.
        let context = (self.strays)(&waiting.topic);
        context.progress.add_without_handler(&waiting.topic);
        let (message, history) = waiting.open(context.topic.clone());
        let error = HandlerError::non_retriable("the application has no handler for the topic")
            .with_code("no-handler");
        let failed = Failed::resumed(message, error, history);
        Box::pin(async move { failed.settle_for_good(&context, &stop).await })
    }

    /// A task ended; false when it gave its record back without being asked to.
    async fn end(&mut self, offset: i64, ended: Ended) -> bool {
        let Some(given_back) = self.take_end(offset, ended) else {
            return true;
        };
        if given_back.stop.is_raised() {
            self.write_again(vec![given_back.parked]).await;
            return true;
        }
        self.parking.put_back(given_back.parked);
        false
    }

    /// Takes note of a task's end; returns the record that it gave back.
    fn take_end(&mut self, offset: i64, ended: Ended) -> Option<UnderWay> {
        let under_way = self.under_way.remove(&offset)?;
        self.parking.end(&under_way.parked.topic);
        (!self.finish(offset, ended)).then_some(under_way)
    }

    /// Notes that a record ended; false when it was given back.
    fn finish(&mut self, offset: i64, ended: Ended) -> bool {
        if ended == Ended::GivenBack {
            return false;
        }
        self.context.progress.add_ended(ended);
        self.parking.finish(offset);
        self.publish_watermark();
        true
    }

    /// Writes again what has held up others for long. Those that wait under way, for their
    /// topic to go on, are asked back, and follow when they are there.
    async fn move_holding(&mut self) {
        let now_ms = now_ms();
        let holding = self.parking.take_holding(now_ms);
        self.write_again(holding).await;
        for under_way in self.under_way.values() {
            let home = self.routes.get(&under_way.parked.topic);
            if home.is_some_and(|home| home.context.is_paused())
                && self.parking.holds_for_long(&under_way.parked, now_ms)
            {
                under_way.stop.raise();
            }
        }
    }

    /// Writes records to the end of the retry topic, all at once. What is not taken there
    /// stays.
    async fn write_again(&mut self, records: Vec<Parked<Waiting>>) {
        let retry_topic = &self.retry_topic;
        let writing = records.into_iter().map(async |parked| {
            let written = retry_topic.publish(&parked.record.again()).await;
            (parked, written)
        });
        for (mut parked, written) in join_all(writing).await {
            let offset = parked.offset;
            match written {
                Ok(()) => self.parking.finish(offset),
                Err(error) => {
                    tracing::warn!(event = "retry_not_moved", topic = %self.topic, offset, %error);
                    parked.since_ms = now_ms();
                    self.parking.put_back(parked);
                }
            }
        }
    }

    fn publish_watermark(&self) {
        if let Some(next_offset) = self.parking.committable() {
            self.seat.offsets.set_done(next_offset);
        }
    }
}

fn now_ms() -> i64 {
    wall_clock::now().as_millisecond()
}
