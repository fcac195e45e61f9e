//! `milena consume`: records of a topic, as text.

mod ends;
mod seek;

use std::io::Write as _;
use std::time::Duration;

use clap::Args;
use milena_client::consumer::{
    Consumer, ConsumerConfig, FetchedBatch, OffsetReset, RecordView, TimestampType,
};
use milena_client::{Admin, ClientConfig};

use self::ends::Ends;
use crate::cluster::{ClusterArguments, connect};
use crate::failure::Failure;
use crate::record::TextRecord;
use crate::record::format::{self, Format};
use crate::record::json_line;
use crate::record::start::{Bound, Start};

/// How long one poll waits; only Ctrl-C is noticed later by it.
const POLL_TIMEOUT: Duration = Duration::from_millis(500);

/// Read records of topics.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    cluster: ClusterArguments,

    /// The topic; may be given more than once.
    #[arg(short = 't', long = "topic", required = true)]
    topics: Vec<String>,

    /// Only this partition; may be given more than once.
    #[arg(short = 'p', long = "partition", value_parser = clap::value_parser!(i32).range(0..))]
    partitions: Vec<i32>,

    /// Where to start: beginning (the default), end, stored, an offset, -N for the last N,
    /// s@MS to start or e@MS to end at a time in milliseconds.
    #[arg(
        short = 'o',
        long = "offset",
        value_name = "OFFSET",
        allow_hyphen_values = true
    )]
    bounds: Vec<String>,

    /// Read as a member of this consumer group, and commit what was printed.
    #[arg(short = 'g', short_alias = 'G', long, conflicts_with = "partitions")]
    group: Option<String>,

    /// End after so many records.
    #[arg(short = 'c', long, value_name = "COUNT")]
    count: Option<u64>,

    /// End when everything that is there at the start was read.
    #[arg(short = 'e', long)]
    exit: bool,

    #[arg(short = 'f', long, value_name = "FORMAT", conflicts_with = "json", help = format!("How to print a record: {}", format::HELP))]
    format: Option<String>,

    /// Print the key and this before the value.
    #[arg(short = 'K', long, value_name = "DELIMITER", conflicts_with_all = ["json", "format"])]
    key_delimiter: Option<String>,

    /// Print each record as a line of JSON, which `produce -J` reads back byte for byte.
    #[arg(short = 'J', long)]
    json: bool,

    /// Print NULL for null keys and values, instead of nothing.
    #[arg(short = 'Z', long)]
    null: bool,

    /// Accepted as in kcat: nothing but records is printed anyway.
    #[arg(short = 'q', long)]
    quiet: bool,
}

/// What the arguments come to.
struct Plan {
    topics: Vec<String>,
    partitions: Vec<i32>,
    start: Start,
    /// Records of this time or later are not printed.
    end_timestamp: Option<i64>,
    ends_at_end: bool,
    count: Option<u64>,
    is_member: bool,
    printing: Printing,
}

enum Printing {
    Json,
    Format(Format),
}

/// Prints the records.
pub(crate) async fn run(arguments: Arguments) -> Result<(), Failure> {
    let plan = plan(&arguments)?;
    let (client, config) = configs(&arguments, &plan)?;
    let client = connect(client).await?;
    let admin = Admin::new(&client);
    let partitions = seek::partitions(&admin, &plan.topics, &plan.partitions).await?;
    let ends = match (plan.ends_at_end, plan.end_timestamp) {
        (false, None) => Ends::never(),
        (_, end_timestamp) => Ends::look_up(&admin, &partitions, end_timestamp).await?,
    };
    let consumer = Consumer::new(&client, config)?;
    if plan.is_member {
        consumer.subscribe(plan.topics.iter().cloned()).await?;
    } else {
        let starts = seek::starts(&admin, partitions, plan.start).await?;
        consumer.assign_from(starts).await?;
    }
    let mut printer = Printer {
        plan: &plan,
        ends,
        out: Vec::new(),
        printed: 0,
    };
    let printed = printer.print_all(&consumer).await;
    let closed = consumer.close().await.map_err(Failure::from);
    printed.and(closed)
}

fn plan(arguments: &Arguments) -> Result<Plan, Failure> {
    let is_member = arguments.group.is_some();
    let mut start = Start::Beginning;
    let mut end_timestamp = None;
    for bound in &arguments.bounds {
        let wrong = |problem: String| Failure::usage(format!("-o {bound}: {problem}"));
        match bound.parse().map_err(wrong)? {
            Bound::Start(given) => start = given,
            Bound::EndTimestamp(given) => end_timestamp = Some(given),
        }
    }
    match start {
        Start::Stored if !is_member => {
            return Err(Failure::usage("-o stored: name the group with -g"));
        }
        Start::Offset(_) | Start::BeforeEnd(_) | Start::Timestamp(_) if is_member => {
            return Err(Failure::usage(
                "-o: a group starts at beginning, end or stored; leave out -g to start elsewhere",
            ));
        }
        _ => {}
    }
    let null_text = if arguments.null { "NULL" } else { "" };
    let printing = match (&arguments.format, arguments.json) {
        (_, true) => Printing::Json,
        (Some(format), false) => Printing::Format(
            Format::parse(format, null_text)
                .map_err(|problem| Failure::usage(format!("-f: {problem}")))?,
        ),
        (None, false) => {
            Printing::Format(Format::lines(arguments.key_delimiter.as_deref(), null_text))
        }
    };
    Ok(Plan {
        topics: arguments.topics.clone(),
        partitions: arguments.partitions.clone(),
        start,
        end_timestamp,
        ends_at_end: arguments.exit,
        count: arguments.count,
        is_member,
        printing,
    })
}

fn configs(arguments: &Arguments, plan: &Plan) -> Result<(ClientConfig, ConsumerConfig), Failure> {
    let mut properties = arguments.cluster.properties()?;
    let client = ClientConfig::take_from(&mut properties)?.allow_auto_create_topics(false);
    let mut config = ConsumerConfig::take_from(&mut properties)?;
    properties.finish()?;
    config = config.auto_offset_reset(match plan.start {
        Start::End => OffsetReset::Latest,
        Start::Stored => OffsetReset::None,
        _ => OffsetReset::Earliest,
    });
    if let Some(group) = &arguments.group {
        config = config.group_id(group.as_str());
    }
    Ok((client, config))
}

struct Printer<'a> {
    plan: &'a Plan,
    ends: Ends,
    out: Vec<u8>,
    printed: u64,
}

impl Printer<'_> {
    async fn print_all(&mut self, consumer: &Consumer) -> Result<(), Failure> {
        let mut interrupt = std::pin::pin!(tokio::signal::ctrl_c());
        while !self.is_done(consumer) {
            let polled = tokio::select! {
                polled = consumer.poll(POLL_TIMEOUT) => polled,
                _ = &mut interrupt => return Ok(()),
            };
            let batches = match polled {
                Ok(polled) => polled.batches,
                Err(error) if error.is_retriable() => {
                    writeln!(std::io::stderr(), "warning: {error}")?;
                    continue;
                }
                Err(error) => return Err(error.into()),
            };
            let mut progress = Vec::new();
            for batch in &batches {
                progress.push((batch.topic_partition().clone(), self.print_batch(batch)?));
            }
            self.flush()?;
            if self.plan.is_member && !progress.is_empty() {
                consumer.commit_offsets(&progress).await?;
            }
        }
        Ok(())
    }

    fn is_done(&self, consumer: &Consumer) -> bool {
        self.is_enough() || self.ends.are_reached(consumer)
    }

    fn is_enough(&self) -> bool {
        self.plan.count.is_some_and(|count| self.printed >= count)
    }

    /// Prints a batch as far as it is wanted; the offset after what was printed.
    fn print_batch(&mut self, batch: &FetchedBatch) -> Result<i64, Failure> {
        for record in batch {
            let record = record?;
            if self.is_enough() || self.ends.is_past(batch.topic_partition(), record.offset) {
                return Ok(record.offset);
            }
            let record = text_record(batch, &record);
            match &self.plan.printing {
                Printing::Format(format) => format.write(&record, &mut self.out),
                Printing::Json => {
                    self.out.extend(json_line::write(&record));
                    self.out.push(b'\n');
                }
            }
            self.printed += 1;
        }
        Ok(batch.next_offset())
    }

    fn flush(&mut self) -> Result<(), Failure> {
        let mut stdout = std::io::stdout().lock();
        stdout.write_all(&self.out)?;
        self.out.clear();
        Ok(stdout.flush()?)
    }
}

fn text_record(batch: &FetchedBatch, record: &RecordView<'_>) -> TextRecord {
    let headers = record.headers.iter().map(|header| {
        let name = String::from_utf8_lossy(header.key).into_owned();
        (name, header.value.map(<[u8]>::to_vec))
    });
    TextRecord {
        topic: batch.topic().to_string(),
        partition: batch.partition(),
        offset: record.offset,
        timestamp: record.timestamp,
        is_log_append_time: batch.timestamp_type() == TimestampType::LogAppendTime,
        key: record.key.map(<[u8]>::to_vec),
        value: record.value.map(<[u8]>::to_vec),
        headers: headers.collect(),
    }
}
