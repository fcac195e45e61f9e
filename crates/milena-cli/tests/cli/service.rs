//! `milena service`: the notification service within this program.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

use crate::setup::{Stage, milena};

/// A message becomes a row and is delivered; SIGTERM ends the service in order.
#[test]
fn notifications_are_delivered_until_it_is_told_to_stop() {
    let stage = Stage::new();
    let directory = tempfile::tempdir().expect("a directory");
    let database = directory.path().join("notifications.db");
    stage.produce(
        &["-t", "notifications"],
        br#"{"user_id":"u7","event":"shipped","content":"parcel 1"}"#,
    );
    let mut service = milena()
        .env("MILENA_BOOTSTRAP_SERVERS", &stage.bootstrap)
        .args(["service", "--every", "0.05"])
        .args(["--database", &format!("sqlite://{}", database.display())])
        .env("MILENA_LOG", "info")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the service starts");
    let log = service.stderr.take().expect("it is piped");
    let mut lines = BufReader::new(log).lines().map(|line| line.expect("text"));
    let sent = lines.find(|line| line.contains("event=notification_sent"));
    assert!(sent.is_some_and(|line| line.contains("user_id=u7")));
    let mut terminate = Command::new("kill");
    let told = terminate
        .args(["-TERM", &service.id().to_string()])
        .status();
    assert!(told.expect("kill runs").success());
    // It says nothing more once it is gone.
    let rest: Vec<String> = lines.collect();
    let ended = service.wait().expect("it ends");
    assert_eq!(ended.code(), Some(0), "{rest:?}");
    assert!(database.exists());
}
