use std::cell::Cell;
use std::time::Duration;

use super::*;

fn config() -> ClientConfig {
    ClientConfig::new("localhost:9092")
}

fn retriable() -> Error {
    Error::Timeout {
        what: "test".to_owned(),
        after: Duration::ZERO,
    }
}

#[tokio::test(start_paused = true)]
async fn succeeds_when_an_attempt_does() {
    let attempts = Cell::new(0);
    let deadline = Instant::now() + Duration::from_secs(60);
    let config = config();
    let result = retry_until(deadline, &config, "test", || async {
        attempts.set(attempts.get() + 1);
        if attempts.get() < 5 {
            Err(retriable())
        } else {
            Ok(attempts.get())
        }
    });
    assert_eq!(result.await.expect("the fifth succeeds"), 5);
}

#[tokio::test(start_paused = true)]
async fn gives_up_at_the_deadline_with_the_last_error() {
    let attempts = Cell::new(0);
    let deadline = Instant::now() + Duration::from_secs(10);
    let config = config();
    let result = retry_until(deadline, &config, "test", || async {
        attempts.set(attempts.get() + 1);
        Err::<(), _>(retriable())
    });
    assert!(matches!(result.await, Err(Error::Timeout { what, .. }) if what == "test"));
    // 100, 200, 400, 800, 1000, 1000, … ms
    assert!(
        (11..=16).contains(&attempts.get()),
        "{} attempts",
        attempts.get()
    );
    assert!(Instant::now() <= deadline);
}

#[tokio::test(start_paused = true)]
async fn an_attempt_that_hangs_ends_at_the_deadline() {
    let deadline = Instant::now() + Duration::from_secs(10);
    let config = config();
    let result = retry_until(deadline, &config, "waiting", || {
        std::future::pending::<Result<(), _>>()
    });
    assert!(matches!(result.await, Err(Error::Timeout { what, .. }) if what == "waiting"));
    assert_eq!(Instant::now(), deadline);
}

#[tokio::test(start_paused = true)]
async fn what_trying_again_cannot_mend_is_told_at_once() {
    let attempts = Cell::new(0);
    let deadline = Instant::now() + Duration::from_secs(10);
    let config = config();
    let result = retry_until(deadline, &config, "test", || async {
        attempts.set(attempts.get() + 1);
        Err::<(), _>(Error::Closed)
    });
    assert!(matches!(result.await, Err(Error::Closed)));
    assert_eq!(attempts.get(), 1);
}
