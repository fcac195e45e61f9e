//! What is committed is done, whatever happens.

use std::sync::Arc;
use std::time::Duration;

use milena::testing::{ApiKey, ErrorCode, Fault};
use milena::{App, Concurrency, HandlerError, Json, Key, Outgoing, State, handler};
use tokio::sync::Semaphore;
use tokio::sync::mpsc::Sender;

use crate::setup::{Bench, DEADLINE, Running, numbers, reports};

/// One key is stuck, all others are done: the commit stays before the stuck record.
#[tokio::test(flavor = "multi_thread")]
async fn a_stuck_record_holds_the_commit_but_not_the_others() {
    let bench = Bench::new().await;
    bench.create("orders", 1).await;
    for number in 0..20_u32 {
        let key = if number == 5 { "stuck" } else { "free" };
        let message = Outgoing::to("orders").key(key).json(&number).unwrap();
        drop(bench.publisher.enqueue(&message).await.unwrap());
    }
    bench.publisher.flush(DEADLINE).await.unwrap();
    let gate = Arc::new(Semaphore::new(0));
    let (sender, mut done) = reports();
    let on_order =
        |Key(key): Key<String>,
         Json(number): Json<u32>,
         State((gate, sender)): State<(Arc<Semaphore>, Sender<u32>)>| async move {
            if key == "stuck" {
                let _ = gate.acquire().await?;
            }
            sender.send(number).await?;
            Ok::<(), HandlerError>(())
        };
    let app = App::new(bench.config())
        .state((gate.clone(), sender))
        .topic(
            "orders",
            handler(on_order).concurrency(Concurrency::PerKey(4)),
        );
    let running = Running::start(app);
    let others = done.take(19).await;
    assert!(!others.contains(&5));
    bench.until_committed("orders", 1, 5).await;
    gate.add_permits(1);
    assert_eq!(done.next().await, 5);
    running.stop().await.unwrap();
    assert_eq!(bench.committed("orders", 0).await, Some(20));
}

/// The application is dropped in the middle, as in a crash: what was not committed is
/// handled again, and nothing is left out.
#[tokio::test(flavor = "multi_thread")]
async fn after_a_crash_everything_is_handled_at_least_once() {
    let bench = Bench::new().await;
    bench.create("orders", 3).await;
    for partition in 0..3 {
        bench.publish("orders", partition, numbers(200)).await;
    }
    let (sender, mut handled) = reports();
    let on_order = |Json(number): Json<usize>,
                    meta: milena::Meta,
                    State(sender): State<Sender<_>>| async move {
        tokio::task::yield_now().await;
        sender.send((meta.partition, number)).await
    };
    let app = || {
        App::new(bench.config())
            .state(sender.clone())
            .topic("orders", handler(on_order))
    };
    let crashing = Running::start(app());
    let mut seen = handled.take(150).await;
    crashing.task.abort();
    let _ = crashing.task.await;
    let committed_before: i64 = {
        let mut sum = 0;
        for partition in 0..3 {
            sum += bench.committed("orders", partition).await.unwrap_or(0);
        }
        sum
    };
    // Looked at afterwards: a handler that was at work may have been let finish.
    seen.extend(handled.rest());
    assert!(committed_before <= seen.len() as i64);
    let again = Running::start(app());
    let mut missing: std::collections::BTreeSet<(i32, usize)> = (0..3)
        .flat_map(|partition| (0..200).map(move |number| (partition, number)))
        .collect();
    for one in seen {
        missing.remove(&one);
    }
    while !missing.is_empty() {
        missing.remove(&handled.next().await);
    }
    // Records of the first run that were not committed are still being handled again.
    bench.until_committed("orders", 3, 200).await;
    again.stop().await.unwrap();
}

/// The last commit before the application ends counts like those from time to time, also when
/// the cluster does not take it; and so do transactions.
#[tokio::test(flavor = "multi_thread")]
async fn every_commit_counts() {
    let on_order = |Json(number): Json<u32>, State(sender): State<Sender<u32>>| async move {
        sender.send(number).await
    };
    for (handler, code, expected) in [
        (handler(on_order), None, (true, false)),
        (
            handler(on_order),
            Some(ErrorCode::InvalidCommitOffsetSize),
            (false, true),
        ),
        (handler(on_order).exactly_once(), None, (true, false)),
    ] {
        let bench = Bench::new().await;
        bench.create("orders", 1).await;
        bench.publish("orders", 0, numbers(1)).await;
        match (bench.faults(), code) {
            (Some(faults), Some(code)) => faults.always(ApiKey::OffsetCommit, Fault::Fail(code)),
            (None, Some(_)) => continue,
            (_, None) => {}
        }
        let (sender, mut done) = reports();
        let config = bench.builder().commit_interval(Duration::from_secs(3600));
        let app = App::new(config.build().unwrap()).state(sender);
        let running = Running::start(app.topic("orders", handler));
        done.next().await;
        let progress = running.progress.clone();
        let stopped = running.stop().await;
        assert_eq!(stopped.is_ok(), code.is_none(), "{stopped:?}");
        let counted = (progress.commits() > 0, progress.commits_failed() > 0);
        assert_eq!(counted, expected);
    }
}
