//! Members of a group as processes: this test program, started again.

use std::collections::BTreeSet;
use std::time::Duration;

use milena::{App, AppError, Config, Json, Meta, Outgoing, Processes, Publisher, State, handler};
use tokio::sync::oneshot;

use crate::setup::{Bench, numbers, until_some, within};

/// Where the members find the broker, and under which names.
const VARIABLES: [&str; 3] = ["TEST_BOOTSTRAP", "TEST_PREFIX", "TEST_GROUP"];

/// Tells which member handled what.
async fn on_order(Json(_): Json<u32>, meta: Meta, State(publisher): State<Publisher>) {
    let number = Processes::number().expect("a member").to_string();
    let seen = Outgoing::to("seen")
        .value(number)
        .key(meta.partition.to_string());
    publisher.send(&seen).await.expect("written");
}

fn member() -> App<Publisher> {
    let [bootstrap, prefix, group] = VARIABLES.map(|name| std::env::var(name).expect("set"));
    let config = Config::builder()
        .environment()
        .bootstrap_servers(bootstrap)
        .topic_prefix(prefix)
        .group_id(group)
        .build()
        .expect("a config");
    let publisher = Publisher::new(&config).expect("a publisher");
    App::new(config)
        .state(publisher)
        .topic("orders", handler(on_order))
}

fn processes(bench: &Bench, test: &str) -> Processes {
    let values = [bench.bootstrap.as_str(), &bench.name(""), &bench.group];
    VARIABLES.iter().zip(values).fold(
        Processes::new(2).arguments(["--exact", test, "--nocapture"]),
        |processes, (name, value)| processes.variable(*name, value),
    )
}

/// Whether member 1 is named as the one that failed.
fn is_the_first_member(error: &AppError) -> bool {
    matches!(error, AppError::Process { number, .. } if *number == Some(1))
}

#[tokio::test(flavor = "multi_thread")]
async fn members_are_processes_that_stop_together() {
    const NAME: &str = "processes::members_are_processes_that_stop_together";
    if Processes::number().is_some() {
        let ran = Processes::new(2).run(|_| member()).await;
        return ran.expect("a graceful end");
    }
    let bench = Bench::new().await;
    bench.create("orders", 8).await;
    bench.create("seen", 1).await;
    let (stop, stopped) = oneshot::channel::<()>();
    let processes = processes(&bench, NAME);
    let running = tokio::spawn(processes.run_until(
        async {
            let _ = stopped.await;
        },
        |_| member(),
    ));
    until_some("both have joined", async || {
        let described = Box::pin(bench.admin.describe_groups(&[bench.group.as_str()])).await;
        let (_, group) = described.ok()?.pop()?;
        (group.ok()?.members.len() == 2).then_some(())
    })
    .await;
    for partition in 0..8 {
        bench.publish("orders", partition, numbers(3)).await;
    }
    let seen = bench.read("seen", 24).await;
    let members: BTreeSet<Vec<u8>> = seen
        .iter()
        .map(|record| record.value().expect("a value").to_vec())
        .collect();
    assert_eq!(members.len(), 2, "{members:?}");
    drop(stop);
    let ended = within("the processes end", running).await.unwrap();
    assert!(ended.is_ok(), "{ended:?}");
    bench.until_committed("orders", 8, 3).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_fails_stops_the_others() {
    const NAME: &str = "processes::a_process_that_fails_stops_the_others";
    if let Some(number) = Processes::number() {
        if number == 1 {
            std::process::abort();
        }
        let ran = Processes::new(2).run(|_| member()).await;
        return ran.expect("a graceful end");
    }
    let bench = Bench::new().await;
    bench.create("orders", 2).await;
    let running = processes(&bench, NAME).run_until(std::future::pending(), |_| member());
    let error = within("the processes end", running).await.unwrap_err();
    assert!(is_the_first_member(&error), "{error}");
}

/// A member that has to be killed does not hide why the others were stopped.
#[tokio::test]
async fn the_first_failure_is_told() {
    const NAME: &str = "processes::the_first_failure_is_told";
    if let Some(number) = Processes::number() {
        if number == 1 {
            std::process::abort();
        }
        std::future::pending::<()>().await;
    }
    let processes = Processes::new(2)
        .arguments(["--exact", NAME, "--nocapture"])
        .stop_timeout(Duration::from_millis(50));
    let running = processes.run_until(std::future::pending(), |_| member());
    let error = within("the processes end", running).await.unwrap_err();
    assert!(is_the_first_member(&error), "{error}");
}
