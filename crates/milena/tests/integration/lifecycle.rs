//! Starting, stopping, and sharing partitions with others.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use milena::testing::{ApiKey, ErrorCode, Fault};
use milena::{App, Config, HandlerError, Json, Meta, State, handler};
use tokio::sync::Semaphore;
use tokio::sync::mpsc::Sender;

use crate::setup::{Bench, Running, Stopping, numbers, reports, until, within};

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_work_is_said_before_anything_is_consumed() {
    let on_order = || async {};
    let no_group = Config::builder().build().unwrap();
    let group = || Config::builder().group_id("g").build().unwrap();
    for (app, expected) in [
        (
            App::new(no_group).topic("a", handler(on_order)),
            "group.id: an application needs a group; set MILENA_GROUP_ID",
        ),
        (
            App::new(group()),
            "topic: an application needs at least one topic, or a job",
        ),
        (
            App::new(group()).topic("a b", handler(on_order)),
            "topic: \"a b\": a topic name consists of ASCII letters, digits, '.', '_' and '-'",
        ),
        (
            App::new(group())
                .topic("a", handler(on_order))
                .topic("a", handler(on_order)),
            "topic: \"a\" has two handlers; a topic takes one",
        ),
        (
            App::new(group())
                .topic("a", handler(on_order).retry_through_topic())
                .topic("g.retry", handler(on_order)),
            "retry: \"g.retry\" takes the group's retries, and cannot have a handler; name the \
             topic, or the group, otherwise",
        ),
        (
            App::new(group()).topic("a", handler(on_order).dead_letter("a")),
            "dead_letter: \"a\" cannot take its own dead letters",
        ),
    ] {
        let error = app.run_until(std::future::pending()).await.unwrap_err();
        assert_eq!(error.to_string(), expected);
    }
}

/// Two members of a group, the second joining in the middle and the first leaving before
/// the end: every record is handled.
#[tokio::test(flavor = "multi_thread")]
async fn a_rebalance_loses_nothing() {
    let bench = Bench::new().await;
    bench.create("orders", 6).await;
    let (sender, mut handled) = reports();
    let on_order = |Json(number): Json<usize>, meta: Meta, State(sender): State<Sender<_>>| async move {
        tokio::task::yield_now().await;
        sender.send((meta.partition, number)).await
    };
    let app = || {
        App::new(bench.config())
            .state(sender.clone())
            .topic("orders", handler(on_order))
    };
    let first = Running::start(app());
    let mut missing: BTreeSet<(i32, usize)> = (0..6)
        .flat_map(|partition| (0..300).map(move |number| (partition, number)))
        .collect();
    let publish = async |from: usize| {
        for partition in 0..6 {
            bench
                .publish("orders", partition, numbers(from + 100).skip(from))
                .await;
        }
    };
    publish(0).await;
    for one in handled.take(300).await {
        missing.remove(&one);
    }
    let second = Running::start(app());
    publish(100).await;
    until("both have partitions", || {
        (first.progress.partitions(), second.progress.partitions()) == (3, 3)
    })
    .await;
    publish(200).await;
    first.stop().await.unwrap();
    while !missing.is_empty() {
        missing.remove(&handled.next().await);
    }
    bench.until_committed("orders", 6, 300).await;
    second.stop().await.unwrap();
}

/// The coordinator takes a member for one of an earlier generation: it gives up its partitions, joins again and goes on.
#[tokio::test(flavor = "multi_thread")]
async fn a_member_that_lost_its_partitions_comes_back() {
    let bench = Bench::new().await;
    bench.create("orders", 1).await;
    let (sender, mut handled) = reports();
    let on_order = |Json(number): Json<usize>, State(sender): State<Sender<usize>>| async move {
        sender.send(number).await
    };
    let app = App::new(bench.config())
        .state(sender)
        .topic("orders", handler(on_order));
    let running = Running::start(app);
    bench.publish("orders", 0, numbers(100)).await;
    handled.take(100).await;
    bench.until_committed("orders", 1, 100).await;
    let Some(faults) = bench.faults() else {
        return;
    };
    let joins = faults.requests_seen(ApiKey::JoinGroup);
    faults.next(ApiKey::Heartbeat, Fault::Fail(ErrorCode::IllegalGeneration));
    until("the member joins again", || {
        faults.requests_seen(ApiKey::JoinGroup) != joins
    })
    .await;
    bench.publish("orders", 0, numbers(200).skip(100)).await;
    assert_eq!(handled.take(100).await, (100..200).collect::<Vec<_>>());
    running.stop().await.unwrap();
    assert_eq!(bench.committed("orders", 0).await, Some(200));
}

/// SIGTERM while a handler is at work: it may finish, and what it did is committed; what
/// waited behind it is not begun.
#[tokio::test(flavor = "multi_thread")]
async fn sigterm_lets_handlers_finish() {
    let bench = Bench::new().await;
    bench.create("orders", 1).await;
    bench.publish("orders", 0, numbers(10)).await;
    let gate = Arc::new(Semaphore::new(0));
    let stopping = Stopping::default();
    let (sender, mut begun) = reports();
    let on_order =
        |Json(number): Json<u32>, State((gate, sender)): State<(Arc<Semaphore>, Sender<u32>)>| async move {
            sender.send(number).await?;
            let _ = gate.acquire().await?;
            Ok::<(), HandlerError>(())
        };
    let app = App::new(bench.config())
        .state((gate.clone(), sender))
        .lifecycle(stopping.clone())
        .topic("orders", handler(on_order));
    let progress = app.progress();
    let running = tokio::spawn(app.run());
    // A handler runs, so the application listens to signals.
    assert_eq!(begun.next().await, 0);
    let pid = std::process::id().to_string();
    let killed = std::process::Command::new("kill")
        .args(["-TERM", &pid])
        .status()
        .unwrap();
    assert!(killed.success());
    within("the application stops", stopping.0.notified()).await;
    assert!(!running.is_finished());
    gate.add_permits(1);
    within("the application stops", running)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(begun.rest(), [0_u32; 0]);
    assert_eq!(progress.handled(), 1);
    assert_eq!(bench.committed("orders", 0).await, Some(1));
}

/// A handler that never ends is given up when the time is over, and its record is not
/// committed.
#[tokio::test(flavor = "multi_thread")]
async fn stopping_does_not_wait_for_ever() {
    let bench = Bench::new().await;
    bench.create("orders", 1).await;
    bench.publish("orders", 0, numbers(3)).await;
    let (sender, mut begun) = reports();
    let on_order = |Json(number): Json<u32>, State(sender): State<Sender<u32>>| async move {
        sender.send(number).await?;
        if number == 1 {
            std::future::pending::<()>().await;
        }
        Ok::<(), HandlerError>(())
    };
    let config = bench
        .builder()
        .shutdown_timeout(Duration::from_millis(100))
        .build()
        .unwrap();
    let running = Running::start(
        App::new(config)
            .state(sender)
            .topic("orders", handler(on_order)),
    );
    assert_eq!(begun.take(2).await, [0, 1]);
    running.stop().await.unwrap();
    assert_eq!(bench.committed("orders", 0).await, Some(1));
}
