//! Order within a partition, whoever sends and however the records are spread.

use anyhow::Result;
use milena_client::consumer::ConsumedRecord;
use milena_client::producer::{Producer, ProducerConfig, Record};
use milena_sim::history::{History, Place, RecordId};
use milena_sim::target::on_target;

const LANES: u32 = 4;
const RECORDS_PER_LANE: u64 = 2_000;
const PARTITIONS: i32 = 4;

/// Sends the numbers of one lane in order; what was promised about each.
async fn send_lane(
    producer: &Producer,
    topic: &str,
    lane: u32,
) -> Result<Vec<(RecordId, Option<Place>)>> {
    let mut deliveries = Vec::new();
    for number in 0..RECORDS_PER_LANE {
        let id = RecordId { lane, number };
        let (key, value) = (format!("lane {lane}"), id.to_string());
        let record = Record::to(topic).key(&key).value(&value);
        deliveries.push((id, producer.enqueue(record).await?));
    }
    let mut acknowledged = Vec::new();
    for (id, delivery) in deliveries {
        let metadata = delivery.await?;
        let place = metadata.offset().map(|offset| Place {
            partition: metadata.partition(),
            offset,
        });
        acknowledged.push((id, place));
    }
    Ok(acknowledged)
}

/// The id and place of a record that a test wrote.
pub(crate) fn parse(record: &ConsumedRecord) -> Result<(RecordId, Place)> {
    let text = std::str::from_utf8(record.value().unwrap_or_default())?;
    let id = text.parse().map_err(anyhow::Error::msg)?;
    let place = Place {
        partition: record.partition(),
        offset: record.offset(),
    };
    Ok((id, place))
}

#[tokio::test(flavor = "multi_thread")]
async fn records_of_a_key_stay_in_order_and_in_one_partition() -> Result<()> {
    on_target(async |target| {
        let topic = target.topic("ordering", PARTITIONS).await?;
        let producer = target.producer(ProducerConfig::default())?;
        let lanes = (0..LANES).map(|lane| send_lane(&producer, &topic, lane));
        let mut history = History::new();
        for lane in futures_util::future::try_join_all(lanes).await? {
            for (id, place) in lane {
                assert!(place.is_some(), "{id} was acknowledged without an offset");
                history.acknowledged(id, place);
            }
        }
        producer.close().await?;

        let records = target
            .read(&topic, PARTITIONS, history.acknowledged_count())
            .await?;
        let mut partition_of_lane = std::collections::BTreeMap::new();
        for record in &records {
            let (id, place) = parse(record)?;
            let partition = *partition_of_lane.entry(id.lane).or_insert(place.partition);
            assert_eq!(
                place.partition, partition,
                "{id} left the partition of its key"
            );
            history.read(0, place, id);
        }
        history.assert_sound();
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_named_partition_is_kept_and_a_missing_one_is_an_error() -> Result<()> {
    on_target(async |target| {
        let topic = target.topic("named", 3).await?;
        let producer = target.producer(ProducerConfig::default())?;
        for partition in [2, 0, 1, 2] {
            let record = Record::to(&topic).value("x").partition(partition);
            assert_eq!(producer.send(record).await?.partition(), partition);
        }
        let record = Record::to(&topic).value("x").partition(3);
        let error = producer.send(record).await.expect_err("there are three");
        assert!(error.to_string().contains("0..3"), "{error}");
        let missing = Record::to(&topic).value("x").partition(-1);
        assert!(producer.send(missing).await.is_err());
        producer.close().await?;
        Ok(())
    })
    .await
}
