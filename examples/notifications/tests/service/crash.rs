//! kill -9: nothing is lost, nothing is there twice.

use milena_notifications::Store;

use crate::setup::{Process, Stage, command, until};

const MESSAGES: usize = 600;
const KILLS: i64 = 4;

/// Kills the service again and again while it works.
pub(crate) async fn check(database: &str) {
    let stage = Stage::new().await;
    stage.publish(MESSAGES).await;
    let store = Store::connect(database).await.expect("a database");
    let mut before = 0;
    let mut kills_at_work = 0;
    for _ in 0..KILLS {
        let service = Process::start(&mut command(&stage, database));
        // At a place that is another one each time: after so many rows, wherever that is.
        let wanted = before + 20;
        let counts = until("rows", &store, |counts| {
            counts.all >= wanted || counts.all == MESSAGES as i64
        })
        .await;
        before = counts.all;
        kills_at_work += i64::from(before < MESSAGES as i64);
        drop(service);
    }
    assert!(kills_at_work > 0, "it was done before it was killed");
    let service = Process::start(&mut command(&stage, database));
    // What was claimed when a kill came waits for its next attempt: at most one a kill.
    let counts = until("all rows", &store, |counts| {
        counts.all >= MESSAGES as i64 && counts.sent >= MESSAGES as i64 - KILLS
    })
    .await;
    assert_eq!(counts.all, MESSAGES as i64);
    drop(service);
    store.close().await;
}
