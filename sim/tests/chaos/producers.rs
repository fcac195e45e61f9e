//! The producers of a run: each sends its records in order and notes what became of each.

use crate::run::{CLOSE_WAIT, Setting, TOPIC};
use anyhow::{Context, Result, bail};
use milena_client::producer::{ProduceErrorKind, Producer, ProducerConfig, Record};
use milena_sim::history::{Place, RecordId};
use std::time::Duration;
use tokio::task::JoinHandle;

/// As long as this is longer than the trouble, every record has to arrive.
const DELIVERY_CERTAIN: Duration = Duration::from_secs(10);
const PADDING: [u8; 64] = [b'.'; 64];

/// Starts all producers; ends when every record of theirs is settled and they are closed.
pub(crate) fn start(setting: &Setting) -> JoinHandle<Result<()>> {
    let setting = setting.clone();
    tokio::spawn(async move {
        let mut producers = tokio::task::JoinSet::new();
        for number in 0..setting.schedule.load.producers {
            producers.spawn(produce(setting.clone(), number));
        }
        while let Some(ended) = producers.join_next().await {
            ended??;
        }
        Ok(())
    })
}

async fn produce(setting: Setting, lane: u32) -> Result<()> {
    let load = &setting.schedule.load;
    let client = setting.client()?;
    let config = ProducerConfig::default()
        .linger(load.linger)
        .batch_bytes_max(load.batch_bytes)
        .delivery_timeout(load.delivery_timeout)
        .request_timeout(Duration::from_millis(400).min(load.delivery_timeout));
    let producer = Producer::new(&client, config)?;
    let mut deliveries = Vec::new();
    for number in 0..load.records {
        let id = RecordId { lane, number };
        let value = id.to_string();
        let padding = usize::try_from(number * 7 % 60)?;
        let record = Record::to(TOPIC)
            .key(&PADDING[..padding])
            .value(&value)
            .partition(i32::try_from(number)? % load.partitions);
        deliveries.push((id, producer.enqueue(record).await?));
        if number % load.burst == 0 {
            tokio::time::sleep(Duration::from_millis(1 + number % 5)).await;
        }
    }
    for (id, delivery) in deliveries {
        match delivery.await {
            Ok(metadata) => {
                let place = metadata.offset().map(|offset| Place {
                    partition: metadata.partition(),
                    offset,
                });
                setting.history().acknowledged(id, place);
            }
            Err(error) if load.delivery_timeout < DELIVERY_CERTAIN => match error.kind() {
                // What was not sent must not be there: nobody notes it, and reading it is wrong.
                ProduceErrorKind::TimedOut { maybe_written, .. } => {
                    if *maybe_written {
                        setting.history().in_doubt(id);
                    }
                }
                _ => bail!("record {id}: {error}"),
            },
            Err(error) => bail!("record {id}: {error}"),
        }
    }
    let closing = tokio::time::timeout(CLOSE_WAIT, producer.close()).await;
    closing.with_context(|| format!("the producer is not closed after {CLOSE_WAIT:?}"))??;
    client.close().await;
    Ok(())
}
