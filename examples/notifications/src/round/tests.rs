use std::sync::Mutex;
use std::sync::atomic::{AtomicI64, Ordering};

use super::*;
use crate::delivery::Delivering;
use crate::message::Notification;

#[test]
fn pauses_double_up_to_an_hour() {
    let pauses: Vec<i64> = [0, 1, 2, 6, 7, 1_000_000].map(pause_ms).to_vec();
    assert_eq!(
        pauses,
        [30_000, 60_000, 120_000, 1_920_000, 3_600_000, 3_600_000]
    );
}

/// Refuses the users it is told to, and remembers the others.
#[derive(Default)]
struct Picky {
    refused: Mutex<Vec<String>>,
    delivered: Mutex<Vec<String>>,
}

impl Delivery for Picky {
    fn deliver<'a>(&'a self, notification: &'a Unsent) -> Delivering<'a> {
        Box::pin(async move {
            let user = notification.user_id.clone();
            if self.refused.lock().expect("no panic").contains(&user) {
                return Err(DeliveryError::new("nobody there"));
            }
            self.delivered.lock().expect("no panic").push(user);
            Ok(())
        })
    }
}

#[tokio::test]
async fn a_round_delivers_all_that_is_due_and_no_failure_stops_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let url = format!("sqlite://{}", folder.path().join("n.db").display());
    let store = Store::connect(&url).await.expect("a database");
    for number in 0..250 {
        let notification = Notification {
            user_id: format!("u{number}"),
            event: "e".to_owned(),
            content: "c".to_owned(),
        };
        let identity = format!("id-{number}");
        assert!(
            store
                .insert(&identity, &notification, number)
                .await
                .expect("kept")
        );
        assert!(
            !store
                .insert(&identity, &notification, 0)
                .await
                .expect("known")
        );
    }
    let clock = AtomicI64::new(1_000);
    let now = || clock.load(Ordering::Relaxed);
    let picky = Picky::default();
    *picky.refused.lock().expect("no panic") = vec!["u0".to_owned(), "u101".to_owned()];
    let round = deliver_due(&store, &picky, now).await.expect("a round");
    assert_eq!((round.sent, round.failed), (248, 2));
    let first: Vec<String> = picky.delivered.lock().expect("no panic")[..3].to_vec();
    assert_eq!(first, ["u1", "u2", "u3"]);
    // Their time has not come, then it has.
    picky.refused.lock().expect("no panic").clear();
    clock.store(20_000, Ordering::Relaxed);
    let round = deliver_due(&store, &picky, now).await.expect("a round");
    assert_eq!(round, Round::default());
    clock.store(31_000, Ordering::Relaxed);
    let round = deliver_due(&store, &picky, now).await.expect("a round");
    assert_eq!((round.sent, round.failed), (2, 0));
    let counts = store.counts().await.expect("counts");
    assert_eq!((counts.all, counts.sent), (250, 250));
    store.close().await;
}

/// A clock that jumps back while a full batch fails; the round ends all the same.
#[tokio::test]
async fn a_round_ends_when_the_clock_is_set_back() {
    let folder = tempfile::tempdir().expect("a folder");
    let url = format!("sqlite://{}", folder.path().join("n.db").display());
    let store = Store::connect(&url).await.expect("a database");
    let notification = Notification::default();
    for number in 0..BATCH {
        let kept = store
            .insert(&format!("id-{number}"), &notification, 0)
            .await;
        assert!(kept.expect("kept"));
    }
    let picky = Picky::default();
    *picky.refused.lock().expect("no panic") = vec![String::new()];
    let asked = AtomicI64::new(0);
    let now = || match asked.fetch_add(1, Ordering::Relaxed) {
        0 => 100_000,
        times => {
            assert!(times <= BATCH, "it goes on and on");
            0
        }
    };
    let round = deliver_due(&store, &picky, now).await.expect("a round");
    assert_eq!((round.sent, round.failed), (0, 100));
    store.close().await;
}
