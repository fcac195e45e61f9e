//! Sending dead letters back to where they came from.
//!
//! Owns the public handle, the plan and the report. What becomes of a letter is `decide`'s, what is
//! sent `outgoing`'s; `run` carries it out.
//!
//! Letters are sent in transactions of up to 500, each with a record in `<topic>.audit` that says
//! which letters it redrove. So a letter and its mark count together or not at all: whatever
//! interrupts a redrive, running it again goes on behind what was confirmed. Consumers that read
//! uncommitted records may see letters of an interrupted transaction twice, with the same message
//! id. Letters stay in the dead letter topic; `purge` deletes them.

mod decide;
mod outgoing;
mod run;

use std::collections::BTreeMap;
use std::fmt;
use std::num::{NonZeroU32, NonZeroU64};
use std::ops::ControlFlow;

use self::decide::{Decision, Rules};
use super::admin::{DeadLetterAdmin, partitions};
use super::error::DeadLetterError;
use super::filter::Filter;
use super::letter::DeadLetter;
use super::limits::REDRIVES_MAX;
use super::scan::Scan;

/// A redrive to be planned or carried out; made by [`DeadLetterAdmin::redrive`].
#[derive(Debug, Clone)]
#[must_use = "a redrive does nothing until `plan` or `execute`"]
pub struct Redrive {
    admin: DeadLetterAdmin,
    /// This and those of the rules as the cluster names them.
    topic: String,
    filter: Filter,
    rules: Rules,
    by: String,
    rate: Option<NonZeroU32>,
    limit: Option<NonZeroU64>,
}

/// Why a letter is not redriven.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum SkipReason {
    /// It was redriven before; [`Redrive::again`] does it again.
    AlreadyRedriven,
    /// It was redriven as often as it may be ([`Redrive::redrives_max`]), and failed each time.
    TooOften,
    /// It does not tell where it came from; [`Redrive::to`] names a topic.
    NoOrigin,
    /// It came from the dead letter topic itself.
    Loop,
    /// It does not hold the record, see [`DeadLetter::has_payload`].
    NoPayload,
    /// The topic it came from does not exist any more.
    NoTopic,
}

impl SkipReason {
    /// The reason as one word for machines.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            SkipReason::AlreadyRedriven => "already-redriven",
            SkipReason::TooOften => "too-often",
            SkipReason::NoOrigin => "no-origin",
            SkipReason::Loop => "loop",
            SkipReason::NoPayload => "no-payload",
            SkipReason::NoTopic => "no-topic",
        }
    }
}

impl fmt::Display for SkipReason {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            SkipReason::AlreadyRedriven => "redriven before",
            SkipReason::TooOften => "redriven as often as allowed",
            SkipReason::NoOrigin => "do not tell where they came from",
            SkipReason::Loop => "came from the dead letter topic itself",
            SkipReason::NoPayload => "do not hold the record",
            SkipReason::NoTopic => "came from a topic that does not exist",
        })
    }
}

/// What a redrive would do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RedrivePlan {
    /// How many letters would be redriven.
    pub letters: u64,
    /// How many to each topic.
    pub destinations: BTreeMap<String, u64>,
    /// How many letters that the filter takes would stay, and why.
    pub skipped: BTreeMap<SkipReason, u64>,
}

/// How far a redrive is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct RedriveProgress {
    /// Letters whose redrive is confirmed.
    pub redriven: u64,
    /// Letters that were looked at.
    pub scanned: u64,
    /// Letters there are to look at, at most.
    pub letters: u64,
}

/// What a redrive did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RedriveReport {
    /// The redrive's id, as redriven records and the audit topic have it.
    pub id: String,
    /// How many letters were redriven, confirmed by the cluster.
    pub redriven: u64,
    /// How many to each topic.
    pub destinations: BTreeMap<String, u64>,
    /// How many letters that the filter takes stay, and why.
    pub skipped: BTreeMap<SkipReason, u64>,
    /// How many letters their destination did not take, as they are too large for it say; they
    /// stay.
    pub refused: u64,
    /// The first 100 of them.
    pub refusals: Vec<Refusal>,
    /// Whether it was told to stop before its end.
    pub is_interrupted: bool,
}

/// A letter that its destination did not take.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Refusal {
    /// The partition of the dead letter topic.
    pub partition: i32,
    /// The offset in that partition.
    pub offset: i64,
    /// Why.
    pub error: String,
}

impl DeadLetterAdmin {
    /// Prepares to send letters of `topic` back.
    ///
    /// They are sent in transactions of up to 500, each with a record in `<topic>.audit` that says
    /// which letters it redrove: a letter and its mark count together or not at all. Whatever
    /// interrupts a redrive, running it again goes on behind what was confirmed, and two at once do
    /// not send the same: the one that began later takes over. The letters stay where they are until
    /// they are [purged](DeadLetterAdmin::purge); later redrives leave marked ones alone.
    ///
    /// A record goes back with its own timestamp: where the destination keeps nothing that old, it is
    /// deleted again soon, so let somebody read there. Consumers of the destination that read
    /// uncommitted records may see a letter twice if its transaction was interrupted, with the same
    /// message id.
    ///
    /// The audit topic is made when there is none, with one partition and `retention.ms=-1`; the
    /// transactional id is `milena-dlq-<topic>`.
    pub fn redrive(&self, topic: impl Into<String>) -> Redrive {
        let topic = self.name(&topic.into());
        Redrive {
            admin: self.clone(),
            rules: Rules {
                own_topic: topic.clone(),
                to: None,
                redrives_max: REDRIVES_MAX,
                again: false,
                keep_diagnostics: false,
            },
            topic,
            filter: Filter::default(),
            by: "unknown".to_owned(),
            rate: None,
            limit: None,
        }
    }
}

impl Redrive {
    /// Takes only these letters. Default: all.
    pub fn filter(mut self, filter: Filter) -> Redrive {
        self.filter = self.admin.named_filter(&filter);
        self
    }

    /// Sends them to `topic`. Default: each to the topic it came from, and the partition too where
    /// it still exists.
    pub fn to(mut self, topic: impl Into<String>) -> Redrive {
        self.rules.to = Some(self.admin.name(&topic.into()));
        self
    }

    /// Says who does it, for the records' headers and the audit topic.
    pub fn by(mut self, name: impl Into<String>) -> Redrive {
        self.by = name.into();
        self
    }

    /// Sends at most so many letters a second, in transactions of as many at most; 0 is no limit, the
    /// default.
    pub fn per_second(mut self, letters: u32) -> Redrive {
        self.rate = NonZeroU32::new(letters);
        self
    }

    /// Redrives at most so many letters; 0 is no limit, the default.
    pub fn limit(mut self, letters: u64) -> Redrive {
        self.limit = NonZeroU64::new(letters);
        self
    }

    /// Leaves letters alone that were redriven so often, by their header `milena-redrive-count`:
    /// what fails again and again must not go round for ever. Default: 3.
    pub fn redrives_max(mut self, redrives: u32) -> Redrive {
        self.rules.redrives_max = redrives;
        self
    }

    /// Redrives what was redriven before too.
    pub fn again(mut self) -> Redrive {
        self.rules.again = true;
        self
    }

    /// Leaves the headers about the failure in the records. Default: only
    /// `milena-failed-first` and `milena-history` stay, so that a second dead letter goes on with
    /// the story.
    pub fn keep_diagnostics(mut self) -> Redrive {
        self.rules.keep_diagnostics = true;
        self
    }

    /// What [`execute`](Self::execute) would do; changes nothing.
    ///
    /// # Errors
    /// As [`DeadLetterAdmin::browse`], [`DeadLetterError::Loop`] and
    /// [`DeadLetterError::NoDestination`].
    pub async fn plan(&self) -> Result<RedrivePlan, DeadLetterError> {
        let planned = self.plan_named().await;
        let plan = planned.map_err(|error| self.admin.own_error(error))?;
        Ok(RedrivePlan {
            destinations: self.admin.own_counts(plan.destinations),
            ..plan
        })
    }

    async fn plan_named(&self) -> Result<RedrivePlan, DeadLetterError> {
        self.check().await?;
        let description = self.admin.describe(&self.topic).await?;
        let wanted = partitions(&description, &self.filter.partitions)?;
        let marks = self.admin.marks(&description).await?;
        let mut destinations = Destinations::new(&self.admin);
        let mut scan = Scan::begin(&self.admin.client, &wanted).await?;
        let mut plan = RedrivePlan::default();
        'scan: while let Some(messages) = scan.next().await? {
            for message in messages {
                let letter = DeadLetter::read(&message);
                if !self.filter.matches(&letter) {
                    continue;
                }
                let decision = self.rules.decide(&letter, marks.is_redriven(&letter));
                match destinations.check(decision).await? {
                    Decision::Skip(reason) => *plan.skipped.entry(reason).or_default() += 1,
                    Decision::Send { topic } => {
                        plan.letters += 1;
                        *plan.destinations.entry(topic).or_default() += 1;
                        if self.limit.is_some_and(|limit| plan.letters >= limit.get()) {
                            break 'scan;
                        }
                    }
                }
            }
        }
        scan.close().await;
        Ok(plan)
    }

    /// Sends the letters that are there now. Tells `progress` after each transaction but the last,
    /// and while it looks for letters; when that says [`ControlFlow::Break`], it ends there, and
    /// running it again goes on.
    ///
    /// Another redrive or purge of the topic that is under way ends with
    /// [`DeadLetterError::TakenOver`].
    ///
    /// # Errors
    /// Whatever the cluster refuses; what was confirmed before stays.
    pub async fn execute(
        &self,
        progress: impl FnMut(RedriveProgress) -> ControlFlow<()>,
    ) -> Result<RedriveReport, DeadLetterError> {
        let executed = self.execute_named(progress).await;
        let report = executed.map_err(|error| self.admin.own_error(error))?;
        Ok(RedriveReport {
            destinations: self.admin.own_counts(report.destinations),
            ..report
        })
    }

    async fn execute_named(
        &self,
        progress: impl FnMut(RedriveProgress) -> ControlFlow<()>,
    ) -> Result<RedriveReport, DeadLetterError> {
        self.check().await?;
        run::run(self, progress).await
    }

    /// A place that all letters would go to has to be another topic, and there.
    async fn check(&self) -> Result<(), DeadLetterError> {
        let Some(to) = &self.rules.to else {
            return Ok(());
        };
        let topic = to.clone();
        if *to == self.topic {
            Err(DeadLetterError::Loop { topic })
        } else if self.admin.find_topic(to).await?.is_none() {
            Err(DeadLetterError::NoDestination { topic })
        } else {
            Ok(())
        }
    }
}

/// The topics that letters go to, looked up once each.
struct Destinations<'a> {
    admin: &'a DeadLetterAdmin,
    /// How many partitions each has; `None` for one that does not exist.
    partitions: BTreeMap<String, Option<usize>>,
}

impl<'a> Destinations<'a> {
    fn new(admin: &'a DeadLetterAdmin) -> Destinations<'a> {
        Destinations {
            admin,
            partitions: BTreeMap::new(),
        }
    }

    /// The decision, unless the topic does not exist.
    async fn check(&mut self, decision: Decision) -> Result<Decision, DeadLetterError> {
        let Decision::Send { topic } = decision else {
            return Ok(decision);
        };
        if !self.partitions.contains_key(&topic) {
            let found = self.admin.find_topic(&topic).await?;
            let partitions = found.map(|found| found.partitions.len());
            self.partitions.insert(topic.clone(), partitions);
        }
        Ok(match self.partitions_of(&topic) {
            Some(_) => Decision::Send { topic },
            None => Decision::Skip(SkipReason::NoTopic),
        })
    }

    fn partitions_of(&self, topic: &str) -> Option<usize> {
        self.partitions.get(topic).copied().flatten()
    }
}
