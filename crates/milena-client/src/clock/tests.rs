use super::*;

#[tokio::test]
async fn is_right_when_idle_and_while_ticking() {
    let clock = CoarseClock::start();
    for _ in 0..20 {
        let before = system_now_ms();
        let read = clock.now_ms();
        let after = system_now_ms();
        assert!(read <= after, "{read} is in the future of {after}");
        assert!(read + 1000 >= before, "{read} is stale at {before}");
        tokio::time::sleep(TICK).await;
    }
}

#[tokio::test]
async fn dropping_it_ends_its_task() {
    let clock = CoarseClock::start();
    let shared = Arc::downgrade(&clock.shared);
    drop(clock);
    while shared.strong_count() > 0 {
        tokio::task::yield_now().await;
    }
}
