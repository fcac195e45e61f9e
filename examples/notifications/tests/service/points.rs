//! The service ends wherever it is (the process aborts), at each point between a message, its row and
//! its delivery. Afterwards every notification is there once, and every one was delivered: once,
//! unless the end came between a delivery and the note of it. That one is delivered again, with the
//! same `Idempotency-Key`.
//!
//! The service is this test binary, started again. Its points are an event of its own and the two ends
//! of a delivery, so the service knows nothing of them.

use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use milena::Config;
use milena_notifications::{
    Delivering, Delivery, Store, Timetable, Unsent, WebhookDelivery, app, deliver_due,
};
use tracing_subscriber::layer::SubscriberExt as _;

use crate::crash_point::{COUNT, Crash, POINT};
use crate::receiver::Receiver;
use crate::setup::{Process, Stage, around, settings, until};

const MESSAGES: usize = 12;
/// The how-manieth time the point is reached the process ends: at the first start, and the second.
const COUNTS: [u32; 2] = [2, 1];
/// After a failed attempt the next is due 30 s later.
const LATER_MS: i64 = 31_000;
/// The name of the test that is the service when the variables are set.
const TEST: &str = "points::the_service";
const DATABASE: &str = "NOTIFICATIONS_POINTS_DATABASE";
const WEBHOOK: &str = "NOTIFICATIONS_POINTS_WEBHOOK";

/// The row is there, the message's offset is not committed.
const KEPT: &str = "notification_kept";
/// The notification is claimed and not delivered.
const CLAIMED: &str = "claimed";
/// The receiver has it, and nobody noted that.
const DELIVERED: &str = "delivered";

/// Ends the service at each point, twice, and lets it finish.
pub(crate) async fn check(database: impl Fn(&str) -> String) {
    let (kept, claimed, delivered) = (database(KEPT), database(CLAIMED), database(DELIVERED));
    tokio::join!(
        check_point(KEPT, &kept, 0, 1),
        check_point(CLAIMED, &claimed, COUNTS.len(), 1),
        check_point(DELIVERED, &delivered, COUNTS.len(), 2),
    );
}

/// `stranded` notifications wait for a second attempt at the end; those were then delivered so many
/// `times`, all others once.
async fn check_point(point: &str, database: &str, stranded: usize, times: usize) {
    let stage = Stage::new().await;
    stage.publish(MESSAGES).await;
    let receiver = Receiver::start().await;
    let store = Store::connect(database).await.expect("a database");
    for count in COUNTS {
        let mut command = service(&stage, database, receiver.url());
        command.env(POINT, point).env(COUNT, count.to_string());
        let ended = Process::start(&mut command).ended().await;
        assert!(is_aborted(ended), "at {point}, time {count}: {ended}");
        assert!(store.counts().await.expect("counts").all > 0, "at {point}");
    }
    let last = Process::start(&mut service(&stage, database, receiver.url()));
    let wanted = |count: usize| i64::try_from(count).expect("few");
    until("all but the stranded are sent", &store, |counts| {
        counts.all >= wanted(MESSAGES) && counts.sent >= wanted(MESSAGES - stranded)
    })
    .await;
    drop(last);
    let later = || now() + LATER_MS;
    let webhook = WebhookDelivery::new(receiver.url()).expect("a webhook");
    let before = receiver.keys();
    let round = deliver_due(&store, &webhook, later).await.expect("a round");
    assert_eq!((round.sent, round.failed), (stranded as u64, 0), "{point}");
    let counts = store.counts().await.expect("counts");
    let all = wanted(MESSAGES);
    assert_eq!((counts.all, counts.sent), (all, all), "{point}");
    let after = receiver.keys();
    assert_eq!(after.len(), MESSAGES, "{point}: {after:?}");
    for (key, count) in &after {
        let is_stranded = before.get(key) != Some(count);
        let expected = if is_stranded { times } else { 1 };
        assert_eq!(*count, expected, "{point}: {key} in {after:?}");
    }
    store.close().await;
}

fn is_aborted(status: std::process::ExitStatus) -> bool {
    use std::os::unix::process::ExitStatusExt as _;
    status.signal().is_some()
}

fn now() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}

/// The service as this binary is it.
fn service(stage: &Stage, database: &str, webhook: &str) -> Command {
    let binary = std::env::current_exe().expect("a binary");
    let mut command = Command::new(binary);
    around(&mut command, stage)
        .args([TEST, "--exact", "--nocapture", "--test-threads=1"])
        .env(DATABASE, database)
        .env(WEBHOOK, webhook)
        .stdin(Stdio::null());
    command
}

/// A webhook with a point before and after it.
struct Between {
    webhook: WebhookDelivery,
    crash: Crash,
}

impl Delivery for Between {
    fn deliver<'a>(&'a self, notification: &'a Unsent) -> Delivering<'a> {
        Box::pin(async move {
            self.crash.reached(CLAIMED);
            self.webhook.deliver(notification).await?;
            self.crash.reached(DELIVERED);
            Ok(())
        })
    }
}

/// The service itself; as a test of its own it does nothing.
#[tokio::test(flavor = "multi_thread")]
async fn the_service() {
    let (Ok(database), Ok(webhook)) = (std::env::var(DATABASE), std::env::var(WEBHOOK)) else {
        return;
    };
    let crash = Crash::from_variables();
    let registry = tracing_subscriber::registry().with(crash.clone());
    tracing::subscriber::set_global_default(registry).expect("the only one");
    let config = Config::from_env().expect("a config");
    let store = Store::connect(&database).await.expect("a database");
    let mut settings = settings(&database);
    settings.every = match std::env::var(POINT).as_deref() {
        // Else it could end in the middle of a delivery.
        Ok(KEPT) => Timetable::Never,
        _ => Timetable::Every(Duration::from_millis(20)),
    };
    let delivery = Between {
        webhook: WebhookDelivery::new(&webhook).expect("a webhook"),
        crash,
    };
    let app = app(config, &settings, store, Arc::new(delivery));
    app.run().await.expect("no error");
}
