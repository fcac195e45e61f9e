//! `milena dlq redrive`.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use milena::dead_letter::{
    DeadLetterAdmin, Redrive, RedrivePlan, RedriveProgress, RedriveReport, SkipReason,
};
use serde::Serialize;

use super::filter::FilterArguments;
use super::letter_name::LetterName;
use crate::cluster::ClusterArguments;
use crate::failure::Failure;
use crate::output::{Rows, show};
use crate::plan::PlanArguments;

/// What to send back.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    cluster: ClusterArguments,

    /// The dead letter topic.
    #[arg(value_name = "TOPIC")]
    topic: String,

    #[command(flatten)]
    filter: FilterArguments,

    /// Send them to this topic. Default: each to the topic it came from, and the partition too.
    #[arg(long, value_name = "TOPIC")]
    to: Option<String>,

    /// At most so many a second.
    #[arg(long, value_name = "LETTERS", value_parser = clap::value_parser!(u32).range(1..))]
    rate: Option<u32>,

    /// At most so many altogether.
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u64).range(1..))]
    limit: Option<u64>,

    /// Leave letters alone that were redriven so often and failed each time.
    #[arg(long, value_name = "COUNT", default_value_t = 3)]
    max_redrives: u32,

    /// Redrive what was redriven before, too.
    #[arg(long)]
    again: bool,

    /// Leave the headers about the failure in the records.
    #[arg(long)]
    keep_diagnostics: bool,

    /// Who does it, for the records' headers and the audit topic. Default: the user's name.
    #[arg(long, value_name = "NAME")]
    by: Option<String>,

    #[command(flatten)]
    plan: PlanArguments,
}

pub(crate) async fn run(arguments: Arguments) -> Result<(), Failure> {
    let admin = super::admin(&arguments.cluster).await?;
    let redrive = redrive(&arguments, &admin);
    let output = arguments.plan.output;
    if !arguments.plan.execute {
        let plan = plan_of(&arguments.topic, &redrive.plan().await?);
        show(output, &plan, |_| rows(&plan))?;
        return arguments
            .plan
            .finish("nothing was redriven; add --execute to do it");
    }
    let bar = progress_bar();
    let report = execute(&redrive, &bar).await;
    bar.finish_and_clear();
    let report = report?;
    let is_interrupted = report.is_interrupted;
    let report = report_of(&arguments.topic, &report);
    show(output, &report, |_| rows(&report))?;
    if is_interrupted {
        return Err(Failure::run(format!(
            "interrupted after {} letters; run it again to go on",
            report.letters
        )));
    }
    match report.refused {
        0 => Ok(()),
        refused => Err(Failure::run(format!(
            "{refused} letters were refused and stay in {}",
            arguments.topic
        ))),
    }
}

fn redrive(arguments: &Arguments, admin: &DeadLetterAdmin) -> Redrive {
    let mut redrive = admin
        .redrive(&arguments.topic)
        .filter(arguments.filter.filter())
        .redrives_max(arguments.max_redrives)
        .by(arguments.by.clone().unwrap_or_else(super::user))
        .per_second(arguments.rate.unwrap_or(0));
    if let Some(to) = &arguments.to {
        redrive = redrive.to(to);
    }
    if let Some(limit) = arguments.limit {
        redrive = redrive.limit(limit);
    }
    if arguments.again {
        redrive = redrive.again();
    }
    if arguments.keep_diagnostics {
        redrive = redrive.keep_diagnostics();
    }
    redrive
}

/// Ends after the transaction that is open when Ctrl-C is pressed, and at once when it is pressed
/// again: what is not confirmed then is not done.
async fn execute(redrive: &Redrive, bar: &ProgressBar) -> Result<RedriveReport, Failure> {
    let is_stopped = AtomicBool::new(false);
    let interrupts = async {
        for _ in 0..2 {
            if tokio::signal::ctrl_c().await.is_err() {
                std::future::pending::<()>().await;
            }
            is_stopped.store(true, Ordering::Relaxed);
        }
    };
    let show_progress = |progress: RedriveProgress| {
        bar.set_length(progress.letters);
        bar.set_position(progress.scanned);
        bar.set_message(format!("{} redriven", progress.redriven));
        if is_stopped.load(Ordering::Relaxed) {
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    };
    tokio::select! {
        report = redrive.execute(show_progress) => report.map_err(Failure::from),
        () = interrupts => Err(Failure::run(
            "interrupted; run it again to go on: what was confirmed is not done again",
        )),
    }
}

/// On a terminal, on standard error; nothing elsewhere.
fn progress_bar() -> ProgressBar {
    let bar = ProgressBar::new(0);
    let template = "{spinner} looking {bar:40} {pos}/{len}, {msg}";
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar
}

/// What would be done, or was.
#[derive(Debug, Serialize)]
struct Shown {
    topic: String,
    /// Of the redrive; none for a plan.
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    letters: u64,
    destinations: BTreeMap<String, u64>,
    skipped: BTreeMap<&'static str, u64>,
    refused: u64,
    refusals: Vec<Refused>,
    #[serde(skip)]
    reasons: Vec<(SkipReason, u64)>,
}

#[derive(Debug, Serialize)]
struct Refused {
    letter: String,
    error: String,
}

fn plan_of(topic: &str, plan: &RedrivePlan) -> Shown {
    Shown {
        topic: topic.to_owned(),
        id: None,
        letters: plan.letters,
        destinations: plan.destinations.clone(),
        skipped: named(&plan.skipped),
        refused: 0,
        refusals: Vec::new(),
        reasons: plan.skipped.clone().into_iter().collect(),
    }
}

fn report_of(topic: &str, report: &RedriveReport) -> Shown {
    let refusals = report.refusals.iter().map(|refusal| {
        let name = LetterName {
            topic: topic.to_owned(),
            partition: refusal.partition,
            offset: refusal.offset,
        };
        Refused {
            letter: name.to_string(),
            error: refusal.error.clone(),
        }
    });
    Shown {
        topic: topic.to_owned(),
        id: Some(report.id.clone()),
        letters: report.redriven,
        destinations: report.destinations.clone(),
        skipped: named(&report.skipped),
        refused: report.refused,
        refusals: refusals.collect(),
        reasons: report.skipped.clone().into_iter().collect(),
    }
}

fn named(skipped: &BTreeMap<SkipReason, u64>) -> BTreeMap<&'static str, u64> {
    let skipped = skipped.iter();
    skipped
        .map(|(reason, count)| (reason.name(), *count))
        .collect()
}

fn rows(shown: &Shown) -> Rows {
    let verb = match shown.id {
        Some(_) => "redriven to",
        None => "to redrive to",
    };
    let mut rows: Vec<Vec<String>> = shown
        .destinations
        .iter()
        .map(|(topic, count)| vec![count.to_string(), format!("{verb} {topic}")])
        .collect();
    if rows.is_empty() {
        rows.push(vec![
            "0".to_owned(),
            verb.trim_end_matches(" to").to_owned(),
        ]);
    }
    let reasons = shown.reasons.iter();
    rows.extend(reasons.map(|(reason, count)| vec![count.to_string(), format!("stay: {reason}")]));
    let refusals = shown.refusals.iter();
    rows.extend(refusals.map(|refused| {
        vec![
            "1".to_owned(),
            format!("{} refused: {}", refused.letter, refused.error),
        ]
    }));
    Rows {
        header: vec!["LETTERS", "OUTCOME"],
        rows,
    }
}

#[cfg(test)]
mod tests;
