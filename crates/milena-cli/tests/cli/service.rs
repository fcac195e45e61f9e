//! `milena service`: the notification service within this program.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::setup::{DEADLINE, Stage, milena};

/// How often the service is asked.
const LOOK_INTERVAL: Duration = Duration::from_millis(10);

/// A message becomes a row and is delivered, health and numbers are told, signals switch the consumer
/// off and on; SIGTERM ends the service in order.
#[test]
fn notifications_are_delivered_until_it_is_told_to_stop() {
    let stage = Stage::anywhere();
    let directory = tempfile::tempdir().expect("a directory");
    let database = directory.path().join("notifications.db");
    let topic = stage.name("notifications");
    stage.produce(
        &["-t", &topic],
        br#"{"user_id":"u7","event":"shipped","content":"parcel 1"}"#,
    );
    let mut service = milena()
        .env("MILENA_BOOTSTRAP_SERVERS", &stage.bootstrap)
        .env("MILENA_GROUP_ID", stage.name("service"))
        .env("MILENA_HEALTH_ADDRESS", "127.0.0.1:0")
        .args(["service", "--every", "0.05", "--topic", &topic])
        .args(["--database", &format!("sqlite://{}", database.display())])
        .env("MILENA_LOG", "info")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the service starts");
    let log = service.stderr.take().expect("it is piped");
    let mut lines = BufReader::new(log).lines().map(|line| line.expect("text"));
    let mut line_with = |part: &str| {
        let found = lines.find(|line| line.contains(part));
        found.unwrap_or_else(|| panic!("it ended without {part}"))
    };
    let listening = line_with("event=health_listening");
    let address = listening.split("address=").nth(1).expect("an address");
    let sent = line_with("event=notification_sent");
    assert!(sent.contains("user_id=u7"), "{sent}");
    until(address, "/live", "HTTP/1.1 200 ");
    let handled = "milena_app_records_total{outcome=\"handled\"} 1\n";
    until(address, "/metrics", handled);
    signal(&service, "USR1");
    line_with("event=consumer_paused");
    until(address, "/ready", "paused");
    signal(&service, "USR2");
    line_with("event=consumer_resumed");
    signal(&service, "TERM");
    // It says nothing more once it is gone.
    let rest: Vec<String> = lines.collect();
    let ended = service.wait().expect("it ends");
    assert_eq!(ended.code(), Some(0), "{rest:?}");
    assert!(database.exists());
}

fn signal(service: &Child, name: &str) {
    let id = service.id().to_string();
    let told = Command::new("kill").args(["-s", name, &id]).status();
    assert!(told.expect("kill runs").success());
}

/// Asks until this is in the answer.
fn until(address: &str, path: &str, part: &str) {
    let deadline = Instant::now() + DEADLINE;
    loop {
        let answer = get(address, path);
        if answer.contains(part) {
            return;
        }
        assert!(Instant::now() < deadline, "{path}: {answer}");
        std::thread::sleep(LOOK_INTERVAL);
    }
}

fn get(address: &str, path: &str) -> String {
    let mut connection = TcpStream::connect(address).expect("it listens");
    let request = format!("GET {path} HTTP/1.1\r\nhost: {address}\r\n\r\n");
    connection.write_all(request.as_bytes()).expect("it reads");
    let mut answer = String::new();
    connection.read_to_string(&mut answer).expect("text");
    answer
}
