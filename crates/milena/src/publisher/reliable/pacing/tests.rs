use futures_util::FutureExt as _;

use super::*;

/// Whatever the timer's resolution: what may go now waits for nothing.
#[tokio::test(start_paused = true)]
async fn a_burst_takes_no_time() {
    let pacing = Pacing::new(None, Some(RateLimit::per_second(500).burst(100)));
    for number in 0..100 {
        assert_eq!(pacing.throttle().now_or_never(), Some(()), "{number}");
    }
    let start = Instant::now();
    pacing.throttle().await;
    assert!(start.elapsed() >= std::time::Duration::from_millis(2));
}
