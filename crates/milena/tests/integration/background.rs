//! Applications in the background: proven to be connected, told the truth about, paused,
//! stopped, several at once.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use milena::testing::Broker;
use milena::{
    App, AppError, AppHandle, AppState, Config, HandlerError, Json, Members, Meta, State, handler,
};
use tokio::net::TcpListener;
use tokio::sync::mpsc::Sender;

use crate::reserved::Reserved;
use crate::setup::{self, Bench, numbers, reports, within};

fn config_for(address: SocketAddr, attempts: u32) -> Config {
    Config::builder()
        .bootstrap_servers(address.to_string())
        .group_id("group")
        .set("start.attempts", &attempts.to_string())
        .set("start.backoff.ms", "20")
        .set("start.backoff.max.ms", "20")
        .build()
        .unwrap()
}

/// Waits until a handle shows a state.
async fn until(handle: &AppHandle, state: AppState) {
    setup::until("the state", || handle.state() == state).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_without_a_cluster_fails_after_its_attempts() {
    let reserved = Reserved::new();
    let address = reserved.address();
    let app = App::new(config_for(address, 3)).topic("orders", handler(|| async {}));
    let error = within("an error", app.start()).await.unwrap_err();
    let AppError::Connection(failed) = error else {
        panic!("{error}")
    };
    assert_eq!(failed.attempts, 3);
    let expected = format!("no connection to {address} after 3 attempts: cannot connect");
    assert!(failed.to_string().starts_with(&expected), "{failed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_waits_for_the_cluster() {
    let reserved = Reserved::new();
    let address = reserved.address();
    let listener = TcpListener::bind(address).await.unwrap();
    let app = App::new(config_for(address, 1000)).topic("orders", handler(|| async {}));
    let starting = tokio::spawn(app.start());
    for _ in 0..2 {
        let attempt = within("an attempt", listener.accept()).await.unwrap();
        drop(attempt);
    }
    drop(listener);
    assert!(!starting.is_finished(), "nobody answers");
    let broker = Broker::builder().listen(address.to_string());
    let broker = broker.start().await.unwrap();
    let running = within("the application starts", starting).await.unwrap();
    running.unwrap().shutdown().await.unwrap();
    broker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_can_be_given_up() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let app = App::new(config_for(address, 1000)).topic("orders", handler(|| async {}));
    let attempted = async {
        let _attempt = listener.accept().await.unwrap();
    };
    let ended = within("the application ends", app.run_until(attempted)).await;
    assert!(ended.is_ok(), "{ended:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handle_tells_the_truth() {
    let bench = Bench::new().await;
    bench.create("orders", 1).await;
    let (sender, mut handled) = reports();
    let on_order = |Json(number): Json<usize>, State(sender): State<Sender<usize>>| async move {
        sender.send(number).await?;
        match number {
            3 => Err(HandlerError::terminal("three is too many")),
            _ => Ok(()),
        }
    };
    let app = App::new(bench.config())
        .state(sender)
        .topic("orders", handler(on_order));
    let running = app.start().await.unwrap();
    let handle = running.handle();
    assert!(handle.is_alive(), "connected, and about to join");
    until(&handle, AppState::Running).await;
    bench.publish("orders", 0, numbers(3)).await;
    handled.take(3).await;
    assert_eq!(handle.failure(), None);
    bench.publish("orders", 0, ["3".to_owned()]).await;
    let error = within("the application ends", running.join()).await;
    assert!(matches!(error, Err(AppError::Terminal { .. })), "{error:?}");
    assert!(!handle.is_alive());
    assert_eq!(handle.state(), AppState::Failed);
    let failure = handle.failure().unwrap();
    assert!(failure.contains("three is too many"), "{failure}");
}

/// Dropped, an application finishes in the background; a handle sees it end.
#[tokio::test(flavor = "multi_thread")]
async fn dropping_stops_gracefully() {
    let bench = Bench::new().await;
    bench.create("orders", 1).await;
    let app = App::new(bench.config()).topic("orders", handler(|| async {}));
    let running = app.start().await.unwrap();
    let handle = running.handle();
    bench.publish("orders", 0, numbers(10)).await;
    bench.until_committed("orders", 1, 10).await;
    drop(running);
    within("the end", handle.ended()).await;
    assert_eq!(handle.state(), AppState::Stopped);
    assert_eq!(handle.progress().handled(), 10);
}

/// Paused, nothing new is handled, also of partitions that come meanwhile; resumed, it goes
/// on where it was.
#[tokio::test(flavor = "multi_thread")]
async fn a_pause_holds_everything_back() {
    let bench = Bench::new().await;
    bench.create("orders", 2).await;
    let (sender, mut handled) = reports();
    let on_order = |Json(number): Json<usize>, State(sender): State<Sender<usize>>| async move {
        sender.send(number).await
    };
    let app = || {
        App::new(bench.config())
            .state(sender.clone())
            .topic("orders", handler(on_order))
    };
    let running = app().start().await.unwrap();
    let handle = running.handle();
    bench.publish("orders", 0, numbers(5)).await;
    assert_eq!(handled.take(5).await, [0, 1, 2, 3, 4]);
    let other = app().start().await.unwrap();
    setup::until("the other has a partition", || {
        other.handle().progress().partitions() == 1
    })
    .await;
    handle.pause();
    until(&handle, AppState::Paused).await;
    other.shutdown().await.unwrap();
    setup::until("all partitions are back", || {
        handle.progress().partitions() == 2
    })
    .await;
    for partition in 0..2 {
        bench.publish("orders", partition, numbers(50)).await;
    }
    // Whoever is not paused has them.
    assert_eq!(bench.read("orders", 105).await.len(), 105);
    assert_eq!(handled.rest(), [0_usize; 0], "paused");
    assert!(handle.is_alive());
    handle.resume();
    assert_eq!(handled.take(100).await.len(), 100);
    until(&handle, AppState::Running).await;
    running.shutdown().await.unwrap();
    assert_eq!(bench.committed("orders", 0).await, Some(55));
    assert_eq!(bench.committed("orders", 1).await, Some(50));
}

/// Three members share the partitions, and one signal stops them all.
#[tokio::test(flavor = "multi_thread")]
async fn members_share_partitions_and_stop_together() {
    let bench = Bench::new().await;
    bench.create("orders", 6).await;
    let (sender, mut handled) = reports();
    type Seen = (usize, i32, usize);
    let config = bench.builder().client_id("billing");
    let config = config.set("group.instance.id", "here").build().unwrap();
    let members = Members::start(3, |number| {
        let on_order = move |Json(value): Json<usize>,
                             meta: Meta,
                             State(sender): State<Sender<Seen>>| async move {
            sender.send((number, meta.partition, value)).await
        };
        App::new(config.with_consumer_id(number))
            .state(sender.clone())
            .topic("orders", handler(on_order))
    })
    .await
    .unwrap();
    let handles = members.handles();
    setup::until("each has its share", || {
        handles.iter().all(|one| one.progress().partitions() == 2)
    })
    .await;
    assert!(members.is_alive());
    // Each has names of its own.
    let groups = bench.admin.describe_groups(&[&bench.group]).await.unwrap();
    let known = &groups[0].1.as_ref().unwrap().members;
    let names: BTreeSet<String> = known
        .iter()
        .map(|one| format!("{} {:?}", one.client_id, one.group_instance_id))
        .collect();
    let expected = [0, 1, 2].map(|number| format!("billing-{number} Some(\"here-{number}\")"));
    assert_eq!(names, BTreeSet::from(expected));
    for partition in 0..6 {
        bench.publish("orders", partition, numbers(20)).await;
    }
    let seen = handled.take(120).await;
    let at_work: BTreeSet<usize> = seen.iter().map(|(member, ..)| *member).collect();
    assert_eq!(at_work, BTreeSet::from([0, 1, 2]));
    members.shutdown().await.unwrap();
    assert!(handles.iter().all(|one| one.state() == AppState::Stopped));
    bench.until_committed("orders", 6, 20).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_failing_member_stops_the_others() {
    let bench = Bench::new().await;
    bench.create("orders", 2).await;
    async fn fail() -> Result<(), HandlerError> {
        Err(HandlerError::terminal("broken"))
    }
    let members = Members::start(2, |number| {
        let app = App::new(bench.config()).topic("orders", handler(|| async {}));
        match number {
            0 => app,
            _ => app.every(Duration::from_millis(50), fail),
        }
    })
    .await
    .unwrap();
    let handles = members.handles();
    let error = within("all end", members.join()).await.unwrap_err();
    assert!(matches!(error, AppError::Job { .. }), "{error}");
    let states: Vec<AppState> = handles.iter().map(AppHandle::state).collect();
    assert_eq!(states, [AppState::Stopped, AppState::Failed]);
}
