//! kill -9: nothing is lost, nothing is there twice.

use std::process::{Child, Command, Stdio};

use milena_notifications::Store;

use crate::setup::{Stage, until};

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
        let mut service = start(&stage, database);
        // At a place that is another one each time: after so many rows, wherever that is.
        let wanted = before + 20;
        let counts = until("rows", &store, |counts| {
            counts.all >= wanted || counts.all == MESSAGES as i64
        })
        .await;
        before = counts.all;
        kills_at_work += i64::from(before < MESSAGES as i64);
        service.kill().expect("it can be killed");
        service.wait().expect("it is dead");
    }
    assert!(kills_at_work > 0, "it was done before it was killed");
    let mut service = start(&stage, database);
    // What was claimed when a kill came waits for its next attempt: at most one a kill.
    let counts = until("all rows", &store, |counts| {
        counts.all >= MESSAGES as i64 && counts.sent >= MESSAGES as i64 - KILLS
    })
    .await;
    assert_eq!(counts.all, MESSAGES as i64);
    service.kill().expect("it can be killed");
    service.wait().expect("it is dead");
    store.close().await;
}

fn start(stage: &Stage, database: &str) -> Child {
    Command::new(env!("CARGO_BIN_EXE_notifications"))
        .args(["--every", "0.05", "--database", database])
        .env("MILENA_BOOTSTRAP_SERVERS", &stage.bootstrap)
        .env("MILENA_TOPIC_PREFIX", &stage.prefix)
        .env("MILENA_GROUP_ID", format!("{}crash", stage.prefix))
        // The same member comes back, and need not wait until the dead one is missed.
        .env("MILENA_GROUP_INSTANCE_ID", "one")
        .env("MILENA_COMMIT_INTERVAL_MS", "20")
        .env("MILENA_LOG", "warn")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("the service starts")
}
