//! One clock for everything in a test: it stands still until it is moved.
//!
//! Owns stopping tokio's time and moving it in small steps, the wall clock with it. Timers of
//! the application, the client and the embedded broker are all tokio's, so they move together;
//! the network is real and takes real time.

use std::sync::mpsc::{SyncSender, sync_channel};
use std::time::{Duration, SystemTime};

use crate::wall_clock::{self, stopped};

/// How far the clock goes at once: less than heartbeats and timeouts are apart, so that
/// what is due first also happens first.
const STEP: Duration = Duration::from_millis(250);
/// What the network gets after each step, in real time.
const BREATH: Duration = Duration::from_micros(500);

/// Virtual time for retries, delays, jobs, sessions and timeouts: of everything on this
/// test's runtime, which must be a `current_thread` one, as `#[tokio::test]` makes it. Cron
/// expressions and the retry topic go by its wall clock.
///
/// Time stands still until [`TestClock::advance`]; messages come and go meanwhile, as the
/// network needs no timers. Timestamps of records, and times on disk, are the machine's.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use std::time::Duration;
/// use milena::testing::TestClock;
/// use milena::{App, Config, job};
///
/// async fn report() {}
///
/// let clock = TestClock::stop("2026-11-21T23:59:00Z")?;
/// let app = App::new(Config::builder().build()?).cron("0 0 * * *", job(report));
/// let running = app.start().await?;
/// clock.advance(Duration::from_secs(59)).await;
/// assert_eq!(running.handle().jobs().status("report")?.runs, 0);
/// clock.advance(Duration::from_secs(2)).await;
/// assert_eq!(running.handle().jobs().status("report")?.runs, 1);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct TestClock {
    /// While somebody blocks a thread, tokio does not move its time by itself.
    _hold: SyncSender<()>,
}

impl TestClock {
    /// Stops the time of this runtime; the wall clock says `wall`, as in
    /// `2026-11-21T23:59:00Z`. Time goes on when the clock is dropped, as the machine has it.
    ///
    /// # Errors
    /// When `wall` is no such time.
    ///
    /// # Panics
    /// On a runtime with several threads: their time cannot be stopped.
    pub fn stop(wall: &str) -> Result<TestClock, jiff::Error> {
        let wall = wall.parse()?;
        tokio::time::pause();
        stopped::stop_at(wall);
        let (hold, held) = sync_channel::<()>(0);
        tokio::task::spawn_blocking(move || held.recv());
        Ok(TestClock { _hold: hold })
    }

    /// What the wall clock says.
    #[must_use]
    pub fn now(&self) -> SystemTime {
        SystemTime::from(wall_clock::now())
    }

    /// Moves the time, in steps; after each, what became due happens.
    pub async fn advance(&self, by: Duration) {
        let mut left = by;
        while !left.is_zero() {
            let step = left.min(STEP);
            tokio::time::advance(step).await;
            self.breathe().await;
            left -= step;
        }
    }

    /// Gives the network a moment of real time, without moving the clock.
    pub async fn breathe(&self) {
        // A thread that panics, or cannot be had, gives no moment.
        let _ = tokio::task::spawn_blocking(|| std::thread::sleep(BREATH)).await;
    }
}

impl Drop for TestClock {
    fn drop(&mut self) {
        stopped::go_on();
        tokio::time::resume();
    }
}
