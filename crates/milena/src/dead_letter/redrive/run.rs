//! Carries a redrive out: transactions of letters and their marks, one after the other.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::ops::ControlFlow;

use milena_client::ErrorCode;
use milena_client::admin::TopicDescription;
use milena_client::producer::{Header, ProduceError, ProduceErrorKind, Record};
use milena_client::transaction::{Outcome, Transaction, TransactionalProducer};
use tokio::time::Instant;
use uuid::Uuid;

use super::decide::Decision;
use super::outgoing::{self, Mark};
use super::{Destinations, Redrive, RedriveProgress, RedriveReport, Refusal};
use crate::dead_letter::admin::{json, partitions, write_alone};
use crate::dead_letter::error::DeadLetterError;
use crate::dead_letter::ledger::{AuditEntry, AuditEvent, Marks, audit_topic};
use crate::dead_letter::letter::DeadLetter;
use crate::dead_letter::limits::{REFUSALS_MAX, TRANSACTION_LETTERS_MAX};
use crate::dead_letter::scan::Scan;
use crate::rate::{Bucket, RateLimit};

pub(super) async fn run(
    redrive: &Redrive,
    mut progress: impl FnMut(RedriveProgress) -> ControlFlow<()>,
) -> Result<RedriveReport, DeadLetterError> {
    let topic = redrive.admin.describe(&redrive.topic).await?;
    let wanted = partitions(&topic, &redrive.filter.partitions)?;
    // In this order: once it is ours, nobody else adds marks that we would not see.
    let producer = redrive.admin.take_over(&topic).await?;
    let marks = redrive.admin.marks(&topic).await?;
    let mut scan = Scan::begin(&redrive.admin.client, &wanted).await?;
    let mut runner = Runner::new(redrive, topic, producer);
    let started = AuditEvent::started(&redrive.filter, redrive.rules.to.as_deref());
    runner.audit(started).await?;
    let letters = scan.offsets();
    let mut scanned = 0;
    let mut tell = |runner: &mut Runner<'_>, scanned| {
        let so_far = RedriveProgress {
            redriven: runner.report.redriven,
            scanned,
            letters,
        };
        runner.report.is_interrupted = progress(so_far).is_break();
        runner.report.is_interrupted
    };
    'scan: while let Some(messages) = scan.next().await? {
        for message in messages {
            scanned += 1;
            let letter = DeadLetter::read(&message);
            if redrive.filter.matches(&letter) {
                let is_redriven = marks.is_redriven(&letter);
                runner.take(letter, is_redriven).await?;
            }
            if runner.is_enough() {
                break 'scan;
            }
            if runner.is_full() {
                runner.flush().await?;
                if tell(&mut runner, scanned) {
                    break 'scan;
                }
            }
        }
        // Also where no letter is meant: a long search can be watched, and ended.
        if tell(&mut runner, scanned) {
            break;
        }
    }
    scan.close().await;
    if !runner.report.is_interrupted {
        runner.flush().await?;
    }
    runner.finish().await
}

/// A letter that is to be sent.
struct Job {
    letter: DeadLetter,
    topic: String,
}

/// Why letters were not sent.
enum NotSent {
    /// One of them is not taken by its destination.
    Record(ProduceError),
    /// Nothing more can be sent now.
    Fatal(DeadLetterError),
}

struct Runner<'a> {
    redrive: &'a Redrive,
    topic: TopicDescription,
    producer: TransactionalProducer,
    destinations: Destinations<'a>,
    mark: Mark,
    waiting: Vec<Job>,
    report: RedriveReport,
    /// `None`: as fast as they go.
    bucket: Option<Bucket>,
}

impl<'a> Runner<'a> {
    fn new(
        redrive: &'a Redrive,
        topic: TopicDescription,
        producer: TransactionalProducer,
    ) -> Runner<'a> {
        let id = Uuid::new_v4().to_string();
        let bucket =
            |rate: NonZeroU32| Bucket::new(RateLimit::per_second(rate.get()), Instant::now());
        Runner {
            redrive,
            topic,
            producer,
            destinations: Destinations::new(&redrive.admin),
            mark: Mark {
                id: id.clone(),
                by: redrive.by.clone(),
                keep_diagnostics: redrive.rules.keep_diagnostics,
            },
            waiting: Vec::new(),
            report: RedriveReport {
                id,
                ..RedriveReport::default()
            },
            bucket: redrive.rate.map(bucket),
        }
    }

    /// Puts a letter with those that wait, or says why not.
    async fn take(&mut self, letter: DeadLetter, is_redriven: bool) -> Result<(), DeadLetterError> {
        let decision = self.redrive.rules.decide(&letter, is_redriven);
        match self.destinations.check(decision).await? {
            Decision::Send { topic } => self.waiting.push(Job { letter, topic }),
            Decision::Skip(reason) => *self.report.skipped.entry(reason).or_default() += 1,
        }
        Ok(())
    }

    fn is_enough(&self) -> bool {
        let taken = self.report.redriven + self.waiting.len() as u64;
        let limit = self.redrive.limit;
        limit.is_some_and(|limit| taken >= limit.get())
    }

    /// Whether the next transaction has all it may have.
    fn is_full(&self) -> bool {
        let by_rate = self.redrive.rate.map_or(TRANSACTION_LETTERS_MAX, |rate| {
            usize::try_from(rate.get()).unwrap_or(usize::MAX)
        });
        self.waiting.len() >= by_rate.clamp(1, TRANSACTION_LETTERS_MAX)
    }

    /// Sends the letters that wait, at their time; those that are refused one by one.
    async fn flush(&mut self) -> Result<(), DeadLetterError> {
        let jobs = std::mem::take(&mut self.waiting);
        if jobs.is_empty() {
            return Ok(());
        }
        if let Some(bucket) = &mut self.bucket {
            let letters = u32::try_from(jobs.len()).unwrap_or(u32::MAX);
            let from = bucket.take_together(Instant::now(), letters);
            tokio::time::sleep_until(from).await;
        }
        match self.send(&jobs).await {
            Err(NotSent::Record(_)) if jobs.len() > 1 => {}
            sent => return self.settle(&jobs, sent).await,
        }
        for job in jobs.chunks(1) {
            let sent = self.send(job).await;
            self.settle(job, sent).await?;
        }
        Ok(())
    }

    /// A letter that was sent alone and is refused is left alone.
    async fn settle(
        &mut self,
        jobs: &[Job],
        sent: Result<(), NotSent>,
    ) -> Result<(), DeadLetterError> {
        match (sent, jobs) {
            (Ok(()), _) => Ok(()),
            (Err(NotSent::Record(error)), [job]) => self.refuse(job, &error).await,
            (Err(NotSent::Record(error)), _) => Err(error.into()),
            (Err(NotSent::Fatal(error)), _) => Err(error),
        }
    }

    /// Sends letters and their marks in one transaction.
    async fn send(&mut self, jobs: &[Job]) -> Result<(), NotSent> {
        let mut destinations: BTreeMap<String, u64> = BTreeMap::new();
        let mut marks = Marks::default();
        for job in jobs {
            *destinations.entry(job.topic.clone()).or_default() += 1;
            let (partition, offset) = (job.letter.partition, job.letter.offset);
            marks.add(&[(partition, offset, offset)]);
        }
        let entry = self.entry(AuditEvent::Redriven {
            letters: marks.offsets(),
            destinations: destinations.clone(),
        });
        let fatal = |error| NotSent::Fatal(DeadLetterError::of_transaction(&entry.topic, error));
        let transaction = self.producer.begin().await.map_err(fatal)?;
        let written = write(&transaction, jobs, &entry, &self.destinations, &self.mark).await;
        if let Err(error) = written {
            transaction.abort().await.map_err(fatal)?;
            return Err(NotSent::of(error));
        }
        if let Err(error) = transaction.commit().await {
            let is_committed = error.is_outcome_unknown()
                && self.producer.resolve().await.map_err(fatal)? == Some(Outcome::Committed);
            if !is_committed {
                return Err(fatal(error));
            }
        }
        self.report.redriven += jobs.len() as u64;
        for (topic, count) in destinations {
            *self.report.destinations.entry(topic).or_default() += count;
        }
        Ok(())
    }

    async fn refuse(&mut self, job: &Job, error: &ProduceError) -> Result<(), DeadLetterError> {
        let (partition, offset) = (job.letter.partition, job.letter.offset);
        let error = error.to_string();
        self.report.refused += 1;
        if self.report.refusals.len() < REFUSALS_MAX {
            self.report.refusals.push(Refusal {
                partition,
                offset,
                error: error.clone(),
            });
        }
        self.audit(AuditEvent::Refused {
            partition,
            offset,
            error,
        })
        .await
    }

    /// Says how it ended, and lets go.
    async fn finish(mut self) -> Result<RedriveReport, DeadLetterError> {
        let skipped = self.report.skipped.iter();
        let ended = AuditEvent::RedriveEnded {
            redriven: self.report.redriven,
            refused: self.report.refused,
            skipped: skipped
                .map(|(reason, count)| (reason.name().to_owned(), *count))
                .collect(),
            interrupted: self.report.is_interrupted,
        };
        self.audit(ended).await?;
        let closed = self.producer.close().await;
        closed.map_err(|error| DeadLetterError::of_transaction(&self.topic.name, error))?;
        Ok(self.report)
    }

    async fn audit(&mut self, event: AuditEvent) -> Result<(), DeadLetterError> {
        let entry = self.entry(event);
        write_alone(&mut self.producer, &entry).await
    }

    fn entry(&self, event: AuditEvent) -> AuditEntry {
        AuditEntry::new(&self.topic, &self.mark.id, &self.mark.by, event)
    }
}

/// Writes letters and the record that marks them, and waits until the brokers have all of it.
async fn write(
    transaction: &Transaction<'_>,
    jobs: &[Job],
    entry: &AuditEntry,
    destinations: &Destinations<'_>,
    mark: &Mark,
) -> Result<(), ProduceError> {
    let mut deliveries = Vec::with_capacity(jobs.len() + 1);
    for Job { letter, topic } in jobs {
        let headers = outgoing::headers(letter, mark);
        let headers: Vec<Header<'_>> = headers
            .iter()
            .map(|(key, value)| Header {
                key,
                value: value.as_deref(),
            })
            .collect();
        let partitions = destinations.partitions_of(topic).unwrap_or_default();
        let mut record = Record::to(topic).headers(&headers);
        record.partition = outgoing::partition(letter, topic, partitions);
        record.timestamp = Some(letter.timestamp).filter(|timestamp| *timestamp >= 0);
        record.key = letter.key.as_deref();
        record.value = letter.value.as_deref();
        deliveries.push(transaction.enqueue(record).await?);
    }
    let audit = audit_topic(&entry.topic);
    let value = json(entry);
    let record = Record::to(&audit).key(&entry.id).value(&value);
    deliveries.push(transaction.enqueue(record).await?);
    for delivery in deliveries {
        delivery.await?;
    }
    Ok(())
}

impl NotSent {
    /// What is wrong with one record alone leaves the others a chance.
    fn of(error: ProduceError) -> NotSent {
        let is_of_record = match error.kind() {
            ProduceErrorKind::RecordTooLarge { .. } | ProduceErrorKind::Encode(_) => true,
            ProduceErrorKind::Rejected { code, .. } => matches!(
                code,
                ErrorCode::MessageTooLarge
                    | ErrorCode::RecordListTooLarge
                    | ErrorCode::InvalidRecord
                    | ErrorCode::InvalidTimestamp
            ),
            _ => false,
        };
        if is_of_record {
            NotSent::Record(error)
        } else {
            NotSent::Fatal(error.into())
        }
    }
}
