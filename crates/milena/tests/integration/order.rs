//! Side by side, but in order where order was promised.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use milena::{App, Bytes, Concurrency, Json, Key, Outgoing, State, handler};
use tokio::sync::Barrier;
use tokio::sync::mpsc::Sender;

use crate::setup::{Bench, DEADLINE, Running, numbers, reports};

#[tokio::test(flavor = "multi_thread")]
async fn keys_keep_their_order_at_any_concurrency() {
    let bench = Bench::new().await;
    bench.create("orders", 2).await;
    for number in 0..2000_u32 {
        let key = format!("key-{}", number % 17);
        let message = Outgoing::to("orders").key(key).json(&number).unwrap();
        drop(bench.publisher.enqueue(&message).await.unwrap());
    }
    bench.publisher.flush(DEADLINE).await.unwrap();
    let (sender, mut arrived) = reports();
    let on_order = |Key(key): Key<String>,
                    Json(number): Json<u32>,
                    State(sender): State<Sender<_>>| async move {
        // Every other record takes a detour, so that only admission keeps the order.
        for _ in 0..number % 7 {
            tokio::task::yield_now().await;
        }
        sender.send((key, number)).await
    };
    let app = App::new(bench.config()).state(sender).topic(
        "orders",
        handler(on_order).concurrency(Concurrency::PerKey(8)),
    );
    let running = Running::start(app);
    let mut last_of_key: HashMap<String, u32> = HashMap::new();
    for (key, number) in arrived.take(2000).await {
        let before = last_of_key.insert(key, number);
        assert!(before.is_none_or(|before| before < number));
    }
    running.stop().await.unwrap();
    let committed = bench.committed("orders", 0).await.unwrap_or(0)
        + bench.committed("orders", 1).await.unwrap_or(0);
    assert_eq!(committed, 2000);
}

/// Eight records meet at a barrier that only opens for eight at once.
#[tokio::test(flavor = "multi_thread")]
async fn unordered_records_run_side_by_side() {
    let bench = Bench::new().await;
    bench.create("orders", 1).await;
    let barrier = Arc::new(Barrier::new(8));
    let (sender, mut arrived) = reports();
    let on_order = |_: Bytes, State((barrier, sender)): State<(Arc<Barrier>, Sender<()>)>| async move {
        barrier.wait().await;
        sender.send(()).await
    };
    let app = App::new(bench.config()).state((barrier, sender)).topic(
        "orders",
        handler(on_order).concurrency(Concurrency::Unordered(8)),
    );
    let running = Running::start(app);
    bench.publish("orders", 0, numbers(64)).await;
    arrived.take(64).await;
    running.stop().await.unwrap();
    assert_eq!(bench.committed("orders", 0).await, Some(64));
}

#[tokio::test(flavor = "multi_thread")]
async fn no_more_run_at_once_than_allowed() {
    let bench = Bench::new().await;
    bench.create("orders", 1).await;
    bench.publish("orders", 0, numbers(300)).await;
    let running_now = Arc::new(AtomicUsize::new(0));
    let (sender, mut arrived) = reports();
    let on_order = |State((running_now, sender)): State<(Arc<AtomicUsize>, Sender<usize>)>| async move {
        let at_once = running_now.fetch_add(1, Ordering::SeqCst) + 1;
        tokio::task::yield_now().await;
        running_now.fetch_sub(1, Ordering::SeqCst);
        sender.send(at_once).await
    };
    let app = App::new(bench.config()).state((running_now, sender)).topic(
        "orders",
        handler(on_order).concurrency(Concurrency::PerKey(4)),
    );
    let running = Running::start(app);
    assert!(
        arrived
            .take(300)
            .await
            .into_iter()
            .all(|at_once| at_once <= 4)
    );
    running.stop().await.unwrap();
}
