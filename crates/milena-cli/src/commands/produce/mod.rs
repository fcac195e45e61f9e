//! `milena produce`: lines and files as records.

mod input;

use std::collections::VecDeque;
use std::path::PathBuf;

use clap::Args;
use milena_client::config::Properties;
use milena_client::producer::{Delivery, Header, Producer, ProducerConfig, Record};
use milena_client::{ClientConfig, Compression};

use self::input::{Input, Origin, Shape};
use crate::cluster::{ClusterArguments, connect};
use crate::failure::Failure;
use crate::record::{TextHeader, TextRecord};

/// Deliveries that may be on their way before the oldest is waited for.
const DELIVERIES_MAX: usize = 100_000;

/// Write records to a topic: one a line of standard input, or one a file.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    cluster: ClusterArguments,

    /// The topic.
    #[arg(short = 't', long)]
    topic: String,

    /// The partition; the key decides when left out, or when -1.
    #[arg(short = 'p', long, allow_hyphen_values = true,
          value_parser = clap::value_parser!(i32).range(-1..))]
    partition: Option<i32>,

    /// A key for every record that has none of its own.
    #[arg(short = 'k', long)]
    key: Option<String>,

    /// What separates the key from the value in a line.
    #[arg(short = 'K', long, value_name = "DELIMITER", conflicts_with = "json")]
    key_delimiter: Option<String>,

    /// Add a header; may be given more than once.
    #[arg(short = 'H', long = "header", value_name = "NAME=VALUE")]
    headers: Vec<String>,

    /// Lines are JSON as `consume -J` writes it.
    #[arg(short = 'J', long)]
    json: bool,

    /// Read lines from the files, instead of taking each file for one record.
    #[arg(short = 'l', long)]
    lines: bool,

    /// Empty values, and with -K empty keys, are null.
    #[arg(short = 'Z', long)]
    null: bool,

    /// End after so many records.
    #[arg(short = 'c', long, value_name = "COUNT")]
    count: Option<u64>,

    /// Accepted as in kcat: producing always ends with the input.
    #[arg(short = 'e', long)]
    exit: bool,

    /// none, gzip, snappy, lz4 or zstd.
    #[arg(short = 'z', long, value_name = "CODEC")]
    compression: Option<Compression>,

    /// Files to read; standard input when there are none.
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
}

/// Writes the records.
pub(crate) async fn run(arguments: Arguments) -> Result<(), Failure> {
    let headers = headers(&arguments.headers)?;
    let producer = producer(&arguments).await?;
    let shape = if arguments.json {
        Shape::Json
    } else if arguments.files.is_empty() || arguments.lines {
        Shape::Lines
    } else {
        Shape::Whole
    };
    let mut sending = Sending {
        producer: &producer,
        arguments: &arguments,
        headers,
        deliveries: VecDeque::new(),
        accepted: 0,
    };
    let sent = sending.send_all(shape).await;
    let settled = sending.settle_all().await;
    let closed = producer.close().await.map_err(Failure::from);
    sent.and(settled).and(closed)
}

async fn producer(arguments: &Arguments) -> Result<Producer, Failure> {
    let mut properties: Properties = arguments.cluster.properties()?;
    let client = ClientConfig::take_from(&mut properties)?;
    let mut config = ProducerConfig::take_from(&mut properties)?;
    properties.finish()?;
    if let Some(compression) = arguments.compression {
        config = config.compression(compression, None);
    }
    Ok(Producer::new(&connect(client).await?, config)?)
}

fn headers(given: &[String]) -> Result<Vec<TextHeader>, Failure> {
    let headers = given.iter().map(|header| match header.split_once('=') {
        Some((name, value)) if !name.is_empty() => {
            Ok((name.to_owned(), Some(value.as_bytes().to_vec())))
        }
        _ => Err(Failure::usage(format!(
            "-H {header}: write it as NAME=VALUE"
        ))),
    });
    headers.collect()
}

struct Sending<'a> {
    producer: &'a Producer,
    arguments: &'a Arguments,
    headers: Vec<TextHeader>,
    deliveries: VecDeque<Delivery>,
    accepted: u64,
}

impl Sending<'_> {
    /// Sends what the input has, up to the count.
    async fn send_all(&mut self, shape: Shape) -> Result<(), Failure> {
        if self.is_enough() {
            return Ok(());
        }
        let mut input = Input::open(shape, &self.arguments.files);
        while let Some(chunk) = input.next().await {
            for (origin, bytes) in chunk? {
                if let Some(record) = self.record(shape, &origin, bytes)? {
                    self.send(&record).await?;
                }
                if self.is_enough() {
                    return Ok(());
                }
            }
            self.settle_some().await?;
        }
        Ok(())
    }

    fn is_enough(&self) -> bool {
        self.arguments
            .count
            .is_some_and(|count| self.accepted >= count)
    }

    /// The record of one line or file; none for an empty line, as in kcat.
    fn record(
        &self,
        shape: Shape,
        origin: &Origin,
        bytes: Vec<u8>,
    ) -> Result<Option<TextRecord>, Failure> {
        let mut record = match shape {
            Shape::Whole => TextRecord {
                value: Some(bytes),
                timestamp: -1,
                ..TextRecord::default()
            },
            Shape::Lines | Shape::Json if bytes.is_empty() => return Ok(None),
            Shape::Json => crate::record::json_line::read(&bytes)
                .map_err(|problem| Failure::usage(format!("{origin}: {problem}")))?,
            Shape::Lines => self.line(bytes),
        };
        if self.arguments.null && !self.arguments.json {
            record.value = record.value.filter(|value| !value.is_empty());
            record.key = record.key.filter(|key| !key.is_empty());
        }
        if record.key.is_none() {
            record.key = self
                .arguments
                .key
                .as_ref()
                .map(|key| key.as_bytes().to_vec());
        }
        record.headers.extend(self.headers.iter().cloned());
        Ok(Some(record))
    }

    fn line(&self, mut bytes: Vec<u8>) -> TextRecord {
        let mut key = None;
        if let Some(delimiter) = &self.arguments.key_delimiter
            && let Some(at) = find(&bytes, delimiter.as_bytes())
        {
            let rest = bytes.split_off(at);
            key = Some(std::mem::replace(&mut bytes, rest));
            bytes.drain(..delimiter.len());
        }
        TextRecord {
            key,
            value: Some(bytes),
            timestamp: -1,
            ..TextRecord::default()
        }
    }

    async fn send(&mut self, record: &TextRecord) -> Result<(), Failure> {
        let headers: Vec<Header<'_>> = record
            .headers
            .iter()
            .map(|(key, value)| Header {
                key,
                value: value.as_deref(),
            })
            .collect();
        let mut outgoing = Record::to(&self.arguments.topic).headers(&headers);
        outgoing.key = record.key.as_deref();
        outgoing.value = record.value.as_deref();
        outgoing.partition = self.arguments.partition.filter(|partition| *partition >= 0);
        outgoing.timestamp = Some(record.timestamp).filter(|timestamp| *timestamp >= 0);
        let delivery = self
            .producer
            .enqueue(outgoing)
            .await
            .map_err(produce_failure)?;
        self.deliveries.push_back(delivery);
        self.accepted += 1;
        Ok(())
    }

    /// Looks at the deliveries that are settled; waits only if there are too many.
    async fn settle_some(&mut self) -> Result<(), Failure> {
        while let Some(oldest) = self.deliveries.front() {
            match oldest.try_result() {
                Some(result) => {
                    result.map_err(produce_failure)?;
                    self.deliveries.pop_front();
                }
                None if self.deliveries.len() < DELIVERIES_MAX => return Ok(()),
                None => {
                    if let Some(oldest) = self.deliveries.pop_front() {
                        oldest.await.map_err(produce_failure)?;
                    }
                }
            }
        }
        Ok(())
    }

    /// Waits for all deliveries; the first failure counts.
    async fn settle_all(&mut self) -> Result<(), Failure> {
        let mut first_failure = None;
        for delivery in self.deliveries.drain(..) {
            if let Err(error) = delivery.await {
                first_failure.get_or_insert(produce_failure(error));
            }
        }
        first_failure.map_or(Ok(()), Err)
    }
}

fn produce_failure(error: milena_client::producer::ProduceError) -> Failure {
    Failure::run(error.to_string())
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    if needle.is_empty() {
        return None;
    }
    haystack
        .windows(needle.len())
        .position(|window| window == needle)
}
