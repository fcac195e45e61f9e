use futures_util::FutureExt as _;

use super::*;

#[test]
fn waiting_ends_with_the_raise_and_not_before() {
    let flag = StopFlag::default();
    assert!(flag.raised().now_or_never().is_none());
    flag.raise();
    assert!(flag.is_raised());
    assert!(flag.raised().now_or_never().is_some());
}

#[tokio::test]
async fn those_who_wait_are_woken() {
    let flag = std::sync::Arc::new(StopFlag::default());
    let waiting = tokio::spawn({
        let flag = flag.clone();
        async move { flag.raised().await }
    });
    tokio::task::yield_now().await;
    flag.raise();
    waiting.await.unwrap();
}
