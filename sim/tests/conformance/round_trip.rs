//! What is produced comes back: each codec, each shape of a record, each setting of acks.

use anyhow::{Context, Result};
use milena_client::Compression;
use milena_client::consumer::ConsumedRecord;
use milena_client::producer::{Acks, Header, ProducerConfig, Record};
use milena_sim::target::{Target, on_target};
use std::time::Duration;

const FIRST_TIMESTAMP_MS: i64 = 1_600_000_000_000;

/// A record with everything it can carry.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Shape {
    key: Option<Vec<u8>>,
    value: Option<Vec<u8>>,
    headers: Vec<(String, Option<Vec<u8>>)>,
    timestamp: i64,
}

impl Shape {
    fn of(record: &ConsumedRecord) -> Self {
        let headers = record.headers().iter().map(|header| {
            let value = header.value.map(<[u8]>::to_vec);
            (header.key_text().into_owned(), value)
        });
        Self {
            key: record.key().map(<[u8]>::to_vec),
            value: record.value().map(<[u8]>::to_vec),
            headers: headers.collect(),
            timestamp: record.timestamp(),
        }
    }
}

/// Every combination of null, empty and filled keys and values with no, odd and doubled headers.
fn shapes() -> Vec<Shape> {
    let fields = |filled: &str| [None, Some(Vec::new()), Some(filled.repeat(50).into_bytes())];
    let header = |key: &str, value: Option<&[u8]>| (key.to_owned(), value.map(<[u8]>::to_vec));
    let headers = [
        vec![],
        vec![header("one", Some(b"1"))],
        vec![
            header("twice", Some(b"first")),
            header("", Some(b"")),
            header("größe", None),
            header("twice", Some(&[0, 255, 128])),
        ],
    ];
    let mut shapes = Vec::new();
    for key in fields("key") {
        for value in fields("some value ") {
            for headers in &headers {
                let index = i64::try_from(shapes.len()).unwrap_or(0);
                shapes.push(Shape {
                    key: key.clone(),
                    value: value.clone(),
                    headers: headers.clone(),
                    // Timestamps of a batch need not ascend.
                    timestamp: FIRST_TIMESTAMP_MS + (index * 7_919) % 100_000,
                });
            }
        }
    }
    shapes
}

async fn check_codec(target: &Target, codec: Compression) -> Result<()> {
    let topic = target.topic("shapes", 1).await?;
    let config = ProducerConfig::default()
        .compression(codec, None)
        .linger(Duration::from_millis(50));
    let producer = target.producer(config)?;
    let sent = shapes();
    let mut deliveries = Vec::new();
    for shape in &sent {
        let headers: Vec<Header<'_>> = shape
            .headers
            .iter()
            .map(|(key, value)| Header {
                key,
                value: value.as_deref(),
            })
            .collect();
        let mut record = Record::to(&topic)
            .headers(&headers)
            .timestamp(shape.timestamp);
        if let Some(key) = &shape.key {
            record = record.key(key);
        }
        if let Some(value) = &shape.value {
            record = record.value(value);
        }
        deliveries.push(producer.enqueue(record).await?);
    }
    for (offset, delivery) in (0_i64..).zip(deliveries) {
        let metadata = delivery.await?;
        assert_eq!((metadata.partition(), metadata.offset()), (0, Some(offset)));
    }
    producer.close().await?;

    let records = target.read(&topic, 1, sent.len()).await?;
    for ((offset, record), expected) in (0_i64..).zip(&records).zip(&sent) {
        assert_eq!(record.offset(), offset);
        assert_eq!(&Shape::of(record), expected, "{codec} at offset {offset}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn every_codec_keeps_every_shape() -> Result<()> {
    on_target(async |target| {
        for codec in [
            Compression::None,
            Compression::Gzip,
            Compression::Snappy,
            Compression::Lz4,
            Compression::Zstd,
        ] {
            check_codec(&target, codec)
                .await
                .with_context(|| format!("with {codec}"))?;
        }
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn every_setting_of_acks_delivers() -> Result<()> {
    on_target(async |target| {
        for (acks, knows_offset) in [(Acks::All, true), (Acks::Leader, true), (Acks::None, false)] {
            let topic = target.topic("acks", 1).await?;
            // Without acknowledgements, what reaches a node before it knows that it leads is gone:
            // that a first record was acknowledged says that it does.
            let first = target.producer(ProducerConfig::default())?;
            first.send(Record::to(&topic).value("first")).await?;
            first.close().await?;
            let config = ProducerConfig::default()
                .acks(acks)
                .enable_idempotence(false);
            let producer = target.producer(config)?;
            for number in 1..=100_u32 {
                let value = number.to_string();
                let metadata = producer.send(Record::to(&topic).value(&value)).await?;
                let expected = knows_offset.then_some(i64::from(number));
                assert_eq!(metadata.offset(), expected, "{acks:?}");
            }
            producer.close().await?;
            let records = target.read(&topic, 1, 101).await?;
            for (number, record) in records.iter().enumerate().skip(1) {
                assert_eq!(record.value(), Some(number.to_string().as_bytes()));
            }
        }
        Ok(())
    })
    .await
}
