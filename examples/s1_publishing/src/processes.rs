//! Consumers of one group as processes: this program, started again, each time as another member. They
//! stop when the first process tells them to, and when it ends.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use example_support::Cluster;
use milena::{App, Config, Consumer, HandlerError, Json, Outgoing, Processes, Publisher, State};
use serde_json::{Value, json};
use tokio::sync::oneshot;

const PROCESSES: usize = 3;
const JOBS: u64 = 6;

/// In the first process: starts the others, sees what they did, and stops them.
pub(crate) async fn run(cluster: &Cluster) -> Result<()> {
    let config = cluster.config().build()?;
    let publisher = Publisher::new(&config)?;
    for number in 0..JOBS {
        let message = Outgoing::to("jobs").key(format!("job-{number}"));
        publisher
            .send(&message.json(&json!({"id": number}))?)
            .await?;
    }

    let (stop, stopped) = oneshot::channel::<()>();
    let processes = Processes::new(PROCESSES)
        .variable("MILENA_BOOTSTRAP_SERVERS", cluster.servers()?)
        .variable("MILENA_TOPIC_PREFIX", cluster.name(""))
        .variable("MILENA_GROUP_ID", cluster.name("workers"));
    let told = async {
        let _ = stopped.await;
    };
    let running = tokio::spawn(processes.run_until(told, |_number| worker(config, publisher)));
    let done = tokio::time::timeout(Duration::from_secs(60), reports(cluster)).await;
    drop(stop);
    running.await??;
    let done = done.context("reports of all jobs within 60 s")??;
    println!("processes did the jobs {done:?}");
    Ok(())
}

/// In the others.
pub(crate) async fn member() -> Result<()> {
    let config = Config::from_env()?;
    let publisher = Publisher::new(&config)?;
    let processes = Processes::new(PROCESSES);
    processes.run(|_number| worker(config, publisher)).await?;
    Ok(())
}

fn worker(config: Config, publisher: Publisher) -> App<Publisher> {
    App::new(config)
        .state(publisher)
        .topic("jobs", milena::handler(on_job))
}

/// Says what it did in another topic: memory is not shared.
async fn on_job(
    Json(job): Json<Value>,
    State(publisher): State<Publisher>,
) -> Result<(), HandlerError> {
    publisher.send(&Outgoing::to("done").json(&job)?).await?;
    Ok(())
}

async fn reports(cluster: &Cluster) -> Result<BTreeSet<u64>> {
    let config = cluster
        .config()
        .group_id(cluster.name("reports"))
        .set("auto.offset.reset", "earliest")
        .build()?;
    let consumer = Consumer::new(config);
    consumer.connect().await?;
    consumer.subscribe(["done"]).await?;
    let mut done = BTreeSet::new();
    while done.len() < JOBS as usize {
        for message in consumer.poll(Duration::from_secs(1)).await? {
            let job: Value = serde_json::from_slice(message.value().context("a job")?)?;
            let id = job["id"].as_u64().context("a number")?;
            ensure!(id < JOBS, "job {id} was not given");
            done.insert(id);
        }
    }
    consumer.shutdown().await?;
    Ok(done)
}
