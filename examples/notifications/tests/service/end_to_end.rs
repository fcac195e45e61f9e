//! From the topic to the user.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use milena::dead_letter::{DeadLetterAdmin, Filter};
use milena::{Message, Outgoing};
use milena_notifications::{
    Delivering, Delivery, DeliveryError, Notification, Store, Timetable, Unsent, app, deliver_due,
    identity,
};
use tokio::sync::oneshot;

use crate::setup::{Stage, settings, until, within};

/// Remembers whom it delivered to; refuses one user.
#[derive(Default)]
struct Recording {
    delivered: Mutex<Vec<String>>,
}

impl Delivery for Recording {
    fn deliver<'a>(&'a self, notification: &'a Unsent) -> Delivering<'a> {
        Box::pin(async move {
            if notification.user_id == "u1" {
                return Err(DeliveryError::new("nobody there"));
            }
            let mut delivered = self.delivered.lock().expect("no panic");
            delivered.push(notification.user_id.clone());
            Ok(())
        })
    }
}

impl Recording {
    fn delivered(&self) -> Vec<String> {
        let mut delivered = self.delivered.lock().expect("no panic").clone();
        delivered.sort();
        delivered
    }
}

/// Messages become rows once, and are delivered; what is no notification is a dead letter.
pub(crate) async fn check(database: &str) {
    let stage = Stage::new().await;
    stage.publish(10).await;
    // Once more, as a publisher does that never heard of the first.
    let again = Outgoing::to("notifications")
        .value(r#"{"user_id":"u0","event":"e","content":"c"}"#)
        .id("id-0");
    let wrong = Outgoing::to("notifications").value(r#"{"user_id":"u","event":""}"#);
    for message in [again, wrong] {
        stage.publisher.send(&message).await.expect("sent");
    }
    let store = Store::connect(database).await.expect("a database");
    let recording = Arc::new(Recording::default());
    let app = app(
        stage.config(),
        &settings(database),
        store.clone(),
        recording.clone(),
    );
    let progress = app.progress();
    let (stop, stopped) = oneshot::channel::<()>();
    let running = tokio::spawn(app.run_until(async {
        let _ = stopped.await;
    }));
    until("all but one are sent", &store, |counts| {
        counts.sent == 9 && progress.handled() + progress.dead_lettered() == 12
    })
    .await;
    drop(stop);
    let ended = within("it stops", running).await;
    ended.expect("no panic").expect("no error");
    assert_eq!(store.counts().await.expect("counts").all, 10);
    let expected = ["u0", "u2", "u3", "u4", "u5", "u6", "u7", "u8", "u9"];
    assert_eq!(recording.delivered(), expected);
    let admin = DeadLetterAdmin::new(&stage.config()).expect("an admin");
    let letters = admin.summary("notifications.dlq", &Filter::default()).await;
    let letters = letters.expect("letters");
    assert_eq!(letters.letters, 1);
    assert_eq!(
        letters.groups[0].example.failure.message.as_deref(),
        Some("event: missing or empty; content: missing or empty")
    );
    store.close().await;
}

/// What PostgreSQL takes from nobody becomes a dead letter, and holds nothing up: a text with a zero
/// in it, and an identity that is too long for the index however it is compressed.
pub(crate) async fn check_refused(database: &str) {
    let stage = Stage::new().await;
    let long: String = (1..1_000_u64)
        .map(|number| format!("{:x}", number.wrapping_mul(0x9e37_79b9_7f4a_7c15)))
        .collect();
    let message = |content| {
        let json = serde_json::json!({"user_id": "u", "event": "e", "content": content});
        Outgoing::to("notifications").value(json.to_string())
    };
    for message in [
        message("a\0b"),
        message("c").id(long),
        message("c").id("id-1"),
    ] {
        stage.publisher.send(&message).await.expect("sent");
    }
    let store = Store::connect(database).await.expect("a database");
    let app = app(
        stage.config(),
        &settings(database),
        store.clone(),
        Arc::new(Recording::default()),
    );
    let progress = app.progress();
    let (stop, stopped) = oneshot::channel::<()>();
    let running = tokio::spawn(app.run_until(async {
        let _ = stopped.await;
    }));
    until("one is sent, two are dead letters", &store, |counts| {
        counts.sent == 1 && progress.dead_lettered() == 2
    })
    .await;
    // A reason with a zero in it is kept like any other.
    let kept = store.insert("id-2", &Notification::default(), 0).await;
    assert!(kept.expect("kept"));
    store.mark_failed(2, "no\0body").await.expect("kept");
    drop(stop);
    let ended = within("it stops", running).await;
    ended.expect("no panic").expect("no error");
    store.close().await;
}

/// Two processes share the work.
pub(crate) async fn check_two_at_once(database: &str) {
    let store = Store::connect(database).await.expect("a database");
    let second = Store::connect(database).await.expect("a database");
    for number in 100..400 {
        let notification = Notification {
            user_id: format!("u{number}"),
            event: "e".to_owned(),
            content: "c".to_owned(),
        };
        let identity = identity(&Message::new(format!("t{number}")));
        store
            .insert(&identity, &notification, 0)
            .await
            .expect("kept");
    }
    let recording = Recording::default();
    let now = || 1_000;
    let (one, two) = tokio::join!(
        deliver_due(&store, &recording, now),
        deliver_due(&second, &recording, now)
    );
    let (one, two) = (one.expect("a round"), two.expect("a round"));
    assert_eq!(one.sent + two.sent, 300);
    let mut delivered = recording.delivered();
    delivered.dedup();
    assert_eq!(delivered.len(), 300);
    for store in [store, second] {
        within("it closes", store.close()).await;
    }
}

/// A database that is away holds messages up, and makes no dead letters of them.
#[tokio::test(flavor = "multi_thread")]
async fn a_closed_database_is_waited_for() {
    let folder = tempfile::tempdir().expect("a folder");
    let url = format!("sqlite://{}", folder.path().join("n.db").display());
    let stage = Stage::new().await;
    stage.publish(1).await;
    let store = Store::connect(&url).await.expect("a database");
    store.close().await;
    let recording = Arc::new(Recording::default());
    let mut settings = settings(&url);
    settings.every = Timetable::Never;
    let app = app(stage.config(), &settings, store, recording);
    let progress = app.progress();
    let (stop, stopped) = oneshot::channel::<()>();
    let running = tokio::spawn(app.run_until(async {
        let _ = stopped.await;
    }));
    within("it is tried again", async {
        while progress.retries() == 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
    assert_eq!((progress.handled(), progress.dead_lettered()), (0, 0));
    drop(stop);
    let ended = within("it stops", running).await;
    ended.expect("no panic").expect("no error");
}
